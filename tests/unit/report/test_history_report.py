"""The serials of a state, and what differs between two, as text and as documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from kmsplan.report.difference_json import difference_json
from kmsplan.report.difference_text import difference_text
from kmsplan.report.history import history_json, history_text
from kmsplan.report.style import Style
from kmsplan.resource.address import Address
from kmsplan.resource.step import Status
from kmsplan.state.difference import compare
from kmsplan.state.past import Serial
from kmsplan.state.record import Made, Record, Recorded

MADE = Made(at=datetime(2026, 1, 1, 12, 0, tzinfo=UTC), by="ada\x1b@host", command="apply", plan="5160ff9517f7098cbed")
SERIALS = [
    Serial(number=0, made=None),
    Serial(number=9, made=MADE),
    Serial(number=10, made=Made(at=MADE.at, by="", command="state rm", plan="")),
]


def record(name: str, identity: str, status: Status = Status.READY, **attributes: Any) -> Record:
    return Record(address=Address(name), identity=identity, attributes=attributes, status=status)


def state(serial: int, *records: Record) -> Recorded:
    return Recorded(lineage="l", serial=serial, environment="", records={each.address: each for each in records})


BEFORE = state(
    1,
    record("key.a", "key-1", rotation=7_776_000, tags={"x": "1", "y": "2"}),
    record("key.b", "key-2", spec="EC_P256"),
    record("key.c", "key-3"),
)
AFTER = state(
    3,
    record("key.a", "key-1", Status.PENDING_DELETION, rotation=2_592_000, tags={"x": "1"}),
    record("key.d", "key-3"),
    record("alias.e", "alias/e", key="key.a"),
)


def test_a_table_of_serials() -> None:
    assert history_text(SERIALS, Style()) == (
        "serial  when                  who           command   plan\n"
        "0       -                     -             -         -\n"
        "9       2026-01-01T12:00:00Z  ada\\x1b@host  apply     5160ff9517f7\n"
        "10      2026-01-01T12:00:00Z  -             state rm  -             current\n"
    )


def test_a_serial_under_another_key_says_so() -> None:
    sealed = Serial(number=3, made=None, readable=False)
    assert "3       -     -    (under another key)  -" in history_text([sealed, *SERIALS[:1]], Style())


def test_no_state_says_so() -> None:
    assert "no state yet" in history_text([], Style())
    assert json.loads(history_json([]))["serials"] == []


def test_the_document_has_every_serial() -> None:
    first, second, third = json.loads(history_json(SERIALS))["serials"]
    assert first == {
        "serial": 0,
        "current": False,
        "readable": True,
        "at": None,
        "by": None,
        "command": None,
        "plan": None,
    }
    assert second == {
        "serial": 9,
        "current": False,
        "readable": True,
        "at": "2026-01-01T12:00:00+00:00",
        "by": "ada\x1b@host",
        "command": "apply",
        "plan": "5160ff9517f7098cbed",
    }
    assert third["current"]


def test_differences_read_as_blocks() -> None:
    assert difference_text(compare(BEFORE, AFTER), Style()) == (
        "  # alias.e\n"
        '  + alias "e" {\n'
        '      + identity = "alias/e"\n'
        "      + key      = key.a\n"
        "    }\n"
        "\n"
        "  # key.a\n"
        '  ~ key "a" {\n'
        '      ~ status   = "ready" -> "pending_deletion"\n'
        "      ~ rotation = 90d -> 30d\n"
        "      ~ tags     = {\n"
        '          - "y" = "2" -> null\n'
        "            # (1 unchanged element hidden)\n"
        "        }\n"
        "    }\n"
        "\n"
        "  # key.b\n"
        '  - key "b" {\n'
        '      - identity = "key-2"\n'
        '      - spec     = "EC_P256"\n'
        "    }\n"
        "\n"
        "  # key.d, which was key.c\n"
        '  ~ key "d" {\n'
        "    }\n"
        "\n"
        "Records: 1 added, 1 removed, 1 changed, 1 moved.\n"
    )


def test_no_difference_says_so() -> None:
    assert difference_text((), Style()) == "No difference.\n"


def test_the_document_has_both_sides_of_every_difference() -> None:
    document = json.loads(difference_json(BEFORE, AFTER, compare(BEFORE, AFTER)))
    assert (document["lineage"], document["before"], document["after"]) == ("l", 1, 3)
    assert document["summary"] == {"added": 1, "removed": 1, "changed": 1, "moved": 1}
    added, changed, removed, moved = document["changes"]
    assert (added["change"], added["before"], added["attributes"]) == ("added", None, [])
    assert (changed["change"], changed["attributes"]) == ("changed", ["rotation", "tags"])
    assert changed["before"]["attributes"]["rotation"] == 7_776_000
    assert (removed["change"], removed["after"]) == ("removed", None)
    assert (moved["address"], moved["before"]["address"]) == ("key.d", "key.c")
