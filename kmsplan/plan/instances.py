"""Releasing an instance destroys every key in it at once, so it has to be empty first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import names_key
from kmsplan.plan import rules
from kmsplan.plan.plan import Action, Change
from kmsplan.plan.verdict import Verdict, blocked, refused
from kmsplan.resource.address import kind_of
from kmsplan.resource.value import Absent, Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kmsplan.plan.situation import Situation
    from kmsplan.resource.address import Address
    from kmsplan.resource.value import Observation
    from kmsplan.state.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """A key that still exists in an instance."""

    instance: str
    """The instance's identity."""
    name: str
    """Its address, or its identity where it has none."""
    ends: str | None = None
    """When its pending deletion ends, as the KMS says it."""
    window: int | None = None
    """Days that this plan gives it."""
    readable: bool = True

    @property
    def stays(self) -> bool:
        """Whether nothing is under way that ends it."""
        return self.readable and self.ends is None and self.window is None


def releases(situation: Situation, changes: Mapping[Address, Change]) -> list[Verdict]:
    """Return a verdict for every instance that this plan would release while keys remain in it."""
    going = sorted(released(changes.values()), key=lambda change: change.address)
    if not going:
        return []
    unknown = unknown_keys(situation.objects, situation.records.values())
    anywhere = [Remaining(instance="", name=identity, readable=False) for identity in unknown]
    inside: dict[str, list[Remaining]] = {str(change.identity): list(anywhere) for change in going}
    for remaining in _remaining(situation, changes):
        inside.setdefault(remaining.instance, []).append(remaining)
    return [_held(change, inside[str(change.identity)]) for change in going if inside[str(change.identity)]]


def released(changes: Iterable[Change]) -> list[Change]:
    """Return the changes that release an instance."""
    return [
        change
        for change in changes
        if change.action is Action.DELETE and kind_of(change.address) == "instance" and change.blocked is None
    ]


def unknown_keys(objects: Mapping[str, Observation], records: Iterable[Record]) -> list[str]:
    """Return the identities of keys that cannot be read and are not recorded: they may be in any instance."""
    known = {record.identity for record in records}
    return sorted(
        identity
        for identity, found in objects.items()
        if isinstance(found, Unreadable) and identity not in known and names_key(identity)
    )


def _held(change: Change, inside: Sequence[Remaining]) -> Verdict:
    staying = sorted(remaining.name for remaining in inside if remaining.stays)
    if staying:
        return refused(change, rules.not_empty(change.address, staying))
    count = "a key" if len(inside) == 1 else f"{len(inside)} keys"
    return Verdict(blocked(change, f"{count} in it must be gone first: {'; '.join(_reasons(inside))}"))


def _reasons(inside: Iterable[Remaining]) -> Iterator[str]:
    inside = tuple(inside)
    ends = [remaining.ends for remaining in inside if remaining.ends is not None]
    windows = [remaining.window for remaining in inside if remaining.window is not None]
    unreadable = sorted(remaining.name for remaining in inside if not remaining.readable)
    if ends:
        yield f"the last pending deletion ends {max(ends)}"
    if windows:
        yield f"those that this plan deletes end {max(windows)} days after it is applied"
    if unreadable:
        yield f"{rules.some(unreadable)} could not be read"


def _remaining(situation: Situation, changes: Mapping[Address, Change]) -> Iterator[Remaining]:
    for record in situation.records.values():
        if kind_of(record.address) == "key":
            found = situation.observe(record.identity)
            if not isinstance(found, Absent):
                yield _recorded(situation, record, found, changes.get(record.address))
    for present in situation.others.values():
        if present.kind == "key":
            instance = present.attributes["instance"]
            yield Remaining(instance=instance, name=present.identity, ends=_ends(present))


def _recorded(situation: Situation, record: Record, found: Observation, change: Change | None) -> Remaining:
    if isinstance(found, Present):
        instance = found.attributes.get("instance")
    else:
        target = situation.records.get(record.attributes.get("instance"))  # type: ignore[arg-type]
        instance = target.identity if target else None
    deleted = change is not None and change.action is Action.DELETE and change.before is not None
    return Remaining(
        instance=str(instance),
        name=record.address,
        ends=_ends(found),
        window=change.before["deletion_window"] if deleted and change and change.before else None,
        readable=not isinstance(found, Unreadable),
    )


def _ends(found: Observation) -> str | None:
    if not isinstance(found, Present) or found.state != KeyState.PENDING_DELETION:
        return None
    return str(found.computed.get("delete_date") or "at a date that the KMS does not tell")
