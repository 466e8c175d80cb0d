"""Adopting alone: an object is recorded and marked as this configuration's, and nothing else about it changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kmsplan.plan.owning import is_owner_step
from kmsplan.plan.plan import Action
from kmsplan.resource.step import Status

if TYPE_CHECKING:
    from kmsplan.plan.plan import Change, Plan
    from kmsplan.resource.address import Address


def only_adopted(plan: Plan, address: Address) -> Plan:
    """Return a plan of which nothing is left but that the object at `address` is adopted.

    What differs from the configuration stays for the next plan. Rules that forbid the adoption still do; brakes, which
    are about changes, have nothing to hold back.
    """
    return replace(
        plan,
        changes=tuple(_adopted(change) for change in plan.changes if change.address == address),
        unchanged=(),
        drift=(),
        violations=tuple(one for one in plan.violations if one.address in (None, address) and not one.brake),
        complete=False,
    )


def _adopted(change: Change) -> Change:
    effect = change.effect if change.action is Action.ADOPT else None
    # Its tags cannot be changed while it waits for its deletion.
    waits = effect is not None and effect.status is Status.PENDING_DELETION
    steps = () if waits else tuple(step for step in change.steps if is_owner_step(step))
    return replace(change, effect=effect, steps=steps, depends_on=(), moved_from=None, note=None)
