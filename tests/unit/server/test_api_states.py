"""The state table through the wire, cell by cell: each action on a key in each state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.error import ERRORS
from kmsplan.kms.lifecycle import LIFECYCLE, TRANSITIONS, KeyState
from tests.calls import OF_KEYS

if TYPE_CHECKING:
    from tests.calls import Stage


def test_every_action_of_the_table_has_a_call() -> None:
    assert {action for action, _ in LIFECYCLE} == OF_KEYS.keys()


@pytest.mark.parametrize("state", KeyState)
@pytest.mark.parametrize("action", OF_KEYS)
def test_a_state_allows_or_refuses_an_action(stages: dict[KeyState, Stage], action: str, state: KeyState) -> None:
    stage = stages[state]
    parameters = OF_KEYS[action](stage)
    code = LIFECYCLE[action, state]
    reply = stage.api.call(action, parameters)
    assert (reply.status, reply.code) == ((200, "") if code is None else (ERRORS[code].status, code)), reply.json
    key = parameters.get("KeyId", stage.aes)
    seen = stage.api.ok("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"]
    assert seen == (state if code is not None else TRANSITIONS.get((action, state), state))
