"""Is the world still the one that a saved plan was made for?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.plan import rules
from kmsplan.plan.digest import ABSENT_DIGEST, UNREADABLE_DIGEST, object_digest
from kmsplan.plan.instances import released, unknown_keys
from kmsplan.resource.value import ABSENT, Present

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.plan.plan import Change, Plan
    from kmsplan.resource.value import Observation, Observed
    from kmsplan.state.record import Recorded


def stale(plan: Plan, *, config_digest: str, recorded: Recorded, observed: Observed) -> tuple[str, ...]:
    """Return what moved since the plan was made, each as a sentence that names it; () where the plan still holds.

    Args:
        plan: as it was saved.
        config_digest: of the configuration, read with the plan's variables.
        recorded: the state now.
        observed: a reading now, of at least the identities that the plan's changes have.
    """
    return (
        *_sources(plan, config_digest, recorded, observed),
        *_objects(plan, observed),
        *_filled(plan, recorded, observed),
    )


def _sources(plan: Plan, config_digest: str, recorded: Recorded, observed: Observed) -> Iterator[str]:
    if plan.lineage != recorded.lineage:
        yield (
            f"the lineage: the plan was made from state {plan.lineage or '(none)'}, and this is state "
            f"{recorded.lineage or '(none)'}"
        )
    elif plan.serial != recorded.serial:
        yield (
            f"the state: the plan was made from serial {plan.serial}, and the state is at serial {recorded.serial}; "
            "something was applied since, perhaps this plan"
        )
    if plan.environment != observed.environment:
        yield f"the KMS: the plan was made for {plan.environment}, and this is {observed.environment}"
    if plan.config_digest != config_digest:
        yield "the configuration: it is not the one that the plan was made from"


def _objects(plan: Plan, observed: Observed) -> Iterator[str]:
    others = {present.identity: present for present in observed.others}
    for change in plan.changes:
        if change.digest is not None and change.identity is not None:
            found = observed.objects.get(change.identity) or others.get(change.identity) or ABSENT
            now = object_digest(found)
            if now != change.digest:
                yield _moved(change, found, now)


def _filled(plan: Plan, recorded: Recorded, observed: Observed) -> Iterator[str]:
    """Yield what is in an instance that the plan releases: it was empty when the plan was made."""
    going = {str(change.identity): change for change in released(plan.changes)}
    inside: dict[str, list[str]] = {identity: [] for identity in going}
    for found in (*observed.objects.values(), *observed.others) if going else ():
        if isinstance(found, Present) and found.kind == "key" and found.attributes.get("instance") in inside:
            inside[found.attributes["instance"]].append(found.identity)
    unknown = unknown_keys(observed.objects, recorded.records.values()) if going else []
    for identity, change in going.items():
        keys = sorted({*inside[identity], *unknown})
        if keys:
            may = "holds" if inside[identity] else "may hold"
            yield f"{change.address} ({identity}): it {may} {rules.some(keys)} now, which its release would destroy"


def _moved(change: Change, found: Observation, now: str) -> str:
    name = f"{change.address} ({change.identity})"
    if now == UNREADABLE_DIGEST:
        return f"{name}: it can no longer be read, so nobody knows whether it changed: {getattr(found, 'message', '')}"
    if now == ABSENT_DIGEST:
        return f"{name}: it is gone"
    if change.digest == ABSENT_DIGEST:
        return f"{name}: it exists now"
    return f"{name}: it changed at the KMS"
