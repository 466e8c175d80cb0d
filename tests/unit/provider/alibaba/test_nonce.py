from __future__ import annotations

from itertools import count

import pytest

from kmsplan.kms.error import ErrorFacts
from kmsplan.kms.operation import CreateKey, DisableKey
from kmsplan.provider.alibaba.failure import REPEATED, CallError, answered
from kmsplan.provider.alibaba.nonce import Nonces

CREATE = CreateKey(instance="kst-1", spec="EC_P256", usage="SIGN/VERIFY", origin="Aliyun_KMS", tags={"a": "b"})
DISABLE = DisableKey(key="key-1")
LIFETIME = 30.0
USED = answered(400, {"Code": REPEATED, "RequestId": "r"}, action="CreateKey")
LOST = CallError("Connection.Lost", "no answer", ErrorFacts(0, "no answer", retry=True, in_doubt=True))
UNSENT = CallError("Connection.Failed", "not sent", ErrorFacts(0, "not sent", retry=True))


class _Time:
    now = 0.0


@pytest.fixture
def time() -> _Time:
    return _Time()


@pytest.fixture
def nonces(time: _Time) -> Nonces:
    numbers = count(1)
    return Nonces(lambda size: next(numbers).to_bytes(size, "big"), lambda: time.now, LIFETIME)


def test_all_attempts_of_an_operation_have_one_nonce_and_others_have_another(nonces: Nonces) -> None:
    first = nonces.of(CREATE)
    assert nonces.failed(CREATE, LOST) is LOST
    assert nonces.of(CREATE) == first
    assert nonces.of(DISABLE) != first


@pytest.mark.parametrize("error", [answered(409, {"Code": "Rejected.Disabled", "RequestId": "r"}, action="x"), UNSENT])
def test_a_call_that_is_over_gives_its_operation_a_new_nonce(nonces: Nonces, error: CallError) -> None:
    first = nonces.of(CREATE)
    assert nonces.failed(CREATE, error) is error
    assert nonces.of(CREATE) != first


def test_success_gives_its_operation_a_new_nonce(nonces: Nonces) -> None:
    first = nonces.of(DISABLE)
    nonces.over(DISABLE)
    assert nonces.of(DISABLE) != first


def test_a_used_nonce_leaves_it_in_doubt_whether_the_operation_was_carried_out(nonces: Nonces) -> None:
    nonces.of(CREATE)
    told = nonces.failed(CREATE, USED)
    assert (told.code, told.facts.in_doubt, told.facts.retry) == (REPEATED, True, True)
    assert "may have been carried out" in told.message


def test_what_may_be_repeated_is_sent_anew_at_once(nonces: Nonces) -> None:
    first = nonces.of(DISABLE)
    nonces.failed(DISABLE, USED)
    assert nonces.of(DISABLE) != first


def test_a_creation_keeps_its_nonce_until_the_copy_that_was_taken_is_over(nonces: Nonces, time: _Time) -> None:
    first = nonces.of(CREATE)
    nonces.failed(CREATE, USED)
    time.now = LIFETIME - 1
    nonces.failed(CREATE, USED)
    assert nonces.of(CREATE) == first
    time.now = LIFETIME
    nonces.failed(CREATE, USED)
    assert nonces.of(CREATE) != first
