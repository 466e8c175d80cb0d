"""What a formatting changes in a file, for people: a unified diff that shows no literal secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.place import SECRET_NAMES, Place, concealed, without_login
from kmsplan.report.edit_text import edit_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.config.document import Document
    from kmsplan.report.style import Style

_REFERENCES: Final = ("env", "file")
_HIDDEN: Final = "(not shown)"


def format_diff(name: str, before: Document, after: Document, style: Style) -> str:
    """Return a unified diff of a document and its canonical form.

    Args:
        name: of the file.
        before: as it is written.
        after: in canonical form.
        style: how it may look.
    """
    text = _shown(before)
    return edit_text(name, text, _edits(text, _shown(after)), style)


def _edits(before: str, after: str) -> Iterator[tuple[int, int, str]]:
    """Yield what changes, line by line: no line is new, and only blank ones go."""
    coming = iter(after.splitlines(keepends=True))
    at, new = 0, next(coming, "")
    for line in before.splitlines(keepends=True):
        end = at + len(line)
        if line.strip() or (new and not new.strip()):
            if line != new:
                yield at, end, new
            new = next(coming, "")
        else:
            yield at, end, ""
        at = end


def _shown(document: Document) -> str:
    """Return a document's text without literal secrets, its lines where they are."""
    text, parts, at = document.source.text, [], 0
    for place in _secrets(document, document.value, hidden=False):
        parts += [text[at : place.start], _veiled(text[place.start : place.end])]
        at = place.end
    return "".join(_comment_veiled(line) for line in "".join((*parts, text[at:])).splitlines(keepends=True))


def _comment_veiled(line: str) -> str:
    """Return a line without what looks like a secret in a comment, or in a URL."""
    said, mark, comment = line.partition("#")
    return without_login(said) + concealed(f"{mark}{comment}")


def _veiled(text: str) -> str:
    return re.sub(r"\S(?:.*\S)?", _HIDDEN, text)


def _secrets(document: Document, value: Any, *, hidden: bool) -> Iterator[Place]:
    """Yield the places of literal secrets: what stands under a secret's name and is no reference."""
    if isinstance(value, list):
        children = [(item, hidden, document.place(value, index)) for index, item in enumerate(value)]
    elif isinstance(value, dict):
        children = [
            (item, hidden or _names_secret(name, item), document.place(value, index))
            for index, (name, item) in enumerate(value.items())
        ]
    else:
        return
    for item, secret, place in children:
        if isinstance(item, dict | list):
            yield from _secrets(document, item, hidden=secret)
        elif secret and item is not None:
            yield place


def _names_secret(name: str, value: Any) -> bool:
    refers = isinstance(value, dict) and not value.keys().isdisjoint(_REFERENCES)
    return name.lower().endswith(SECRET_NAMES) and not refers
