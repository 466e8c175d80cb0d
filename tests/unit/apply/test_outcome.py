"""Exit codes: the only number that a pipeline sees."""

from __future__ import annotations

from typing import Any

import pytest

from kmsplan.apply.outcome import Outcome, Result, ResultStatus, exit_code
from kmsplan.apply.settle import Found, Settled
from kmsplan.plan.plan import Action
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.error import StateError
from kmsplan.state.record import Pending

DONE, FAILED, SKIPPED = ResultStatus.DONE, ResultStatus.FAILED, ResultStatus.SKIPPED
CANCELLED, IN_DOUBT = ResultStatus.CANCELLED, ResultStatus.IN_DOUBT
BROKEN = StateError("the disk is full", "make space")
UNSETTLED = (
    Settled(
        pending=Pending(
            sequence=1,
            address=Address("key.a"),
            operation="DisableKey",
            parameters={},
            token=None,
            identity="key-1",
            effect=Effect(),
        ),
        found=Found.IN_DOUBT,
    ),
)


def outcome(*statuses: ResultStatus, operations: int = 0, **fields: Any) -> Outcome:
    results = tuple(
        Result(address=Address(f"key.k{number}"), action=Action.CREATE, status=status, done=operations, planned=2)
        for number, status in enumerate(statuses)
    )
    return Outcome(results=results, **fields)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (outcome(), 0),
        (outcome(DONE, DONE), 0),
        (outcome(FAILED), 1),
        (outcome(SKIPPED), 1),
        (outcome(FAILED, SKIPPED), 1),
        (outcome(FAILED, operations=1), 8),
        (outcome(DONE, FAILED), 8),
        (outcome(DONE, SKIPPED), 8),
        (outcome(CANCELLED), 9),
        (outcome(DONE, FAILED, CANCELLED), 9),
        (outcome(DONE, CANCELLED, IN_DOUBT), 10),
        (outcome(DONE, unsettled=UNSETTLED), 10),
        (outcome(error=BROKEN), 1),
        (outcome(DONE, error=BROKEN), 8),
        (outcome(DONE, FAILED, CANCELLED, error=BROKEN), 8),
        (outcome(FAILED, CANCELLED, error=BROKEN), 1),
    ],
)
def test_the_exit_code_says_the_worst_that_is_true(found: Outcome, code: int) -> None:
    assert exit_code(found) == code


def test_every_result_is_in_exactly_one_list() -> None:
    found = outcome(DONE, FAILED, SKIPPED, CANCELLED, IN_DOUBT)
    lists = (found.done, found.failed, found.skipped, found.cancelled, found.in_doubt)
    assert [len(results) for results in lists] == [1, 1, 1, 1, 1]
    assert {result.address for results in lists for result in results} == {result.address for result in found.results}
