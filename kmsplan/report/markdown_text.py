"""Text of others in Markdown: it stays text, whatever marks, tags, mentions or references are in it.

Every character that Markdown, HTML or the page around it could act on becomes a numeric character reference, which no
Markdown reads as a mark (CommonMark 0.31, 2.5). What GitHub and GitLab look for in finished text, such as @name, #1 or
!2, is broken by an invisible space; inside `<code>` they do not look.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MARKS: Final = re.compile(r"[\\`*_\[\]<>#!|~&@$]|:(?=\S)")
_REFERENCE: Final = re.compile(r"([@#!$&~%]|\bGH-)(?=[\w\"'])", re.IGNORECASE)
_HOST: Final = re.compile(r"\bwww\.", re.IGNORECASE)
_BACKTICKS: Final = re.compile("`+")
_SPACE: Final = "\u200b"
_FENCE: Final = 3


def prose(text: str) -> str:
    """Return text for a sentence or a cell; it must not begin a line, because a number or dash there makes a list."""
    broken = _REFERENCE.sub(rf"\1{_SPACE}", escape(text))
    return _marks(broken).replace(_SPACE, "&#8203;")


def code(text: str) -> str:
    """Return text in `<code>`, which unlike backticks has room for backticks and bars."""
    return f"<code>{_marks(escape(text))}</code>" if text else ""


def fenced(language: str, content: str) -> str:
    """Return lines between fences that are longer than any in them."""
    longest = max(map(len, _BACKTICKS.findall(content)), default=0)
    fence = "`" * max(_FENCE, longest + 1)
    return f"{fence}{language}\n{content}{fence}\n"


def details(summary: str, body: str) -> str:
    """Return a folded section; its body is Markdown. The summary is escaped."""
    return f"<details><summary>{prose(summary)}</summary>\n\n{body}\n</details>\n"


def head(cells: Sequence[str]) -> str:
    """Return the two first lines of a table."""
    return f"{row(cells)}{row(['---'] * len(cells))}"


def row(cells: Iterable[str]) -> str:
    """Return one line of a table; the cells are escaped already."""
    return f"| {' | '.join(cells)} |\n"


def marker(environment: str, subject: str) -> str:
    """Return the hidden first line by which a comment is found again and edited in place."""
    safe = quote(environment, safe="/.", errors="surrogatepass").replace("--", "-%2D").replace("--", "-%2D")
    return f"<!-- kmsplan:{safe}:{subject} -->\n"


def _marks(text: str) -> str:
    """Replace what would act. A full stop is left alone but after `www`, where it makes a link."""
    quoted = _MARKS.sub(lambda match: f"&#{ord(match[0])};", text)
    return _HOST.sub(lambda match: f"{match[0][:-1]}&#46;", quoted)
