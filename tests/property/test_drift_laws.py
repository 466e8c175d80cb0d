"""Laws of drift reports: verdicts are what the planner does, waivers lose nothing, files of others crash nothing."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.config.configuration import Configuration, EngineSettings, Waiver
from kmsplan.config.diagnostic import Span
from kmsplan.drift.drift import find_drift
from kmsplan.drift.explain import Context, explain
from kmsplan.drift.memory import MemoryDamagedError, dump, parse
from kmsplan.drift.report import Verdict
from kmsplan.drift.waiving import Waivers
from kmsplan.plan.plan import Action, Drift, DriftedAttribute, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.provider.events import EventsFile, EventsFileError
from kmsplan.resource.value import Observed, Present
from kmsplan.state.record import Record, Recorded
from tests.property.plan_world import OFFER, declared

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
VALUES: Final[dict[str, list[Any]]] = {
    "enabled": [True, False],
    "description": ["", "x", "y"],
    "rotation": [None, 604_800, 700_000],
    "tags": [{}, {"a": "1"}, {"a": "2"}],
    "deletion_protection": [True, False],
    "policy": [None, {"Version": "1"}, {"Version": "1", "Statement": []}],
}
SAID = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()})


@settings(max_examples=200, deadline=None)
@given(said=SAID, left=SAID, held=SAID)
def test_verdicts_are_what_the_planner_does(said: dict[str, Any], left: dict[str, Any], held: dict[str, Any]) -> None:
    core = declared("instance.core", type="software")
    key = declared("key.a", instance="instance.core", usage="ENCRYPT/DECRYPT", **said)
    desired = {one.address: one for one in (core, key)}
    records = {
        core.address: Record(address=core.address, identity="kst-1", attributes=core.attributes),
        key.address: Record(address=key.address, identity="key-1", attributes={**key.attributes, **left}),
    }
    recorded = Recorded(lineage="L", serial=1, environment="e", records=records)
    observed = Observed(
        environment="e",
        objects={
            "kst-1": Present(kind="instance", identity="kst-1", attributes=core.attributes, owner="L/instance.core/t"),
            "key-1": Present(
                kind="key",
                identity="key-1",
                attributes={**key.attributes, "instance": "kst-1", **held},
                state="Enabled" if held["enabled"] else "Disabled",
                owner="L/key.a/t",
            ),
        },
    )
    drift = find_drift(recorded, observed, desired)
    report = explain(drift, recorded, observed, Context(day=NOW.date(), desired=desired))
    plan = make_plan(
        configuration=Configuration(
            root=Path(),
            engine=EngineSettings(provider="model"),
            state_path=Path(),
            desired=desired,
            variables={},
            digest="d",
        ),
        recorded=recorded,
        observed=observed,
        offer=OFFER,
        options=PlanOptions(now=NOW),
    )
    change = next((one for one in plan.changes if one.address == "key.a"), None)
    verdicts = report.findings[0].verdicts if report.findings else {}
    changed = set(change.attributes) if change and change.action is Action.UPDATE else set()
    for name in VALUES:
        if left[name] == held[name]:
            assert name not in verdicts
        else:
            assert (verdicts[name] in (Verdict.REVERT, Verdict.CONFLICT)) == (name in changed)
            assert (verdicts[name] is Verdict.REVERT) == (said[name] == left[name])
            assert (verdicts[name] is Verdict.ACCEPT) == (said[name] == held[name])


WAIVERS = st.lists(
    st.builds(
        Waiver,
        address=st.sampled_from(["key.a", "key.*", "*", "key.b", "key-1", "[", "key.[!b]"]),
        owner=st.sampled_from(["ada", "bob"]),
        reason=st.just("why"),
        expires=st.sampled_from([date(2025, 12, 31), date(2026, 1, 1), date(2027, 1, 1)]),
        span=st.just(Span("f", 1, 1, 1, 1)),
        rule=st.sampled_from([None, None, "r"]),
        attribute=st.sampled_from([None, *VALUES]),
    ),
    max_size=5,
)


@given(
    waivers=WAIVERS,
    names=st.lists(st.sampled_from(list(VALUES)), unique=True, min_size=1),
    kind=st.sampled_from(["changed", "pending_deletion"]),
)
def test_waivers_split_drift_and_lose_nothing(waivers: list[Waiver], names: list[str], kind: str) -> None:
    drifted = tuple(DriftedAttribute(name=name, recorded=0, observed=1) for name in names)
    drift = Drift(address="key.a", identity="key-1", kind=kind, attributes=drifted)
    parts = list(Waivers(tuple(waivers), NOW.date()).judge(drift))
    assert sorted(one.name for part in parts for one in part.drift.attributes) == sorted(names)
    assert sum(not part.waived for part in parts) <= 1
    for part in parts:
        assert replace(part.drift, attributes=()) == replace(drift, attributes=())
        if part.waived:
            assert part.waiver is not None
            assert part.waiver.rule is None
            assert part.waiver.expires >= NOW.date()
            assert part.waiver.attribute in (None, *(one.name for one in part.drift.attributes))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=60) | JSON.map(lambda value: repr(value).encode()))
def test_a_file_of_others_is_a_memory_or_damaged(content: bytes) -> None:
    with suppress(MemoryDamagedError):
        assert parse(dump(parse(content))) == parse(content)


EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "eventName": st.just("DisableKey") | JSON,
        "eventTime": st.just("2026-01-01T00:00:00Z") | JSON,
        "action": st.just("DisableKey") | JSON,
        "userIdentity": JSON,
        "requestParameters": st.dictionaries(st.sampled_from(["KeyId", "ResourceId", "AliasName"]), JSON) | JSON,
        "requestParameterJson": JSON,
        "resourceName": JSON,
        "referencedResources": JSON,
        "errorCode": JSON,
        "event": JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(entries=st.lists(EVENTS | JSON, max_size=4), form=st.sampled_from(["array", "lines", "bytes"]), raw=st.binary())
def test_a_file_of_others_holds_events_or_is_refused(entries: list[Any], form: str, raw: bytes) -> None:
    import json  # noqa: PLC0415

    content = {
        "array": json.dumps(entries).encode(),
        "lines": "\n".join(map(json.dumps, entries)).encode(),
        "bytes": raw,
    }[form]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events"
        path.write_bytes(content)
        with suppress(EventsFileError):
            for event in EventsFile.read(path).events:
                assert event.action
                assert event.time.endswith("Z")
