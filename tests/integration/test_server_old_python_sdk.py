"""The older Python SDK against a served engine: signature version 1, as POST and as GET."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients import OldPython
from tests.served import serve
from tests.stories import STORIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients import ApiClient
    from tests.served import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for served in serve(tmp_path_factory.mktemp("served")):
        served.project.call("CreateInstance", "ProductType=software", "Spec=4000", "KeyNum=1000")
        yield served


@pytest.fixture(scope="module", params=["POST", "GET"])
def kms(request: pytest.FixtureRequest, served: Served) -> OldPython:
    return OldPython(served, request.param)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_story(kms: OldPython, story: Callable[[ApiClient], None]) -> None:
    story(kms)


def test_tags_of_many_resources_and_deletion_protection(kms: OldPython) -> None:
    key = kms.key()
    resource = {"ResourceType": "key", "ResourceIds": [key]}
    kms("TagResources", **resource, Tags=[{"Key": "c d", "Value": "e:+"}, {"Key": "f", "Value": ""}])
    rows = kms("ListTagResources", **resource)["TagResources"]["TagResource"]
    assert {row["TagKey"]: row["TagValue"] for row in rows} == {"c d": "e:+", "f": ""}
    kms("UntagResources", **resource, TagKeys=["f"])
    assert len(kms("ListTagResources", **resource)["TagResources"]["TagResource"]) == 1
    arn = kms.metadata(key)["Arn"]
    kms("SetDeletionProtection", ProtectedResourceArn=arn, EnableDeletionProtection=True)
    assert kms.refused("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)[0] == 403
    kms("SetDeletionProtection", ProtectedResourceArn=arn, EnableDeletionProtection=False)
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"secret": "wrong"}, (400, "SignatureDoesNotMatch")),
        ({"ak": "LTAInobody"}, (404, "InvalidAccessKeyId.NotFound")),
    ],
)
def test_strangers_are_refused(served: Served, method: str, options: dict[str, str], refusal: tuple[int, str]) -> None:
    stranger = OldPython(served, method, **options)
    assert stranger.refused("DescribeKey", KeyId="key-none") == refusal
