"""The Node SDK against a served engine, from a JavaScript program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients import NODE, Node
from tests.served import serve
from tests.stories import STORIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients import ApiClient


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    for served in serve(tmp_path_factory.mktemp("served")):
        served.project.call("CreateInstance", "ProductType=software", "Spec=4000", "KeyNum=1000")
        with Node(served) as client:
            yield client


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_story(kms: Node, story: Callable[[ApiClient], None]) -> None:
    story(kms)


def test_calls_at_the_same_time_get_their_own_answers(kms: Node) -> None:
    key = kms.key()
    sealed = kms.send_all([("Encrypt", {"KeyId": key, "Plaintext": f"text {number}"}) for number in range(40)])
    blobs = [answer.body["CiphertextBlob"] for answer in sealed]
    opened = kms.send_all([("Decrypt", {"CiphertextBlob": blob}) for blob in blobs])
    assert [answer.body["Plaintext"] for answer in opened] == [f"text {number}" for number in range(40)]
    assert len({answer.body["RequestId"] for answer in sealed + opened}) == 80


@pytest.mark.parametrize(
    ("variable", "refusal"),
    [
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", (400, "SignatureDoesNotMatch")),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", (404, "InvalidAccessKeyId.NotFound")),
    ],
)
def test_strangers_are_refused(kms: Node, variable: str, refusal: tuple[int, str]) -> None:
    with Node(kms.served, {variable: "wrong"}) as stranger:
        assert stranger.refused("ListKeys") == refusal


def test_the_lock_file_names_hashes_and_no_registry() -> None:
    lock = (NODE / "package-lock.json").read_text()
    assert "://" not in lock
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')
