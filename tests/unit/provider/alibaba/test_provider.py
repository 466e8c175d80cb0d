"""What the provider does before it sends what nothing brings back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import ReleaseKmsInstance
from kmsplan.provider.alibaba.failure import CallError, answered
from kmsplan.provider.alibaba.provider import AlibabaProvider
from kmsplan.provider.alibaba.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.provider.alibaba.reads import Row

RELEASE = ReleaseKmsInstance(instance="kst-1")


class _Line:
    """A KMS with these keys in every instance; it releases whatever it is told to."""

    def __init__(self, *keys: str, failing: CallError | None = None) -> None:
        self.keys = keys
        self.failing = failing
        self.asked: list[tuple[str, object]] = []

    def call(self, action: str, query: Mapping[str, Any], **where: Any) -> Row:
        del where
        self.asked.append((action, query.get("Filters")))
        if self.failing is not None:
            raise self.failing
        if action == "ListKeys":
            return {"TotalCount": len(self.keys), "Keys": {"Key": [{"KeyId": key} for key in self.keys]}}
        return {"RequestId": "r"}

    def close(self) -> None:
        pass


def provider(line: _Line) -> AlibabaProvider:
    settings = Settings(region="cn-hangzhou", endpoint="kms.example.org", account="1")
    return AlibabaProvider(settings, entropy=bytes, channel=line)


def test_an_empty_instance_is_released_after_one_more_look() -> None:
    line = _Line()
    provider(line).execute(RELEASE)
    assert line.asked == [
        ("ListKeys", '[{"Key":"DKMSInstanceId","Values":["kst-1"]}]'),
        ("ReleaseKmsInstance", None),
    ]


def test_an_instance_with_a_key_that_came_at_the_last_moment_is_not_released() -> None:
    line = _Line("key-2", "key-1")
    with pytest.raises(KmsError, match="kst-1 was not released: it holds key-1 and 1 more") as found:
        provider(line).execute(RELEASE)
    assert (found.value.code, found.value.facts.retry, found.value.facts.in_doubt) == (
        "Rejected.InstanceNotEmpty",
        False,
        False,
    )
    assert [action for action, _ in line.asked] == ["ListKeys"]


def test_an_instance_of_which_nobody_can_tell_what_is_in_it_is_not_released() -> None:
    line = _Line(failing=answered(403, {"Code": "Forbidden.NoPermission"}, action="ListKeys"))
    with pytest.raises(CallError, match="kms:ListKeys"):
        provider(line).execute(RELEASE)
    assert [action for action, _ in line.asked] == ["ListKeys"]
