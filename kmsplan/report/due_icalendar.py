"""What falls due as a calendar (RFC 5545): one all-day event each, which takes nobody's time.

The same thing has the same UID whatever its date, so that a calendar that reads the file again moves the event.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from kmsplan import __version__
from kmsplan.inventory.due import DueKind
from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from icalendar import Event, vDatetime

    from kmsplan.inventory.due import Due, DueReport
    from kmsplan.report.scene import Scene

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "kmsplan:due")


def due_icalendar(report: DueReport, scene: Scene) -> str:
    """Return a calendar; its text is of one line each, with what a terminal would act on as a visible escape."""
    from icalendar import Calendar, vDatetime  # noqa: PLC0415 - an extra

    calendar, stamp = Calendar(), vDatetime(scene.now.replace(microsecond=0))
    calendar.add("prodid", f"-//kmsplan//kmsplan {__version__}//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("name", escape(f"kmsplan {report.environment}".strip()))
    home = report.lineage or report.environment
    for due in report.due:
        calendar.add_component(_event(due, home, stamp))
    return str(calendar.to_ical().decode())


def _event(due: Due, home: str, stamp: vDatetime) -> Event:
    from icalendar import Event, vText  # noqa: PLC0415 - an extra

    event = Event()
    event["uid"] = vText(_uid(home, due))
    event["dtstamp"] = stamp
    event.add("dtstart", due.at.date())  # without an end it is that day (RFC 5545, 3.6.1)
    event["summary"] = vText(escape(f"{due.subject}: {due.kind.value.replace('_', ' ')}"))
    event["description"] = vText(escape(f"{due.subject} {due.summary}. {due.remedy}"))
    event["categories"] = vText(due.kind.value)
    event["transp"] = vText("TRANSPARENT")
    return event


def _uid(home: str, due: Due) -> str:
    what = due.summary if due.kind is DueKind.WAIVER else ""  # of one address there can be several
    return str(uuid.uuid5(_NAMESPACE, f"{home}\n{due.kind}\n{due.identity}\n{due.address}\n{what}"))
