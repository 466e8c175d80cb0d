"""Adopting alone: an object is recorded and marked as this configuration's, and nothing else about it changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kmsplan.kms.naming import OWNER_TAG
from kmsplan.kms.operation import TagResources
from kmsplan.plan.plan import Action
from kmsplan.resource.step import Status

if TYPE_CHECKING:
    from kmsplan.plan.plan import Change, Plan
    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Step


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
    steps = () if waits else tuple(step for step in change.steps if _is_mark(step))
    return replace(change, effect=effect, steps=steps, depends_on=(), moved_from=None, note=None)


def _is_mark(step: Step) -> bool:
    """Return whether a step puts the owner tag on; users' tags never have its name."""
    return isinstance(step.operation, TagResources) and OWNER_TAG in step.operation.tags
