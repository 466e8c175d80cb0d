"""What planning starts from, in short: one instance, one key, one alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kmsplan.config.configuration import Configuration, Declared, EngineSettings, Import
from kmsplan.config.diagnostic import Span
from kmsplan.plan.diff import complete
from kmsplan.plan.plan import Plan, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.resource.address import Address, current, kind_of
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.offer import Offer
from kmsplan.resource.value import Observation, Observed, Present
from kmsplan.state.record import Record, Recorded

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Small:
    """One instance, one key, one alias; recorded and observed as desired until a test says otherwise."""

    desired: dict[Address, Declared] = field(default_factory=dict)
    records: dict[Address, Record] = field(default_factory=dict)
    objects: dict[str, Observation] = field(default_factory=dict)
    others: list[Present] = field(default_factory=list)
    serial: int = 3
    lineage: str = "L"
    environment: str = "kms/1"

    def declare(self, where: str, **attributes: Any) -> Declared:
        address = Address(where)
        full = complete(KINDS[kind_of(address)], attributes)
        if kind_of(address) == "key" and full["usage"] is None:
            full["usage"] = "ENCRYPT/DECRYPT"
        self.desired[address] = Declared(address=address, attributes=full, span=Span("kmsplan.yaml", 1, 1, 1, 9))
        return self.desired[address]

    def exists(self, where: str, identity: str, **attributes: Any) -> None:
        """Record and observe a declared object."""
        address = Address(where)
        recorded = {**self.desired[address].attributes, **attributes}
        self.records[address] = Record(address=address, identity=identity, attributes=recorded)
        self.see(where)

    def see(self, where: str, **changes: Any) -> Present:
        """Observe a recorded object, with some attributes changed."""
        record = self.records[Address(where)]
        kind = KINDS[kind_of(record.address)]
        attributes = {name: record.attributes[name] for name in kind.compared} | changes
        for name in REFERENCES[kind.name]:
            target = self.records.get(attributes[name])
            attributes[name] = target.identity if target else attributes[name]
        owner = None if kind.name == "alias" else f"{self.lineage}/{current(record.address)}/t"
        present = Present(kind=kind.name, identity=record.identity, attributes=attributes, owner=owner)
        self.objects[record.identity] = present
        return present

    @property
    def recorded(self) -> Recorded:
        return Recorded(lineage=self.lineage, serial=self.serial, environment=self.environment, records=self.records)

    @property
    def observed(self) -> Observed:
        return Observed(environment=self.environment, objects=self.objects, others=tuple(self.others))

    @property
    def configuration(self) -> Configuration:
        return Configuration(
            root=Path(),
            engine=EngineSettings(provider="embedded"),
            state_path=Path(),
            desired=self.desired,
            variables={"env": "dev"},
            digest="config-1",
        )

    def plan(
        self,
        *,
        moved: Mapping[Address, Address] | None = None,
        removed: frozenset[Address] = frozenset(),
        imports: tuple[Import, ...] = (),
        **options: Any,
    ) -> Plan:
        offer = Offer(
            name="the KMS",
            kinds=frozenset({"instance", "key", "alias"}),
            instance_types=frozenset({"software"}),
            specs={"software": frozenset({"Aliyun_AES_256", "EC_P256"})},
            origins=frozenset({"Aliyun_KMS"}),
            storage_mechanisms=frozenset(),
        )
        return make_plan(
            configuration=replace(self.configuration, moved=moved or {}, removed=removed, imports=imports),
            recorded=self.recorded,
            observed=self.observed,
            offer=offer,
            options=replace(PlanOptions(now=NOW), **options),
        )


@pytest.fixture
def fresh() -> Small:
    """Everything declared, nothing made."""
    small = Small()
    small.declare("instance.core", type="software")
    small.declare("key.orders", instance="instance.core", tags={"team": "payments"})
    small.declare("alias.orders", key="key.orders")
    return small


@pytest.fixture
def small(fresh: Small) -> Small:
    """Everything declared and made."""
    fresh.exists("instance.core", "kst-1")
    fresh.exists("key.orders", "key-1")
    fresh.exists("alias.orders", "alias/orders")
    return fresh
