"""A page as one HTML file."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import orjson

from kmsplan import __version__
from kmsplan.report.html.page import Mark, Tone

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jinja2

    from kmsplan.report.html.page import Page, Table

FIRST: Final = 100
"""How many rows of a table stand in the markup, and how many the script shows at once."""
_T = TypeVar("_T")
_FOLDER: Final = Path(__file__).parent
_BLANK: Final = Mark("", "", Tone.QUIET)
_CHIPS: Final = 12
_LINES: Final = {"+": "add", "~": "edit", "-": "gone", "<": "back", "#": "said"}
"""By its first character: the class of a detail's line."""


def render(page: Page) -> str:
    """Return the file; the same page is the same text."""
    style, script = _asset("page.css"), _asset("page.js")
    return _template().render(
        page=page,
        sections=[section for section in page.sections if not section.empty],
        style=style,
        script=script,
        policy=_policy(style, script),
        version=__version__,
        first=FIRST,
    )


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy that lets the file's own style and script work, and nothing else at all."""
    return (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; base-uri 'none'; "
        "form-action 'none'"
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    import jinja2  # noqa: PLC0415 - of the extra `html`

    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["blank"] = _BLANK
    environment.filters |= {"data": _data, "line_class": _line_class, "chips": _chips}
    return environment.get_template("page.html.j2")


def _line_class(line: str) -> str:
    return _LINES.get(line.lstrip()[:1], "same")


def _chips(table: Table, column: int) -> dict[str, int]:
    """Return the values of a column by how often each comes, as they come first; none where it has but one, or many."""
    found = Counter(row.cells[column] for row in table.rows)
    return dict(found) if 1 < len(found) <= _CHIPS else {}


def _data(table: Table) -> Any:
    """Return the rows as JSON for a script element: marks and lines once each, rows as numbers and texts.

    No `<` is in it, so that no text in it can end the element or begin a comment; all else is JSON's own business.
    """
    import markupsafe  # noqa: PLC0415 - comes with jinja2

    marks, lines = _Numbered[Mark](), _Numbered[str]()
    rows = [[marks.of(row.mark), *row.cells, lines.all(row.detail)] for row in table.rows]
    value = {
        "marks": [[mark.glyph, mark.tone.value] for mark in marks.known],
        "lines": [[_line_class(line), line] for line in lines.known],
        "rows": rows,
    }
    return markupsafe.Markup(orjson.dumps(value).decode().replace("<", "\\u003c"))  # noqa: S704 - no `<` is left


class _Numbered(Generic[_T]):
    """Gives equal values the same number."""

    def __init__(self) -> None:
        self.known: dict[_T, int] = {}

    def of(self, value: _T) -> int:
        return self.known.setdefault(value, len(self.known))

    def all(self, values: Iterable[_T]) -> list[int]:
        known = self.known
        return [known.setdefault(value, len(known)) for value in values]
