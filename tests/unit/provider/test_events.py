from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.provider import events
from kmsplan.provider.events import EventsFile, EventsFileError

if TYPE_CHECKING:
    from pathlib import Path


def event(action: str = "DisableKey", day: int = 1, **said: Any) -> dict[str, Any]:
    return {
        "eventName": action,
        "eventTime": f"2026-01-{day:02}T00:00:00Z",
        "requestParameters": {"KeyId": "key-1"},
        "userIdentity": {"userName": "ada"},
        **said,
    }


def lines(*entries: Any) -> str:
    return "".join(f"{json.dumps(entry)}\n" for entry in entries)


def read(folder: Path, text: str | bytes) -> list[tuple[str, str]]:
    path = folder / "events.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    found = EventsFile.read(path)
    return [(one.action, one.time[:10]) for one in found.newest({"DisableKey", "EnableKey"})]


ONE, TWO = ("DisableKey", "2026-01-01"), ("EnableKey", "2026-01-02")


@pytest.mark.parametrize(
    "text",
    [
        lines(event(), event("EnableKey", 2)),
        json.dumps([event(), event("EnableKey", 2)]),
        json.dumps([event("EnableKey", 2), event()], indent=2),
        json.dumps({"Events": [event(), event("EnableKey", 2)], "NextToken": "x"}),
        lines({"event": event(), "owner_id": "1"}, {"event": json.dumps(event("EnableKey", 2))}),
        "\ufeff" + lines(event(), event("EnableKey", 2)),
        "\n \n" + lines(event()) + "\n\n" + lines(event("EnableKey", 2)).rstrip(),
    ],
    ids=["lines", "array", "pretty", "lookup", "log-service", "bom", "blank-lines"],
)
def test_every_form_of_a_file_is_read_the_newest_first(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == [TWO, ONE]


def test_events_of_other_services_and_failed_calls_are_passed_over(tmp_path: Path) -> None:
    others = lines(event("RunInstances", serviceName="Ecs"), event(errorCode="NoPermission"), event())
    assert read(tmp_path, others) == [ONE]


@pytest.mark.parametrize("text", ["", "[]", "\n"])
def test_a_file_without_events_tells_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == []


def test_an_export_of_the_engine_is_read_too(tmp_path: Path) -> None:
    entry = {
        "action": "DisableKey",
        "actor": "ada",
        "request_id": "r",
        "resource": "key-1",
        "result": "OK",
        "source": "s",
        "time": "2026-01-01T00:00:00Z",
    }
    assert read(tmp_path, lines(entry, {**entry, "result": "Rejected.Disabled"})) == [ONE]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (lines(event()) + "{broken\n", r"events.json:2: this is not JSON: Expecting property name"),
        (lines(event(), event()) + lines({"a": 1}), r"events.json:3: this is no audit event"),
        (lines(event()) + "7\n", r"events.json:2: this is no audit event"),
        (json.dumps([event(), {"a": 1}], indent=0), r"events.json:\d+: this is no audit event"),
        (json.dumps([event()])[:-1], r"events.json:1: this is not JSON"),
        (lines(event(eventTime="noon")), r"events.json:1: 'noon' is no time"),
        ("[" * 100_000, r"events.json:1: this is not JSON: it is nested too deeply"),
        (lines({"event": "{"}), r"events.json:1: this is no audit event"),
        ("1" * 5000, r"events.json:1: "),
        (b"\x1f\x8b\x08\x00", r"events.json is not UTF-8 text; unpack it"),
    ],
)
def test_what_is_no_event_is_named_with_its_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(EventsFileError, match=words):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventsFileError, match=r"missing.json cannot be read: No such file"):
        EventsFile.read(tmp_path / "missing.json")


def test_a_file_that_would_not_fit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SIZE_LIMIT", 10)
    with pytest.raises(EventsFileError, match="larger than"):
        read(tmp_path, lines(event()))
