"""A change that only a new key can carry: refused, or a successor that takes the address and the aliases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import format_duration
from kmsplan.plan import rules
from kmsplan.plan.owning import with_owner
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.plan.usage import instant, later
from kmsplan.plan.verdict import UNAVAILABLE, Verdict, blocked, refused
from kmsplan.resource import key
from kmsplan.resource.address import RETIRED_MARK, Address, retired
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from kmsplan.config.configuration import Declared
    from kmsplan.plan.situation import Situation
    from kmsplan.state.record import Record

KEEPS_DATA: Final = (
    "what was encrypted under the old key still needs it: it is kept as {retired}, disabled; enable it there to decrypt"
)
KEEPS_DATA_IN_GRACE: Final = (
    "what was encrypted under the old key still needs it: it is kept as {retired}, enabled for {grace} more; the first "
    "apply after that disables it"
)


def replacement(
    situation: Situation, declared: Declared, present: Present, change: Change, names: tuple[str, ...]
) -> Verdict:
    """Return succession where the configuration asks for it, else a refusal."""
    change = replace(change, action=Action.REPLACE, reason=Reason.CANNOT_UPDATE, attributes=names)
    if declared.attributes.get("on_replace") != "succeed" or present.state == KeyState.PENDING_DELETION:
        return refused(change, rules.needs_material(change.address, names, declared))
    if present.state == KeyState.UNAVAILABLE:
        return Verdict(blocked(change, UNAVAILABLE))
    before, after = change.before or {}, change.after or {}
    predecessor, period = _free(change.address, situation.records), after.get("grace")
    made = replace(
        change,
        steps=key.create(change.address, after, retires=predecessor),
        note=(KEEPS_DATA if period is None else KEEPS_DATA_IN_GRACE).format(
            retired=predecessor, grace=format_duration(period or 0)
        ),
    )
    if period is not None:
        kept = _rests(predecessor, present.identity, before)
    else:
        tests = change.address if after.get("enabled") else None
        kept = retire(predecessor, present.identity, before, tests=tests)
    return Verdict(made, predecessor=with_owner(situation, kept, present))


def retire(address: Address, identity: str, before: Mapping[str, object], *, tests: Address | None) -> Change:
    """Return the change that disables a predecessor, after its successor has shown that it works."""
    after = {**before, "enabled": False}
    steps = key.update(identity, before, after)
    return Change(
        address=address,
        action=Action.UPDATE if steps else Action.NO_OP,
        reason=Reason.SUCCEEDED,
        identity=identity,
        before=before,
        after=after,
        attributes=("enabled",) if steps else (),
        steps=steps,
        tests=tests if steps else None,
    )


def _rests(address: Address, identity: str, before: Mapping[str, object]) -> Change:
    """Return the predecessor as it stays until its grace has ended."""
    reason = Reason.GRACE if before.get("enabled") else Reason.SUCCEEDED
    return Change(address=address, action=Action.NO_OP, reason=reason, identity=identity, before=before, after=before)


def working(situation: Situation, predecessor: Address) -> Address | None:
    """Return the key that is to work in a predecessor's place now; None where none is."""
    declared = situation.desired.get(_base(predecessor))
    return declared.address if declared is not None and declared.attributes.get("enabled", True) else None


def grace(situation: Situation, predecessor: Address) -> str | None:
    """Say until when a predecessor stays enabled; None where it is to be disabled now."""
    said, until = _granted(situation, predecessor)
    if said is None:
        return None
    if until is None:
        return f"enabled for a grace of {format_duration(said)}; when its successor was made is not known"
    if until <= situation.now:
        return None
    return f"enabled until {until:%Y-%m-%dT%H:%M:%SZ}; the first apply after that disables it"


def grace_end(situation: Situation, predecessor: Address) -> datetime | None:
    """Return when a predecessor's grace ends or has ended; None where it has none, or nobody knows."""
    return _granted(situation, predecessor)[1]


def _granted(situation: Situation, predecessor: Address) -> tuple[int | None, datetime | None]:
    """Return a predecessor's grace in seconds, and when it ends where that is known."""
    base, heir = _base(predecessor), _heir(situation, predecessor)
    settings = situation.desired.get(base) or situation.records.get(base)
    said = settings.attributes.get("grace") if settings is not None else None
    if said is None or heir is None:
        return None, None
    found = situation.observe(heir.identity)
    made = instant(found.computed.get("creation_date")) if isinstance(found, Present) else None
    return said, None if made is None else later(made, said)


def _heir(situation: Situation, predecessor: Address) -> Record | None:
    """Return the record of what took a predecessor's place at the time, which may be a predecessor itself by now."""
    base = _base(predecessor)
    later = (other for other in situation.records if other.startswith(f"{base}{RETIRED_MARK}"))
    numbers = sorted(found for other in later if (found := _number(other)) > _number(predecessor))
    return situation.records.get(retired(base, numbers[0]) if numbers else base)


def _base(predecessor: Address) -> Address:
    return Address(predecessor.rpartition(RETIRED_MARK)[0])


def _number(predecessor: Address) -> int:
    return int(predecessor.rpartition(RETIRED_MARK)[2])


def _free(address: Address, records: Mapping[Address, object]) -> Address:
    """Return the retired address behind all that are taken: predecessors are numbered in the order of their ends."""
    taken = (_number(other) for other in records if other.startswith(f"{address}{RETIRED_MARK}"))
    return retired(address, max(taken, default=0) + 1)
