"""What the KMS holds, read through a channel that answers as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.provider.alibaba.failure import UNREADABLE, CallError
from kmsplan.provider.alibaba.limiter import Limiter
from kmsplan.provider.alibaba.normal import observations
from kmsplan.provider.alibaba.reads import Reads, Row
from kmsplan.provider.alibaba.survey import survey
from kmsplan.resource.value import Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = {
    "KeyId": "key-1",
    "KeyState": "Enabled",
    "KeySpec": "Aliyun_AES_256",
    "KeyUsage": "ENCRYPT/DECRYPT",
    "Origin": "Aliyun_KMS",
    "DKMSInstanceId": "kst-1",
}
INSTANCE = {"InstanceId": "kst-1", "InstanceType": "software", "Spec": 1000, "KeyNum": 1000}
WHOLE: Mapping[str, Row] = {
    "ListKeys": {"TotalCount": 1, "Keys": {"Key": [{"KeyId": "key-1"}]}},
    "ListAliases": {"TotalCount": 0, "Aliases": {"Alias": []}},
    "ListKmsInstances": {"TotalCount": 1, "KmsInstances": {"KmsInstance": [{"KmsInstanceId": "kst-1"}]}},
    "DescribeKey": {"KeyMetadata": KEY},
    "GetKeyPolicy": {"Policy": ""},
    "GetKmsInstance": {"KmsInstance": INSTANCE},
    "ListTagResources": {"TagResources": {"TagResource": []}},
}


class _Line:
    def __init__(self, answers: Mapping[str, Row]) -> None:
        self._answers = answers

    def call(self, action: str, query: Mapping[str, Any], **where: Any) -> Row:
        del query, where
        return self._answers[action]

    def close(self) -> None:
        pass


def found(**answers: Row) -> dict[str, object]:
    """What is made of a KMS with one key in one instance, some of whose answers are others."""
    limiter = Limiter(lambda: 0.0, lambda _: None, {})
    line = _Line({**WHOLE, **answers})
    reads = Reads(line, limiter, region="cn-hangzhou", entropy=bytes, sleep=lambda _: None)
    return dict(observations(survey(reads, ()), "1"))


def test_a_key_and_its_instance_are_there() -> None:
    assert {identity: type(one) for identity, one in found().items()} == {"key-1": Present, "kst-1": Present}


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        pytest.param("DescribeKey", {}, id="nothing"),
        pytest.param("DescribeKey", {"KeyMetadata": None}, id="nothing of it"),
        pytest.param("DescribeKey", {"KeyMetadata": {"KeyId": "key-1"}}, id="little of it"),
        pytest.param(
            "DescribeKey",
            {"KeyMetadata": {**KEY, "RotationInterval": 7, "AutomaticRotation": "Enabled"}},
            id="a number for a text",
        ),
        pytest.param("GetKeyPolicy", {}, id="no policy"),
        pytest.param("GetKeyPolicy", {"Policy": "<html>"}, id="a policy that is no JSON"),
    ],
)
def test_a_key_that_is_told_of_in_another_form_is_unreadable_and_not_absent(action: str, answer: Row) -> None:
    objects = found(**{action: answer})
    key = objects["key-1"]
    assert isinstance(key, Unreadable)
    assert key.code == UNREADABLE
    assert isinstance(objects["kst-1"], Present)


@pytest.mark.parametrize(
    "answer", [{}, {"KmsInstance": {}}, {"KmsInstance": {**INSTANCE, "Spec": "large"}}], ids=["nothing", "empty", "odd"]
)
def test_an_instance_that_is_told_of_in_another_form_is_unreadable_and_not_absent(answer: Row) -> None:
    assert isinstance(found(GetKmsInstance=answer)["kst-1"], Unreadable)


@pytest.mark.parametrize("answer", [{}, {"TagResources": {"TagResource": [{}]}}], ids=["nothing", "empty"])
def test_tags_that_are_not_told_are_not_taken_for_none(answer: Row) -> None:
    with pytest.raises(CallError, match="ListTagResources was answered in another form"):
        found(ListTagResources=answer)
