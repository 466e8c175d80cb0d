"""What the pages of every report say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.report.escape import escape
from kmsplan.report.graph import graph_of
from kmsplan.report.html.page import Mark, Notice, Section, Tone
from kmsplan.report.waiver_words import waiver_words
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from kmsplan.config.configuration import Waiver
    from kmsplan.config.diagnostic import Span
    from kmsplan.report.graph import Member
    from kmsplan.report.scene import Scene

_NOTICES: Final = 20


def cut(notices: Sequence[Notice], table: str) -> tuple[Notice, ...]:
    """Return the first of them, and how many more there are in which table."""
    left = len(notices) - _NOTICES
    if left <= 0:
        return tuple(notices)
    more = Notice(mark=Mark("…", f"and {left:,} more", Tone.BAD), title=f"in the table of {table} below")
    return (*notices[:_NOTICES], more)


def belonging(members: Iterable[Member], rest: str) -> Section:
    """Return the section with the graph; `rest` says what becomes of what is not drawn."""
    return Section(
        id="graph",
        title="What belongs to what",
        intro=f"Each instance, the keys in it, and the aliases that point at them. {rest}",
        graph=graph_of(members),
    )


def day_and_time(moment: datetime) -> str:
    """Return a moment in UTC as people read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def kind_words(address: str) -> str:
    """Return what kind of object has an address; an identity is an unmanaged key's."""
    kind = kind_of(Address(address))
    return kind.replace("_", " ") if kind in KINDS else "unmanaged key"


def declared(address: str, scene: Scene) -> str:
    """Return FILE:LINE of an object's declaration; "" where it has none."""
    return place(scene.places.get(Address(address)), scene)


def place(span: Span | None, scene: Scene) -> str:
    """Return FILE:LINE of a span; "" where there is none."""
    return f"{escape(scene.path(span))}:{span.line}" if span is not None else ""


def waiver_standing(waiver: Waiver, today: date) -> str:
    """Return who accepts something until when, and why; or who did, if that day has passed."""
    if waiver.expires < today:
        return f"the waiver of {waiver.owner} expired on {waiver.expires.isoformat()}: {waiver.reason}"
    return waiver_words(waiver)
