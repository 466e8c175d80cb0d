"""The serials of a state: a table for people, a document for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.report.document import document
from kmsplan.report.table import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.report.style import Style
    from kmsplan.state.past import Serial

FORMAT_VERSION: Final = "1.0"
_DIGITS: Final = 12
"""So many of a plan's digest are shown."""
_HEAD: Final = ("serial", "when", "who", "command", "plan", "")
_UNKNOWN: Final = "-"


def history_text(serials: Sequence[Serial], style: Style, columns: int | None = None) -> str:
    """Return a line for each serial, the current one last; a block for each where a line has no room."""
    if not serials:
        return "There is no state yet; the first kmsplan apply makes it.\n"
    rows = [_row(serial, current=serial is serials[-1]) for serial in serials]
    return "".join(f"{line}\n" for line in table(_HEAD, rows, columns, style))


def _row(serial: Serial, *, current: bool) -> tuple[str, ...]:
    mark, made = "current" if current else "", serial.made
    if not serial.readable:
        return (str(serial.number), _UNKNOWN, _UNKNOWN, "(under another key)", _UNKNOWN, mark)
    if made is None:
        return (str(serial.number), _UNKNOWN, _UNKNOWN, _UNKNOWN, _UNKNOWN, mark)
    when = f"{made.at:%Y-%m-%dT%H:%M:%SZ}"
    return (
        str(serial.number),
        when,
        made.by or _UNKNOWN,
        made.command,
        made.plan[:_DIGITS] or _UNKNOWN,
        mark,
    )


def history_json(serials: Sequence[Serial]) -> str:
    """Return the serials as one JSON document."""
    return document(
        FORMAT_VERSION,
        {
            "serials": [
                {
                    "serial": serial.number,
                    "current": serial is serials[-1],
                    "readable": serial.readable,
                    "at": serial.made and serial.made.at.isoformat(),
                    "by": serial.made and serial.made.by,
                    "command": serial.made and serial.made.command,
                    "plan": serial.made and serial.made.plan,
                }
                for serial in serials
            ],
        },
    )
