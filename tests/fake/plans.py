"""Desired objects and the plans for them, made by the planner itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmsplan.config.configuration import Configuration, Declared, EngineSettings
from kmsplan.config.diagnostic import Span
from kmsplan.plan.plan import Allowances, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS
from tests.fake.kms import OFFER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.plan.plan import Plan
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SPAN = Span("kmsplan.yaml", 1, 1, 1, 1)


def desired(**objects: Mapping[str, Any]) -> dict[Address, Mapping[str, Any]]:
    """Return whole attributes by address; `key__a={...}` is `key.a`, and what is not said has its default."""
    found: dict[Address, Mapping[str, Any]] = {}
    for name, attributes in objects.items():
        address = Address(name.replace("__", "."))
        table = KINDS[kind_of(address)].attributes
        found[address] = {item.name: item.default for item in table if item.recorded} | dict(attributes)
    return found


def core(**attributes: Any) -> dict[str, Any]:
    """An instance."""
    return {"type": "software", "deletion_protection": False} | attributes


def key(**attributes: Any) -> dict[str, Any]:
    """A key in instance.core."""
    return {"instance": "instance.core", "usage": "ENCRYPT/DECRYPT", "deletion_protection": False} | attributes


def configuration(
    objects: Mapping[Address, Mapping[str, Any]], *, digest: str = "", moved: Mapping[Address, Address] | None = None
) -> Configuration:
    """Return a configuration of these objects."""
    return Configuration(
        root=Path(),
        engine=EngineSettings(provider="model"),
        state_path=Path("state"),
        desired={
            address: Declared(address=address, attributes=attributes, span=_SPAN)
            for address, attributes in objects.items()
        },
        variables={},
        digest=digest,
        moved=moved or {},
    )


def plan_for(
    objects: Mapping[Address, Mapping[str, Any]],
    recorded: Recorded,
    observed: Observed,
    *,
    moved: Mapping[Address, Address] | None = None,
) -> Plan:
    """Return the plan towards these objects; every brake is let go."""
    asked = configuration(objects, moved=moved)
    known = tuple(recorded.records)
    for deletions in range(len(recorded.records) + 1):
        plan = make_plan(
            configuration=asked,
            recorded=recorded,
            observed=observed,
            offer=OFFER,
            options=PlanOptions(
                now=NOW, allowances=Allowances(delete=deletions, mass=True, in_use=known, release=known)
            ),
        )
        if not plan.violations:
            break
    return plan
