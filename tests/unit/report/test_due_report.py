from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import jsonschema
import pytest

from kmsplan.inventory.due import Due, DueKind, DueReport
from kmsplan.inventory.schema import due_schema
from kmsplan.report.due_icalendar import due_icalendar
from kmsplan.report.due_json import due_json
from kmsplan.report.due_text import due_text
from kmsplan.report.escape import escape
from kmsplan.report.form import Subject, render
from kmsplan.report.scene import Scene
from tests.keeping import HOSTILE, NOW

SCENE = Scene(now=NOW)
UNTIL = NOW + timedelta(days=30)
EMPTY = DueReport(until=UNTIL)


def due(**said: Any) -> Due:
    usual: dict[str, Any] = {
        "at": datetime(2026, 6, 10, 8, tzinfo=UTC),
        "kind": DueKind.ROTATION,
        "address": "key.a",
        "identity": "key-1",
        "summary": "is rotated by the KMS",
        "remedy": "Nothing.",
    }
    return Due(**usual | said)


def report(*found: Due, **said: Any) -> DueReport:
    return DueReport(due=found, until=UNTIL, environment="e", lineage="L", **said)


def events(found: DueReport, scene: Scene = SCENE) -> list[Any]:
    return list(icalendar.Calendar.from_ical(due_icalendar(found, scene)).walk("VEVENT"))


HOSTILES = report(*(due(address=text, summary=text, remedy=text, identity=text) for text in HOSTILE))
LATE = due(kind=DueKind.WAIVER, identity="", at=datetime(2026, 5, 1, tzinfo=UTC), summary="expires", remedy="Mend it.")


def test_the_text_has_a_line_for_each_and_says_what_to_do_about_each_kind() -> None:
    assert due_text(report(LATE, due(), due(address="key.b"), untold=("key.c",)), SCENE) == (
        "WHEN        KEY    WHAT\n"
        "2026-05-01  key.a  expires                overdue\n"
        "2026-06-10  key.a  is rotated by the KMS\n"
        "2026-06-10  key.b  is rotated by the KMS\n"
        "\n"
        "waiver: Mend it.\n"
        "rotation: Nothing.\n"
        "\n"
        "Dates that could not be read, and may be sooner: key.c\n"
        "Due until 2026-07-01: 3, 1 of them overdue.\n"
    )


def test_nothing_due_says_so_in_every_form() -> None:
    assert due_text(EMPTY, SCENE) == "Nothing falls due until 2026-07-01.\n"
    assert json.loads(due_json(EMPTY, SCENE))["due"] == []
    assert events(EMPTY) == []


def test_nothing_is_lost_on_a_terminal_twenty_columns_wide() -> None:
    text = due_text(report(LATE, due()), Scene(now=NOW, columns=20))
    assert [word for word in ("2026-06-10", "key.a", "is rotated by the KMS", "overdue") if word not in text] == []


@pytest.mark.parametrize("found", [EMPTY, report(LATE, due()), HOSTILES], ids=["empty", "two", "hostile"])
def test_the_json_is_what_the_schema_says(found: DueReport) -> None:
    jsonschema.Draft202012Validator(due_schema()).validate(json.loads(due_json(found, SCENE)))


def test_the_json_counts_by_kind_and_marks_what_is_overdue() -> None:
    document = json.loads(due_json(report(LATE, due()), SCENE))
    assert [(one["at"], one["overdue"], one["identity"]) for one in document["due"]] == [
        ("2026-05-01T00:00:00Z", True, None),
        ("2026-06-10T08:00:00Z", False, "key-1"),
    ]
    assert (document["summary"]["waiver"], document["summary"]["deletion"]) == (1, 0)


def test_the_calendar_has_an_all_day_event_that_takes_nobody_s_time() -> None:
    (event,) = events(report(due(kind=DueKind.MATERIAL_EXPIRY)))
    assert event.decoded("dtstart") == date(2026, 6, 10)
    assert (event["dtstart"].params["VALUE"], "dtend" in event, "duration" in event) == ("DATE", False, False)
    assert event.decoded("dtstamp") == NOW
    assert (str(event["summary"]), str(event["transp"])) == ("key.a: material expiry", "TRANSPARENT")
    assert str(event["description"]) == "key.a is rotated by the KMS. Nothing."


def test_every_line_of_the_calendar_ends_as_the_standard_wants_and_is_short_enough() -> None:
    lines = due_icalendar(HOSTILES, SCENE).split("\r\n")
    assert lines[-1] == ""
    assert [line for line in lines if len(line.encode()) > 75 or "\n" in line or "\r" in line] == []


def test_a_thing_keeps_its_uid_when_its_date_moves_and_two_things_have_two() -> None:
    (first,), (moved,) = events(report(due())), events(report(due(at=datetime(2026, 9, 1, tzinfo=UTC))))
    assert first["uid"] == moved["uid"]
    others = [
        due(),
        due(kind=DueKind.DELETION),
        due(identity="key-2"),
        due(kind=DueKind.WAIVER, identity="", summary="rule R1"),
        due(kind=DueKind.WAIVER, identity="", summary="rule R2"),
    ]
    assert len({event["uid"] for event in events(report(*others))}) == len(others)


def test_the_same_report_at_the_same_time_has_the_same_bytes() -> None:
    assert due_icalendar(report(due(), LATE), SCENE) == due_icalendar(report(due(), LATE), SCENE)


def test_strings_that_mean_harm_do_not_end_an_event_or_begin_another() -> None:
    found = events(HOSTILES)
    assert [str(event["summary"]) for event in found] == [escape(f"{text}: rotation") for text in HOSTILE]


@pytest.mark.parametrize("form", ["text", "json", "icalendar"])
def test_strings_that_mean_harm_stay_text(form: str) -> None:
    text = render(Subject.DUE, form, HOSTILES, SCENE)
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line.startswith(("::", "END:VCALENDAR "))] == []
