"""Golden cases of planning: a folder each, with what goes in and the text and JSON that come out.

`input.yaml` says what is desired, recorded and observed, as briefly as it can: attributes that it leaves out have the
attribute tables' defaults, a record that says nothing else is as desired, and an observation as recorded. With
KMSPLAN_UPDATE=1 in the environment the outputs are written instead of compared; read the difference before committing.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kmsplan.config.configuration import Configuration, Declared, EngineSettings, Import
from kmsplan.config.diagnostic import Span
from kmsplan.drift.drift import find_drift
from kmsplan.plan.diff import complete
from kmsplan.plan.plan import Allowances, Plan, PlanOptions
from kmsplan.plan.planfile import dump, load
from kmsplan.plan.planner import make_plan
from kmsplan.plan.schema import plan_schema
from kmsplan.report.plan_json import plan_json
from kmsplan.report.plan_text import plan_text
from kmsplan.report.scene import Scene
from kmsplan.resource.address import Address, current, kind_of
from kmsplan.resource.key import default_usage
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.offer import Offer
from kmsplan.resource.step import Status
from kmsplan.resource.value import ABSENT, Observation, Observed, Present, Unreadable
from kmsplan.state.record import NO_STATE, Record, Recorded

CASES = sorted(path.parent.name for path in Path(__file__).parent.glob("*/input.yaml"))
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LINEAGE = "4f1d"
ENVIRONMENT = "embedded/e1"
OFFER = Offer(
    name="the embedded engine",
    kinds=frozenset({"instance", "key", "alias"}),
    instance_types=frozenset({"software", "hardware"}),
    specs={"software": frozenset({"Aliyun_AES_256", "RSA_2048", "EC_P256"}), "hardware": frozenset({"EC_P256"})},
    origins=frozenset({"Aliyun_KMS", "EXTERNAL"}),
    storage_mechanisms=frozenset({"HsmInternal"}),
)


@cache
def validator() -> Any:
    return jsonschema.Draft202012Validator(plan_schema())


def full(address: str, said: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(Address(address))
    attributes = complete(KINDS[kind], said)
    if kind in ("key", "default_key") and attributes["usage"] is None:
        attributes["usage"] = default_usage(attributes["spec"])
    return attributes


class Case:
    """One input, read."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.said = said
        self.desired = {
            Address(address): Declared(
                address=Address(address),
                attributes=full(address, attributes),
                span=Span("kmsplan.yaml", number, 3, number, 9),
            )
            for number, (address, attributes) in enumerate((said.get("desired") or {}).items(), start=2)
        }
        self.records = {
            Address(name): self._record(Address(name), one) for name, one in said.get("records", {}).items()
        }

    def _record(self, address: Address, said: str | dict[str, Any]) -> Record:
        """An identity alone, or a mapping."""
        said = {"identity": said} if isinstance(said, str) else said
        declared = self.desired.get(address)
        attributes = dict(declared.attributes) if declared else {}
        return Record(
            address=address,
            identity=said["identity"],
            attributes=full(address, {**attributes, **said.get("attributes", {})}),
            status=Status(said.get("status", "ready")),
        )

    @property
    def recorded(self) -> Recorded:
        said = self.said.get("state", {})
        if said is None:
            return NO_STATE
        return Recorded(
            lineage=LINEAGE, serial=3, environment=said.get("environment", ENVIRONMENT), records=self.records
        )

    @property
    def observed(self) -> Observed:
        said = self.said.get("observed", {})
        objects = {
            record.identity: self._observation(record, said.get(record.identity, {}))
            for record in self.records.values()
        }
        others = {one["identity"]: self._other(one) for one in self.said.get("others", [])}
        asked: dict[str, Observation] = {
            identity: others.pop(identity, ABSENT) for identity in self.said.get("imports", {}).values()
        }
        return Observed(environment=ENVIRONMENT, objects={**asked, **objects}, others=tuple(others.values()))

    def _observation(self, record: Record, said: Any) -> Observation:
        if said == "absent":
            return ABSENT
        if "unreadable" in said:
            return Unreadable("Rejected.Unavailable", said["unreadable"])
        kind = KINDS[kind_of(record.address)]
        attributes = {name: record.attributes[name] for name in kind.compared}
        for name in REFERENCES[kind.name]:
            target = self.records.get(attributes[name])
            attributes[name] = target.identity if target else attributes[name]
        attributes |= said.get("attributes", {})
        pending = "PendingDeletion" if record.status is Status.PENDING_DELETION else None
        usual = "Enabled" if attributes.get("enabled", True) else "Disabled"
        return Present(
            kind=kind.name,
            identity=record.identity,
            attributes=attributes,
            state=said.get("state", pending or usual),
            owner=None if kind.name == "alias" else said.get("owner", f"{LINEAGE}/{current(record.address)}/t1"),
            computed=said.get("computed", {}),
        )

    @staticmethod
    def _other(said: dict[str, Any]) -> Present:
        kind = KINDS[said["kind"]]
        attributes = full(f"{said['kind']}.x", said["attributes"])
        return Present(
            kind=kind.name,
            identity=said["identity"],
            attributes={name: attributes[name] for name in kind.compared},
            state=said.get("state", "Enabled"),
            owner=said.get("owner"),
            migrated=said.get("migrated", False),
            computed=said.get("computed", {}),
        )

    @property
    def configuration(self) -> Configuration:
        said = self.said
        return Configuration(
            root=Path(),
            engine=EngineSettings(provider="embedded"),
            state_path=Path(),
            desired=self.desired,
            variables={},
            digest="c0ffee",
            moved={Address(old): Address(new) for old, new in said.get("moved", {}).items()},
            removed=frozenset(map(Address, said.get("removed", []))),
            staged={Address(address): seconds for address, seconds in said.get("staged", {}).items()},
            imports=tuple(
                Import(address=Address(where), identity=identity) for where, identity in said.get("imports", {}).items()
            ),
        )

    @property
    def options(self) -> PlanOptions:
        said = self.said.get("options", {})
        allowances = Allowances(
            delete=said.get("allow_delete", 0),
            mass=said.get("allow_mass", False),
            in_use=tuple(said.get("allow_in_use", ())),
            release=tuple(said.get("allow_release", ())),
        )
        return PlanOptions(
            now=NOW,
            destroy=said.get("destroy", False),
            targets=tuple(said.get("targets", ())),
            excludes=tuple(said.get("excludes", ())),
            allowances=allowances,
        )

    def plan(self) -> Plan:
        recorded, observed = self.recorded, self.observed
        said = self.said.get("offer", {})
        offered: dict[str, Any] = {name: its is True or frozenset(its) for name, its in said.items()}
        return make_plan(
            configuration=self.configuration,
            recorded=recorded,
            observed=observed,
            offer=replace(OFFER, **offered),
            options=self.options,
            drift=find_drift(recorded, observed, self.desired, self.configuration.staged),
        )


def settled(text: str) -> Any:
    """What changes with every version is not part of a case."""
    return {**json.loads(text), "kmsplan_version": "", "digest": "0" * 64}


@pytest.mark.parametrize("name", CASES)
def test_a_plan_says_what_the_case_says(name: str) -> None:
    folder = Path(__file__).parent / name
    plan = Case(yaml.safe_load((folder / "input.yaml").read_text())).plan()
    text, document = plan_text(plan, Scene()), settled(plan_json(plan, Scene()))
    validator().validate(document)
    if os.environ.get("KMSPLAN_UPDATE"):
        (folder / "plan.txt").write_text(text)
        (folder / "plan.json").write_text(json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    assert text == (folder / "plan.txt").read_text()
    assert document == json.loads((folder / "plan.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_a_plan_survives_its_file(name: str) -> None:
    plan = Case(yaml.safe_load((Path(__file__).parent / name / "input.yaml").read_text())).plan()
    assert dump(load(dump(plan))) == dump(plan)
    assert plan_text(load(dump(plan)), Scene()) == plan_text(plan, Scene())


def test_every_case_says_what_it_is_about() -> None:
    for name in CASES:
        text = (Path(__file__).parent / name / "input.yaml").read_text()
        assert text.startswith("# "), name
