"""Laws of accepting drift: the configuration then asks for what the KMS holds, the next plan does nothing but record
that, and of the files nothing has changed but what was accepted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.adopt.accepting import accept
from kmsplan.adopt.editing import edited
from kmsplan.adopt.files import inline
from kmsplan.config.load import load, read_objects
from kmsplan.drift.drift import find_drift
from kmsplan.drift.explain import Context, explain
from kmsplan.plan.plan import Action, PlanOptions, Reason
from kmsplan.plan.planner import make_plan
from kmsplan.provider.embedded import OFFER
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS, REFERENCES
from kmsplan.resource.value import Observed, Present
from kmsplan.state.record import Record, Recorded

if TYPE_CHECKING:
    from kmsplan.config.configuration import Configuration

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING: Final[Any] = {"variables": {}, "variable_files": (), "environ": {}}
LINEAGE: Final = "4f1d"

TEXTS = st.sampled_from(
    ["", "no", "012", "~", "${x} $${y}", "'\"\\", "two\nlines\n", "{[&*!|>%@`", "\u202eturned", "# no comment", "für"]
)
TAGS = st.dictionaries(st.sampled_from(["a", "b", "team", "01", "yes"]), st.sampled_from(["", "1", "x y"]), max_size=4)
KEYS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "description": TEXTS.map(lambda text: text.replace("${", "$${").replace("\u202e", "")),
        "rotation": st.sampled_from([None, "90d", "700000s"]),
        "tags": TAGS,
        "deletion_protection": st.booleans(),
    },
)
"""As a key may be written."""
HELD = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "description": TEXTS,
        "rotation": st.sampled_from([None, 604_800, 700_000]),
        "tags": TAGS,
        "deletion_protection": st.booleans(),
        "policy": st.sampled_from(
            [
                None,
                {
                    "Version": "1",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"RAM": ["acs:ram::1:*"]},
                            "Action": ["kms:*"],
                            "Resource": ["*"],
                        }
                    ],
                },
            ]
        ),
    },
)
"""What a KMS may hold instead."""


def written(name: str, said: dict[str, Any], style: str) -> str:
    """Return a key's entry in a style of writing, with comments where they can be."""
    entry = {"instance": "core", **said}
    if style == "flow":
        return f"  {name}: {inline(entry)}  # {name}\n"
    text = yaml.safe_dump(entry, sort_keys=False, default_flow_style=style == "inner" and None)
    lines = [f"    {line}" if line else line for line in text.splitlines()]
    return f"  # of {name}\n  {name}:\n" + "\n".join(lines) + "\n\n"


@dataclass
class Case:
    """A configuration, and how the KMS differs from it."""

    text: str
    changed: dict[Address, dict[str, Any]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = ["one", "two", "three"][: draw(st.integers(1, 3))]
    keys: dict[str, dict[str, Any]] = {name: draw(KEYS) for name in names}
    aliases = {alias: draw(st.sampled_from(names)) for alias in draw(st.sets(st.sampled_from("pqr")))}
    listed = {alias: draw(st.booleans()) for alias in aliases}
    for alias, holder in aliases.items():
        if listed[alias]:
            keys[holder].setdefault("aliases", []).append(alias)
    body = "".join(written(name, keys[name], draw(st.sampled_from(["block", "inner", "flow"]))) for name in names)
    shared = "".join(f"  {alias}: {holder}  # shared\n" for alias, holder in aliases.items() if not listed[alias])
    instance = draw(st.sampled_from(["{type: software}", "\n    type: software  # soft", "{type: software, tags: {}}"]))
    text = f"kmsplan: 1\ninstances:\n  core: {instance}\nkeys:\n{body}" + (f"aliases:\n{shared}" if shared else "")
    changed: dict[Address, dict[str, Any]] = {Address(f"key.{name}"): draw(HELD) for name in names}
    for alias in aliases:
        if draw(st.booleans()):
            changed[Address(f"alias.{alias}")] = {"key": f"key.{draw(st.sampled_from(names))}"}
    changed[Address("instance.core")] = draw(
        st.fixed_dictionaries({}, optional={"key_quota": st.sampled_from([1000, 2000]), "tags": TAGS})
    )
    return Case(draw(st.sampled_from([text, text.rstrip("\n"), text.replace("\n", "\r\n")])), changed)


def recorded(configuration: Configuration) -> Recorded:
    records = {
        address: Record(address=address, identity=f"id-{address}", attributes=declared.attributes)
        for address, declared in configuration.desired.items()
    }
    return Recorded(lineage=LINEAGE, serial=1, environment="model", records=records)


def observed(state: Recorded, changed: dict[Address, dict[str, Any]]) -> Observed:
    objects: dict[str, Any] = {}
    for address, record in state.records.items():
        kind = KINDS[kind_of(address)]
        attributes = {name: record.attributes[name] for name in kind.compared} | changed.get(address, {})
        for name in REFERENCES[kind.name]:
            attributes[name] = f"id-{attributes[name]}"
        objects[record.identity] = Present(
            kind=kind.name,
            identity=record.identity,
            attributes=attributes,
            state="Enabled" if attributes.get("enabled", True) else "Disabled",
            owner=None if kind.name == "alias" else f"{LINEAGE}/{address}/t",
        )
    return Observed(environment="model", objects=objects)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_after_an_acceptance_the_next_plan_only_records(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, file = Path(folder), Path(folder) / "kmsplan.yaml"
        file.write_bytes(case.text.encode())
        before = load(root, **NOTHING)
        state = recorded(before)
        seen = observed(state, case.changed)
        drift = find_drift(state, seen, before.desired)
        report = explain(drift, state, seen, Context(day=date(2026, 1, 1), desired=before.desired))
        acceptance = accept(report.findings, *read_objects(root, **NOTHING))
        assert acceptance.refused == []
        changes = acceptance.changes.get("kmsplan.yaml")
        assert (changes is None) == (not drift)
        text = case.text if changes is None else edited(case.text, changes).text
        after = load(root, **NOTHING, texts={"kmsplan.yaml": text})

    for address, declared in after.desired.items():
        assert declared.attributes == {
            **before.desired[address].attributes,
            **acceptance.accepted.get(address, {}),
        }
    plan = make_plan(
        configuration=after, recorded=state, observed=seen, offer=OFFER, options=PlanOptions(now=NOW), drift=drift
    )
    assert plan.violations == ()
    assert {(change.action, change.steps) for change in plan.effective} <= {(Action.NO_OP, ())}
    assert {change.address for change in plan.effective} == {one.address for one in drift}
    assert {change.reason for change in plan.effective} <= {Reason.ACCEPTED}
    kept = [line for line in case.text.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in text.splitlines() if line.lstrip().startswith("#")] == kept
