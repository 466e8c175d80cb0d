"""Changes as `diff` blocks show them in colour: the sign in the first column, `!` for what is updated in place."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from kmsplan.plan.plan import GLYPHS, Action
from kmsplan.report.escape import escape
from kmsplan.report.plan_text import change_lines, heading
from kmsplan.report.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.plan.plan import Change

_SIGN: Final = re.compile(r"^( *)([-+~]) ")
_COLUMN: Final = {"+": "+", "-": "-", "~": "!"}
_PLAIN: Final = Style()


class Detail(Enum):
    """How much of each change is shown."""

    WHOLE = auto()
    """Attributes that stay as they are, too."""
    DIFFERING = auto()
    NAMES = auto()
    """Of attributes the names only."""


def change_diff(change: Change, detail: Detail) -> str:
    """Return the lines of one change and an empty one."""
    if detail is Detail.NAMES:
        return _names(change)
    return signed(change_lines(change, _PLAIN, unchanged=detail is Detail.WHOLE))


def signed(lines: Iterable[str]) -> str:
    """Return lines with their signs moved to the first column."""
    return "".join(f"{_moved(line)}\n" for line in lines)


def _moved(line: str) -> str:
    found = _SIGN.match(line)
    if found is None:
        return line
    indent, sign = found.groups()
    return f"{_COLUMN[sign]}{indent} {line[found.end() :]}"


def _names(change: Change) -> str:
    glyph = GLYPHS[change.action]
    names = escape(", ".join(change.attributes)) if change.action is not Action.CREATE else ""
    return f"{_COLUMN.get(glyph, glyph):<3} {escape(change.address)} {heading(change)}{': ' if names else ''}{names}\n"
