"""Remarks as annotations of GitHub Actions: workflow commands, one a line.

GitHub shows ten annotations of a kind for each step, so that the worst come first and the tenth says how many more
there are. All text is made safe twice: nothing in it acts on a terminal, and nothing in it ends its command or begins
another (docs.github.com, "Workflow commands for GitHub Actions").
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.report.escape import escape
from kmsplan.report.remark import LEVELS, Level, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kmsplan.report.remark import Remark, Remarks
    from kmsplan.report.scene import Scene

SHOWN: Final = 10
_COMMANDS: Final[Mapping[Level, str]] = MappingProxyType(
    {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
)


def github(remarks: Remarks, scene: Scene) -> str:
    """Return one workflow command for each remark that is shown, then a notice with the counts."""
    return "".join(f"{line}\n" for line in _lines(remarks, scene))


def _lines(remarks: Remarks, scene: Scene) -> Iterator[str]:
    for level in LEVELS:
        found = [remark for remark in remarks.found if remark.level is level]
        room = SHOWN - (level is Level.NOTE)
        shown = found if len(found) <= room else found[: room - 1]
        yield from (_annotation(remark, scene) for remark in shown)
        if len(found) > len(shown):
            yield _more(level, found[len(shown) :], remarks.title)
    yield f"::notice title={_property(remarks.title)}::{_data(remarks.headline)}"


def _annotation(remark: Remark, scene: Scene) -> str:
    place = place_of(remark, scene)
    title = f"{remark.rule.title} ({remark.rule.id})"
    where = f"file={_property(place.path)},line={place.line},col={place.column}"
    return f"::{_COMMANDS[remark.level]} {where},title={_property(title)}::{_data(remark.message)}"


def _more(level: Level, left: Sequence[Remark], title: str) -> str:
    words = f"{len(left)} more that GitHub would not show, the next at {left[0].subject or left[0].rule.id}."
    return f"::{_COMMANDS[level]} title={_property(title)}::{_data(words)}"


def _data(text: str) -> str:
    plain = escape(text).replace("##[", "# #[")  # a command in the runner's older spelling, looked for in whole lines
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
