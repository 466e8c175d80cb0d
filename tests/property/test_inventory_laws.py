"""What somebody reads back from the inventory and the calendar is what was written."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import icalendar
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.inventory.due import Due, DueKind, DueReport
from kmsplan.inventory.item import Inventory
from kmsplan.report.due_icalendar import due_icalendar
from kmsplan.report.escape import escape
from kmsplan.report.inventory_csv import cell, inventory_csv
from kmsplan.report.scene import Scene
from tests.keeping import HOSTILE, NOW, one_of_each

SCENE: Final = Scene(now=NOW)
FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
PLAIN: Final = one_of_each().items[0]
TEXTS: Final = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(HOSTILE),
    st.text(st.sampled_from("'=+-@\uff1d\uff20 \t\r\n\",;\\a")),
)
MOMENTS: Final = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given one


def without_mark(text: str) -> str:
    return text[1:] if text.startswith("'") and text.lstrip("'").lstrip().startswith(FORMULA) else text


@given(TEXTS)
def test_a_cell_begins_no_formula_and_without_its_mark_is_the_text(text: str) -> None:
    found = cell(text)
    assert not found.lstrip().startswith(FORMULA)
    assert without_mark(found) == escape(text)


@given(st.lists(TEXTS, max_size=5))
def test_the_csv_reads_back_as_what_was_written(texts: list[str]) -> None:
    items = tuple(replace(PLAIN, description=text, owner=text) for text in texts)
    found = list(csv.DictReader(io.StringIO(inventory_csv(Inventory(items=items), SCENE), newline="")))
    assert [(row["description"], row["owner"]) for row in found] == [(cell(text), cell(text)) for text in texts]


@given(st.lists(st.tuples(TEXTS, TEXTS, MOMENTS, st.sampled_from(DueKind)), max_size=5))
def test_the_calendar_reads_back_as_what_was_written(said: list[tuple[str, str, datetime, DueKind]]) -> None:
    dues = tuple(
        Due(at=at, kind=kind, address=f"key.{name}", identity="", summary=summary, remedy="Do.")
        for name, summary, at, kind in said
    )
    text = due_icalendar(DueReport(due=dues, until=NOW), SCENE)
    found = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert [(event.decoded("dtstart"), str(event["description"])) for event in found] == [
        (due.at.date(), escape(f"{due.subject} {due.summary}. {due.remedy}")) for due in dues
    ]
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
