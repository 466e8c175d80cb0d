from __future__ import annotations

import pytest

from kmsplan.kms.error import ERRORS, KmsError
from kmsplan.kms.lifecycle import LIFECYCLE, TRANSITIONS, KeyState, after, check

S = KeyState
CELLS = [
    ("Encrypt", S.DISABLED, "Rejected.Disabled"),
    ("Decrypt", S.PENDING_DELETION, "Rejected.PendingDeletion"),
    ("GenerateDataKey", S.PENDING_IMPORT, "Rejected.PendingImport"),
    ("AsymmetricSign", S.UNAVAILABLE, "Rejected.Unavailable"),
    ("EnableKey", S.ENABLED, None),
    ("EnableKey", S.PENDING_DELETION, "Rejected.StateModifiedFailed"),
    ("DisableKey", S.PENDING_IMPORT, "Rejected.StateModifiedFailed"),
    ("ScheduleKeyDeletion", S.PENDING_DELETION, "Rejected.StateModifiedFailed"),
    ("ScheduleKeyDeletion", S.PENDING_IMPORT, None),
    ("CancelKeyDeletion", S.ENABLED, "Rejected.StateModifiedFailed"),
    ("CancelKeyDeletion", S.PENDING_DELETION, None),
    ("TagResources", S.PENDING_DELETION, "Rejected.PendingDeletion"),
    ("CreateAlias", S.PENDING_DELETION, "Rejected.StateModifiedFailed"),
    ("UpdateAlias", S.PENDING_DELETION, "Rejected.PendingDeletion"),
    ("DeleteAlias", S.PENDING_DELETION, None),
    ("UpdateRotationPolicy", S.DISABLED, "Rejected.Disabled"),
    ("DescribeKey", S.UNAVAILABLE, None),
    ("TagResource", S.PENDING_DELETION, "Rejected.PendingDeletion"),
    ("UntagResource", S.DISABLED, None),
    ("ListTagResources", S.PENDING_DELETION, None),
    ("ListAliasesByKeyId", S.PENDING_IMPORT, None),
    ("CreateKeyVersion", S.DISABLED, "Rejected.Disabled"),
]


@pytest.mark.parametrize(("action", "state", "code"), CELLS)
def test_cells_of_the_published_state_table(action: str, state: KeyState, code: str | None) -> None:
    assert LIFECYCLE[action, state] == code


def test_every_action_has_a_cell_for_every_state() -> None:
    actions = {action for action, _ in LIFECYCLE}
    assert set(LIFECYCLE) == {(action, state) for action in actions for state in KeyState}


def test_every_refusal_is_a_known_error_with_status_409() -> None:
    assert {ERRORS[code].status for code in LIFECYCLE.values() if code} == {409}


def test_no_transition_starts_where_the_table_refuses() -> None:
    assert [cell for cell in TRANSITIONS if LIFECYCLE[cell] is not None] == []


def test_a_cancelled_deletion_enables_the_key() -> None:
    assert after("CancelKeyDeletion", KeyState.PENDING_DELETION) is KeyState.ENABLED


def test_an_action_without_transition_leaves_the_state() -> None:
    assert after("UpdateKeyDescription", KeyState.DISABLED) is KeyState.DISABLED


def test_check_raises_the_code_of_the_cell() -> None:
    with pytest.raises(KmsError) as caught:
        check("Encrypt", KeyState.DISABLED)
    assert (caught.value.code, caught.value.facts.status) == ("Rejected.Disabled", 409)
    check("Encrypt", KeyState.ENABLED)
