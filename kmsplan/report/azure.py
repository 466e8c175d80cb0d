"""Remarks as logging commands of Azure Pipelines, one a line, the worst first.

The agent looks for `##vso[` and `##[` anywhere in a line, so that no two number signs of anybody's text stay side by
side. It knows errors and warnings; notes are plain lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kmsplan.report.escape import escape
from kmsplan.report.remark import Level, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.report.remark import Remark, Remarks
    from kmsplan.report.scene import Scene


_PAIR: Final = re.compile("#(?=#)")
"""A number sign before another one; replacing pairs would leave one of three together."""


def azure(remarks: Remarks, scene: Scene) -> str:
    """Return one line for each remark, then one with the counts."""
    return "".join(f"{line}\n" for line in _lines(remarks, scene))


def _lines(remarks: Remarks, scene: Scene) -> Iterator[str]:
    yield from (_issue(remark, scene) for remark in remarks.found)
    yield f"{_plain(remarks.title)}: {_plain(remarks.headline)}"


def _issue(remark: Remark, scene: Scene) -> str:
    if remark.level is Level.NOTE:
        return f"note: {_plain(remark.message)} ({_plain(remark.rule.id)})"
    place = place_of(remark, scene)
    facts = {
        "type": remark.level.value,
        "sourcepath": place.path,
        "linenumber": str(place.line),
        "columnnumber": str(place.column),
        "code": remark.rule.id,
    }
    properties = "".join(f"{name}={_property(value)};" for name, value in facts.items())
    return f"##vso[task.logissue {properties}]{_data(remark.message)}"


def _plain(text: str) -> str:
    """Return text that stays one line and holds no command."""
    return _PAIR.sub("# ", escape(text))


def _data(text: str) -> str:
    """Escape a message: the percent sign first (Azure Pipelines, "Logging commands")."""
    return _plain(text).replace("%", "%AZP25")


def _property(text: str) -> str:
    return _data(text).replace(";", "%3B").replace("]", "%5D")
