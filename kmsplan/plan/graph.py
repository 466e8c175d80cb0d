"""What waits for what: an object for what it refers to, a deletion for what referred to it."""

from __future__ import annotations

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from kmsplan.plan.plan import Action, Change
from kmsplan.plan.verdict import blocked
from kmsplan.resource.address import RETIRED_MARK, Address, is_retired
from kmsplan.resource.kinds import dependencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GOING = frozenset({Action.DELETE, Action.FORGET})


def link(changes: Mapping[Address, Change]) -> dict[Address, Change]:
    """Return the changes with `depends_on` filled in. Only what does something, or cannot, is waited for."""
    moving = {address: change for address, change in changes.items() if change.active or change.blocked is not None}
    referrers = _referrers(moving.values())
    linked = dict(changes)
    for address, change in moving.items():
        waits_for = _waits_for(change, moving, referrers)
        if waits_for:
            linked[address] = replace(change, depends_on=waits_for)
    return linked


def block_dependents(changes: Mapping[Address, Change]) -> dict[Address, Change]:
    """Return the changes with everything blocked that waits, however indirectly, for something blocked."""
    waiting_for = dependents(changes.values())
    result = dict(changes)
    waiting = sorted(address for address, change in changes.items() if change.blocked is not None)
    while waiting:
        cause = waiting.pop()
        for address in waiting_for.get(cause, ()):
            if result[address].blocked is None:
                result[address] = blocked(result[address], f"waits for {cause}, which is blocked")
                waiting.append(address)
    return result


def closure(start: Iterable[Address], edges: Mapping[Address, Iterable[Address]]) -> set[Address]:
    """Return everything that can be reached, the start included."""
    seen: set[Address] = set()
    waiting = list(start)
    while waiting:
        address = waiting.pop()
        if address not in seen:
            seen.add(address)
            waiting.extend(edges.get(address, ()))
    return seen


def dependents(changes: Iterable[Change]) -> dict[Address, list[Address]]:
    """Return, by address, which changes wait for it."""
    found: dict[Address, list[Address]] = {}
    for change in changes:
        for address in change.depends_on:
            found.setdefault(address, []).append(change.address)
    return found


def cycle(changes: Iterable[Change]) -> tuple[Address, ...]:
    """Return changes that wait for each other; () where an order exists."""
    try:
        TopologicalSorter({change.address: change.depends_on for change in changes if change.depends_on}).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def _referrers(changes: Iterable[Change]) -> dict[Address, list[Address]]:
    """Return, by address, which changes referred to it before."""
    found: dict[Address, list[Address]] = {}
    for change in changes:
        if change.before is not None:
            for address in dependencies(change.address, change.before):
                found.setdefault(address, []).append(change.address)
    return found


def _waits_for(
    change: Change, moving: Mapping[Address, Change], referrers: Mapping[Address, list[Address]]
) -> tuple[Address, ...]:
    address = change.address
    waits = {target for target in _refers_to(change) if target in moving and moving[target].action not in _GOING}
    if change.action in _GOING or _disables(change):
        waits.update(other for other in referrers.get(address, ()) if address not in _refers_to(moving[other]))
    if is_retired(address):
        waits.update({Address(address.rpartition(RETIRED_MARK)[0])} & moving.keys())
    return tuple(sorted(waits - {address}))


def _refers_to(change: Change) -> tuple[Address, ...]:
    return () if change.after is None else dependencies(change.address, change.after)


def _disables(change: Change) -> bool:
    return "enabled" in change.attributes and change.after is not None and change.after.get("enabled") is False
