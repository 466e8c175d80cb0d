from __future__ import annotations

from typing import Any

import pytest

from kmsplan.kms.error import KmsError
from kmsplan.provider.alibaba.failure import answered
from kmsplan.provider.alibaba.identity import account, require_account
from kmsplan.provider.alibaba.settings import settings

ARN = "acs:kms:cn-hangzhou:1234567890123456:key/key-1"


class _Asked:
    """Answers one question, and keeps it."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer
        self.where: dict[str, Any] = {}

    def ask(self, action: str, query: dict[str, Any], **where: Any) -> dict[str, Any]:
        assert (action, query) == ("GetCallerIdentity", {})
        self.where = where
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def found(asked: Any, **options: Any) -> str:
    return account(asked, settings({"region": "cn-hangzhou", **options}))


def test_an_account_that_is_written_down_is_not_asked_for() -> None:
    assert found(_Asked(AssertionError()), account="42") == "42"


def test_in_the_cloud_its_token_service_is_asked() -> None:
    asked = _Asked({"AccountId": 42})
    assert found(asked) == "42"
    assert asked.where == {"version": "2015-04-01", "endpoint": "sts.cn-hangzhou.aliyuncs.com"}
    found(asked, vpc=True)
    assert asked.where["endpoint"] == "sts-vpc.cn-hangzhou.aliyuncs.com"


def test_a_served_engine_is_asked_itself() -> None:
    asked = _Asked({"AccountId": "42"})
    assert found(asked, endpoint="127.0.0.1:8443") == "42"
    assert asked.where == {}


@pytest.mark.parametrize("answer", [{}, answered(404, {"Code": "InvalidAction.NotFound"}, action="GetCallerIdentity")])
def test_an_account_that_nobody_tells_is_to_be_written_down(answer: Any) -> None:
    with pytest.raises(KmsError, match="account: NUMBER"):
        found(_Asked(answer), endpoint="127.0.0.1:8443")


def test_any_other_failure_is_itself() -> None:
    with pytest.raises(KmsError, match="Forbidden"):
        found(_Asked(answered(403, {"Code": "Forbidden.AccessKey"}, action="GetCallerIdentity")))


def test_keys_of_another_account_are_refused() -> None:
    require_account("1234567890123456", [ARN, "no arn"])
    with pytest.raises(KmsError, match=r"account 1234567890123456, and the configuration names 42.*Nothing was done"):
        require_account("42", [ARN])
