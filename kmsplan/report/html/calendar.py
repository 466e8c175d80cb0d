"""What falls due, as a section: how much in which month, and every date."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.inventory.due import DueKind
from kmsplan.report.escape import escape
from kmsplan.report.html.page import Bar, Column, Mark, Row, Section, Table, Tone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from kmsplan.inventory.due import Due

MARKS: Final[Mapping[DueKind, Mark]] = MappingProxyType(
    {
        DueKind.ROTATION: Mark("↻", "rotation", Tone.INFO),
        DueKind.VERSION: Mark("↻", "next version", Tone.INFO),
        DueKind.MATERIAL_EXPIRY: Mark("!", "material expires", Tone.BAD),
        DueKind.DELETION: Mark("-", "deletion", Tone.BAD),
        DueKind.STAGED: Mark("-", "staged destruction", Tone.CHANGE),
        DueKind.GRACE: Mark("~", "grace ends", Tone.CHANGE),
        DueKind.WAIVER: Mark("~", "waiver ends", Tone.QUIET),
    }
)
_MONTHS: Final = 13
_COLUMNS: Final = (Column("Object"), Column("What", chips=True), Column("Day"), Column("Means"), Column("To do"))


def calendar(due: Sequence[Due], now: datetime) -> Section:
    """Return the section.

    Args:
        due: sorted by time.
        now: what lies before it is overdue; the months begin with its own.
    """
    return Section(
        id="calendar",
        title="Calendar",
        intro="Rotations, expiries and ends that are known. Days are UTC.",
        bars=_bars(due, now),
        table=Table(columns=_COLUMNS, rows=[_row(one, now) for one in due]),
    )


def _row(due: Due, now: datetime) -> Row:
    mark = MARKS[due.kind]
    day = f"{due.at:%Y-%m-%d}{' (overdue)' if due.overdue(now) else ''}"
    return Row(mark, (escape(due.subject), mark.word, day, escape(due.summary), escape(due.remedy)))


def _bars(due: Sequence[Due], now: datetime) -> tuple[Bar, ...]:
    """Count by month, those without anything between two with something included."""
    if not due:
        return ()
    overdue = sum(one.overdue(now) for one in due)
    coming = Counter((one.at.year - now.year) * 12 + one.at.month - now.month for one in due if not one.overdue(now))
    last = min(max(coming, default=-1), _MONTHS - 1)
    bars = [Bar("overdue", overdue)] if overdue else []
    bars += [Bar(_month(now, ahead), coming[ahead]) for ahead in range(last + 1)]
    later = sum(number for ahead, number in coming.items() if ahead >= _MONTHS)
    return (*bars, *([Bar("later", later)] if later else []))


def _month(now: datetime, ahead: int) -> str:
    years, month = divmod(now.month - 1 + ahead, 12)
    return f"{now.year + years}-{month + 1:02}"
