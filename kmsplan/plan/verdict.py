"""What was decided about one object, and the two ways in which a change does not go ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.lifecycle import LIFECYCLE, KeyState, after
from kmsplan.kms.operation import name_of
from kmsplan.plan.plan import Action, Change, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.plan.plan import Violation
    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Step
    from kmsplan.resource.value import Unreadable


UNAVAILABLE: Final = "the key is Unavailable: the HSM or key manager behind it does not answer"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One object's change; a refused one has a violation, a replaced key also a change of its predecessor."""

    change: Change
    violation: Violation | None = None
    predecessor: Change | None = None


def refused(change: Change, violation: Violation) -> Verdict:
    """Return the change without anything that could carry it out."""
    return Verdict(blocked(change, f"refused: {violation.summary} ({violation.code})"), violation)


def blocked(change: Change, why: str) -> Change:
    """Return the change as it would be, with the reason why it cannot be."""
    return replace(change, blocked=why, steps=(), effect=None)


def unreadable(
    address: Address, identity: str, found: Unreadable, recorded: Mapping[str, Any] | None = None
) -> Verdict:
    """Nothing is known, so nothing is done; nor to what it was recorded to point at, as long as it may still do so."""
    change = Change(address=address, action=Action.NO_OP, reason=Reason.UNREADABLE, identity=identity, before=recorded)
    return Verdict(blocked(change, f"{identity} could not be read: {found.message} ({found.code})"))


def rejection(steps: tuple[Step, ...], state: str) -> tuple[str, str, KeyState] | None:
    """Return the first operation that the KMS's state table rejects, its error code and the key's state then."""
    now = KeyState(state)
    for step in steps:
        operation = name_of(step.operation)
        code = LIFECYCLE[operation, now]
        if code is not None:
            return operation, code, now
        now = after(operation, now)
    return None
