"""Stories for policy rules: a configuration, what the KMS holds, and what a pack says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kmsplan.config.load import load
from kmsplan.kms.capability import KeyStorageMechanism, Origin
from kmsplan.kms.spec import INSTANCE_TYPES, KeySpec
from kmsplan.plan.plan import Allowances, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.policy.checking import check
from kmsplan.resource.address import Address, kind_of, name_of
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.offer import Offer
from kmsplan.resource.value import Observed, Present
from kmsplan.state.record import Record, Recorded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kmsplan.config.configuration import Configuration
    from kmsplan.policy.report import PolicyReport

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CORE = {"core": {"type": "software"}}
LINEAGE = "4711"
EVERYTHING = Offer(
    name="a KMS that can do everything",
    kinds=frozenset(KINDS),
    instance_types=frozenset(INSTANCE_TYPES),
    specs=dict.fromkeys(INSTANCE_TYPES, frozenset(KeySpec)),
    origins=frozenset(Origin),
    storage_mechanisms=frozenset(KeyStorageMechanism),
)


@dataclass
class Story:
    """One configuration, and what came before it."""

    folder: Path
    written: Mapping[str, Any]
    """Sections of a configuration; `before`: those of the one that was applied last, "same" where it is this one;
    `observed`: by address, what the KMS says otherwise: `state`, days since `made`, `rotated`, `used`, or attributes;
    `unmanaged`: identities of objects that no record speaks of, by address in `before`."""
    policy: Any
    waivers: list[Any] = field(default_factory=list)
    now: datetime = NOW

    def configuration(self) -> Configuration:
        sections = {name: value for name, value in self.written.items() if name not in ("before", "observed")}
        return self._load({**sections, "policy": self.policy, "waivers": self.waivers}, "after")

    def report(self, *, as_observed: bool = False) -> PolicyReport:
        configuration = self.configuration()
        before = self.written.get("before")
        applied = configuration if before == "same" else self._load(before, "before") if before else None
        recorded, observed = self._world(applied)
        options = PlanOptions(
            now=self.now, allowances=Allowances(delete=99, mass=True, in_use=("*",), release=("instance.core",))
        )
        plan = make_plan(
            configuration=configuration, recorded=recorded, observed=observed, offer=EVERYTHING, options=options
        )
        return check(configuration, recorded, observed, plan, self.now, as_observed=as_observed)

    def _load(self, sections: Mapping[str, Any], name: str) -> Configuration:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        whole = {"kmsplan": 1, "instances": CORE, **sections}
        (folder / "kmsplan.yaml").write_text(json.dumps(whole, ensure_ascii=False))
        return load(folder, variables={}, variable_files=[], environ={})

    def _world(self, applied: Configuration | None) -> tuple[Recorded, Observed]:
        """Return the state and the KMS as that configuration left them, and what has happened since."""
        desired = applied.desired if applied else {}
        records, objects = {}, {}
        for address, declared in desired.items():
            identity = identity_of(address)
            attributes = {**declared.attributes, "imported": declared.attributes.get("imported")}
            records[address] = Record(address=address, identity=identity, attributes=attributes)
            objects[identity] = self._present(address, attributes)
        return (
            Recorded(lineage=LINEAGE if records else "", serial=len(records), environment="", records=records),
            Observed(environment="kms/1", objects=objects),
        )

    def _present(self, address: Address, attributes: Mapping[str, Any]) -> Present:
        kind = KINDS[kind_of(address)]
        said = dict(self.written.get("observed", {}).get(address, {}))
        days = {"made": "creation_date", "rotated": "last_rotation_date", "used": "last_used"}
        computed = {
            field_: (self.now - timedelta(days=said.pop(name))).isoformat()
            for name, field_ in days.items()
            if name in said
        }
        state = said.pop("state", "Enabled" if attributes.get("enabled", True) else "Disabled")
        held = {name: attributes[name] for name in kind.compared} | said
        for name in REFERENCES[kind.name]:
            held[name] = identity_of(held[name]) if held[name] else held[name]
        owner = f"{LINEAGE}/{address}/1" if kind.name != "alias" else None
        return Present(
            kind=kind.name,
            identity=identity_of(address),
            attributes=held,
            state=state,
            owner=owner,
            computed=computed,
        )


def identity_of(address: str) -> str:
    name = name_of(Address(address))
    prefixes = {"instance": "kst-", "key": "key-", "alias": "alias/", "default_key": "key-"}
    return f"{prefixes[kind_of(Address(address))]}{name}"


def only(report: PolicyReport, rule: str) -> PolicyReport:
    """Return what a report says of one rule."""
    return replace(
        report,
        findings=tuple(one for one in report.findings if one.rule.id == rule),
        waived=tuple(one for one in report.waived if one.rule.id == rule),
        judged=tuple(one for one in report.judged if one.rule.id == rule),
    )
