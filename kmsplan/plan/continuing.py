"""A run that was cut off among its deletions: the same command again may finish it, and do nothing else.

`--allow-delete N` is a number that somebody has reviewed. After an interruption fewer deletions are left, so that the
number does not fit the plan any more. It still fits where every deletion that is left is one of those N, and every
other one of them has been done: then the two runs together do what was reviewed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import orjson

from kmsplan.plan.plan import Action
from kmsplan.resource.address import kind_of
from kmsplan.resource.step import Status
from kmsplan.state.record import Deletions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.plan.plan import Change, Plan
    from kmsplan.resource.address import Address
    from kmsplan.state.record import Recorded

_COUNTED: Final = frozenset({"instance", "key", "default_key"})
"""Kinds whose end needs its number; an alias can be made again."""


def deleted(changes: Iterable[Change]) -> tuple[Address, ...]:
    """Return the addresses of the deletions that --allow-delete counts, among changes that are active."""
    return tuple(
        change.address for change in changes if change.action is Action.DELETE and kind_of(change.address) in _COUNTED
    )


def allowed(plan: Plan, recorded: Recorded) -> int:
    """Return how many deletions an interrupted run was allowed that this plan finishes; 0 where it finishes none.

    Args:
        plan: whatever brakes hold it back.
        recorded: the settled state that it was made from.
    """
    left, planned = recorded.unfinished, deleted(plan.effective)
    if left is None or left.purpose != _purpose(plan) or not set(left.addresses).issuperset(planned):
        return 0
    done = set(left.addresses).difference(planned)
    return len(left.addresses) if all(_is_done(recorded, address) for address in done) else 0


def announced(plan: Plan, recorded: Recorded) -> Deletions | None:
    """Return what the journal says of a plan's deletions when a run begins: those of the run that it finishes count."""
    if allowed(plan, recorded):
        return recorded.unfinished
    planned = deleted(plan.effective)
    return Deletions(_purpose(plan), planned) if planned else None


def _purpose(plan: Plan) -> str:
    """Return sha256 hex over what makes two runs the same command: what is asked for, and of which objects."""
    content = [plan.config_digest, plan.destroy, sorted(plan.targets), sorted(plan.excludes)]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


def _is_done(recorded: Recorded, address: Address) -> bool:
    record = recorded.records.get(address)
    return record is None or record.status is Status.PENDING_DELETION
