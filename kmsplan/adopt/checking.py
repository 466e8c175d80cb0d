"""Whether what was written adopts everything, and nothing else: the loader and the planner say so, object by object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.naming import ALIAS_PREFIX
from kmsplan.plan.plan import Action, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.resource.address import kind_of, name_of
from kmsplan.state.record import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kmsplan.adopt.inventory import Inventory
    from kmsplan.config.configuration import Configuration
    from kmsplan.config.diagnostic import Diagnostic
    from kmsplan.plan.plan import Change
    from kmsplan.resource.address import Address
    from kmsplan.resource.offer import Offer
    from kmsplan.resource.value import Observed

_NOBODY: Final = Recorded(lineage="0", serial=0, environment="")
"""A new state, as `state init` makes one, of a lineage that owns nothing."""


def unreadable(diagnostics: Iterable[Diagnostic], inventory: Inventory) -> dict[str, str]:
    """Return, by identity, what the loader refuses; {} where it does not say whose fault it is."""
    identities = _identities(inventory)
    return {
        identities[one.address]: f"no configuration can declare it as it is ({one.code}): {one.detail}"
        for one in diagnostics
        if one.address in identities
    }


def changed(
    configuration: Configuration, inventory: Inventory, observed: Observed, offer: Offer, now: datetime
) -> dict[str, str]:
    """Return, by identity, what the first plan would do more than adopt, or would not adopt."""
    plan = make_plan(
        configuration=configuration, recorded=_NOBODY, observed=observed, offer=offer, options=PlanOptions(now=now)
    )
    identities = _identities(inventory)
    made = {one.address for one in inventory.objects if one.made}
    found = {change.address: _problem(change, made=change.address in made) for change in plan.changes}
    found |= {one.address: one.detail for one in plan.violations if one.address is not None}
    return {
        identities.get(address) or _alias(address): f"a plan would not just adopt it: {problem}"
        for address, problem in found.items()
        if problem
    }


def _problem(change: Change, *, made: bool) -> str | None:
    if change.blocked is not None or change.action is not (Action.CREATE if made else Action.ADOPT):
        return change.blocked or f"it would {change.action.value} it"
    return f"{' and '.join(change.attributes)} would change" if change.attributes and not made else None


def _identities(inventory: Inventory) -> dict[str, str]:
    return {str(one.address): one.identity for one in inventory.objects}


def _alias(address: Address) -> str:
    return f"{ALIAS_PREFIX}{name_of(address)}" if kind_of(address) == "alias" else address
