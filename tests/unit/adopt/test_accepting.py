from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.adopt.accepting import Acceptance, accept
from kmsplan.adopt.editing import edited
from kmsplan.config.load import read_objects
from kmsplan.drift.report import Finding, Verdict
from kmsplan.plan.plan import Drift, DriftedAttribute

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
kmsplan: 1
variables:
  {days: {default: 90d}, a: {default: 90d}, who: {default: orders}, names: {default: [spread]}, m: {default: {a: b}}}
defaults:
  key: {deletion_protection: false, tags: {team: payments, area: core}}
instances:
  core: {type: software}
  ours: {type: external, proxy: {url: https://x.example, access_key: {id: AAAAAAAAAAAAAAAAAAAA, secret: {env: S}}}}
keys:
  orders: {instance: core, rotation: "${var.days}", aliases: [orders], tags: {data: "${var.a}", own: "1", area: x}}
  plain: {instance: core}
  listed: {instance: core, aliases: ["${var.who}-list"]}
  "t-${each.key}": {for_each: [a], instance: core, aliases: ["t-${each.key}"]}
  "${var.who}-made": {instance: core}
  timed: {instance: core, rotation: {period: 90d}}
  tagged: {instance: core, tags: "${var.m}"}
  spread: {instance: core, aliases: "${var.names}"}
  ruled: {instance: core, policy: {Version: "${var.a}"}}
aliases: {shared: "${var.who}", other: plain}
default_key: {enabled: true, aliases: [own]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kmsplan.yaml").write_text(TEXT)
    return tmp_path


def finding(address: str, kind: str = "changed", verdict: Verdict = Verdict.REVERT, **observed: Any) -> Finding:
    drifted = tuple(DriftedAttribute(name=name, recorded=None, observed=value) for name, value in observed.items())
    return Finding(
        drift=Drift(address=address, identity="id-1", kind=kind, attributes=drifted),
        fingerprint="",
        verdicts=dict.fromkeys(observed, verdict),
    )


def accepted(folder: Path, *findings: Finding) -> Acceptance:
    return accept(findings, *read_objects(folder, variables={}, variable_files=(), environ={}))


def refusals(folder: Path, found: Finding) -> list[str]:
    acceptance = accepted(folder, found)
    assert acceptance.accepted == {}
    return [str(one) for one in acceptance.refused]


def rewritten(folder: Path, *findings: Finding) -> list[str]:
    """Return the lines that are new."""
    acceptance = accepted(folder, *findings)
    assert acceptance.refused == []
    text = edited(TEXT, acceptance.changes["kmsplan.yaml"]).text
    return [line.strip() for line in text.splitlines() if line not in TEXT.splitlines()]


@pytest.mark.parametrize(
    ("found", "source", "place"),
    [
        (finding("key.orders", rotation=2_592_000), "a variable", "10:38"),
        (finding("key.orders", tags={"team": "payments", "area": "x", "own": "1", "data": "9"}), "a variable", "10:85"),
        (finding("key.orders", tags={"area": "x", "own": "1", "data": "90d"}), "`defaults`", "5:50"),
        (finding("key.plain", tags={"team": "mine", "area": "core"}), "`defaults`", "5:50"),
        (finding("key.orders", tags={"team": "payments", "own": "1", "data": "90d"}), "`defaults`", "5:66"),
        (finding("key.tagged", tags={}), "a variable", "16:34"),
        (finding("key.ruled", policy=None), "a variable", "18:35"),
        (finding("alias.spread", key="key.plain"), "a variable", "17:3"),
        (finding("alias.orders", key="key.spread"), "a variable", "17:37"),
        (finding("key.plain", deletion_protection=True), "`defaults`", "5:30"),
        (finding("key.t-a", enabled=False), "`for_each`", "13:31"),
        (finding("key.orders-made", enabled=False), "a variable in its name", "14:3"),
        (finding("alias.shared", key="key.plain"), "a variable", "19:19"),
        (finding("alias.orders", key="key.t-a"), "`for_each`", "13:31"),
        (finding("alias.t-a", key="key.plain"), "a variable", "13:62"),
    ],
)
def test_what_other_places_say_is_refused_with_the_place(folder: Path, found: Finding, source: str, place: str) -> None:
    (refusal,) = refusals(folder, found)
    assert f"it comes from {source} at kmsplan.yaml:{place}," in refusal


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (finding("alias.orders", "vanished"), "alias.orders: it is gone. Take it out"),
        (finding("key.orders", "pending_deletion"), "its deletion is scheduled"),
        (finding("", "unmanaged"), "id-1: it is not declared. kmsplan import adopts it"),
        (finding("key.orders", "unreadable"), "it could not be read"),
        (
            finding("key.gone", verdict=Verdict.UNDECLARED, enabled=False),
            "key.gone enabled: the configuration does not declare it",
        ),
        (finding("key.orders", owner=None), "owner: no configuration says what it is to be"),
        (finding("key.orders", state="Unavailable"), "state: no configuration says what it is to be"),
        (finding("key.orders", imported="absent"), "imported: no configuration says what it is to be"),
        (finding("key.orders", spec="EC_P256"), "spec: it cannot change in an object that exists"),
        (finding("instance.ours", proxy={}), "proxy: the KMS does not tell all of it. Write it by hand"),
        (finding("alias.orders", key="key-9"), "it points at key-9, which is not declared"),
        (finding("alias.other", key="default_key.default"), "it points at default_key.default; `aliases` names keys"),
        (finding("alias.orders-list", key="key.plain"), "it comes from a variable at kmsplan.yaml:12:38"),
    ],
)
def test_what_no_configuration_can_say_is_refused_with_the_reason(folder: Path, found: Finding, words: str) -> None:
    (refusal,) = refusals(folder, found)
    assert words in refusal


def test_what_is_declared_already_needs_nothing(folder: Path) -> None:
    found = accepted(folder, finding("key.plain", verdict=Verdict.ACCEPT, enabled=True))
    assert (found.accepted, found.refused, dict(found.changes)) == ({}, [], {})


def test_one_attribute_that_is_refused_does_not_stop_another(folder: Path) -> None:
    found = accepted(folder, finding("key.orders", rotation=None, enabled=False))
    assert found.accepted == {"key.orders": {"enabled": False}}
    assert [one.attribute for one in found.refused] == ["rotation"]


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (finding("key.plain", rotation=2_592_000), "plain: {instance: core, rotation: 30d}"),
        (finding("key.plain", rotation=None), "plain: {instance: core, rotation: null}"),
        (finding("key.plain", description="${x}"), "plain: {instance: core, description: '$${x}'}"),
        (
            finding("key.plain", tags={"team": "payments", "area": "core", "new": "1"}),
            "plain: {instance: core, tags: {new: '1'}}",
        ),
        (finding("key.plain", policy={"Version": "1"}), "plain: {instance: core, policy: {Version: '1'}}"),
        (finding("key.timed", rotation=2_592_000), "timed: {instance: core, rotation: {period: 30d}}"),
        (finding("key.timed", rotation=None), "timed: {instance: core, rotation: {period: null}}"),
        (finding("instance.core", key_quota=2000), "core: {type: software, key_quota: 2000}"),
        (finding("default_key.default", enabled=False), "default_key: {enabled: false, aliases: [own]}"),
        (finding("alias.other", key="key.orders"), 'aliases: {shared: "${var.who}", other: orders}'),
        (
            finding("key.orders", tags={"team": "payments", "area": "y", "data": "90d"}),
            'orders: {instance: core, rotation: "${var.days}", aliases: [orders], tags: {data: "${var.a}", area: y}}',
        ),
    ],
)
def test_what_the_object_says_itself_is_written_there(folder: Path, found: Finding, line: str) -> None:
    assert rewritten(folder, found) == [line]


def test_an_alias_moves_from_list_to_list(folder: Path) -> None:
    assert rewritten(folder, finding("alias.own", key="key.plain")) == [
        "plain: {instance: core, aliases: [own]}",
        "default_key: {enabled: true, aliases: []}",
    ]


def test_an_alias_moves_to_a_list_that_is_there(folder: Path) -> None:
    assert rewritten(folder, finding("alias.own", key="key.listed")) == [
        'listed: {instance: core, aliases: ["${var.who}-list", own]}',
        "default_key: {enabled: true, aliases: []}",
    ]


def test_two_aliases_move_to_a_key_that_had_none(folder: Path) -> None:
    found = rewritten(folder, finding("alias.own", key="key.plain"), finding("alias.orders", key="key.plain"))
    assert "plain: {instance: core, aliases: [own, orders]}" in found
