"""The lines of a YAML text as its tokens make them: how far each is indented, what stands on it, which comment behind.

1. Line breaks stay where they are, and so does the text of every token and comment: only the space between is made new.
2. What is in a block is indented by two columns, lists in mappings, too. Within brackets a line is indented by two, or
   stands under the first value where one follows the bracket on its line; a closing bracket returns to where it began.
3. A comment on a line of its own belongs to what follows it, or to the deepest block above that it was indented for.

The text was read strictly before: one document, text keys, no anchors, aliases or tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import yaml

from kmsplan.config.nesting import STEP, Nesting
from kmsplan.kms.wording import width

if TYPE_CHECKING:
    from kmsplan.config.nesting import Kind

_BLANKS: Final = " \t"
_MARGINAL: Final = frozenset({yaml.DirectiveToken, yaml.DocumentStartToken, yaml.DocumentEndToken, yaml.StreamEndToken})
_MARKS: Final = frozenset({yaml.BlockEntryToken, yaml.KeyToken, yaml.ValueToken})
_OPENING: Final = frozenset({yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken})
_CLOSING: Final = frozenset({yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken})
_CLOSE_BY: Final = frozenset({*_CLOSING, yaml.FlowEntryToken, yaml.ValueToken})
"""Nothing stands between these and what is before them."""
_HEADER: Final = re.compile(r"([|>](?:[-+]|([1-9]))*)[ \t]*(#.*)?")
"""The first line of a text in block style: what it begins with, how far it is indented, a comment."""


class Line(NamedTuple):
    """A line of the new text."""

    indent: int
    body: str
    comment: str = ""
    """With its number sign; one that has the line for itself is the body."""
    column: int = 0
    """Where the comment stood, on a screen."""


BLANK: Final = Line(0, "")


@dataclass(slots=True)
class _Flow:
    """A collection in brackets."""

    part: int
    """Which part of its line the bracket is."""
    base: int
    """The column of a closing bracket that begins a line."""
    inner: int = -1
    """The column of its other lines, once its first line has ended."""


class Layout:
    """The lines of a text whose line breaks are line feeds; of blank ones in a row one, none at its ends."""

    def __init__(self, text: str) -> None:
        self.lines: list[Line] = []
        self.whole = True
        """Whether the last line may end with a line break: a text in block style that does not would have one more."""
        self._text = text
        self._nesting = Nesting()
        self._flows: list[_Flow] = []
        self._parts: list[str] = []
        """Of the line that is being made; none where it has not begun."""
        self._indent = 0
        """Of that line."""
        self._blank = False
        """Whether a blank line comes before it."""
        self._run()

    def _run(self) -> None:
        """Make the lines. Tokens without length say where blocks begin and end, and that a key comes."""
        before: Kind = yaml.StreamStartToken
        at, keyed = 0, False
        for token in yaml.scan(self._text, Loader=yaml.CSafeLoader):
            kind: Kind = type(token)
            start, end = token.start_mark.index, token.end_mark.index
            if not self._flows:
                self._nesting.follow(kind, token.start_mark.column)
            if start == end and kind is not yaml.StreamEndToken:
                keyed = keyed or kind is yaml.KeyToken
                continue
            gap = self._text[at:start]
            if not self._parts or "\n" in gap or kind is yaml.StreamEndToken:
                self._between(gap, at, token.start_mark.column, kind, keyed=keyed)
            elif before not in _OPENING and (kind not in _CLOSE_BY or before is yaml.ValueToken):
                self._parts.append(" ")  # behind a colon even before a bracket: libyaml refuses `{a:}`
            self._put(kind, start, end)
            at, before, keyed = end, kind, False
            self._nesting.ended.clear()

    def _between(self, gap: str, at: int, column: int, kind: Kind, *, keyed: bool) -> None:
        """Lay out what stands before a token that begins a line, and begin that line."""
        pieces = gap.split("\n")
        if self._parts:
            first = pieces.pop(0)
            self._end_line(first.strip(_BLANKS), at + _blanks(first))
        if kind is yaml.StreamEndToken:
            column = -1  # whatever remains belongs to what was before
        elif pieces:
            pieces.pop()  # what the token's line is indented by
        indent = self._beginning(kind, keyed=keyed)
        for piece in pieces:
            self._comment(piece, column, indent)
        self._indent = indent

    def _beginning(self, kind: Kind, *, keyed: bool) -> int:
        """Return the column of a token that begins a line."""
        if self._flows:
            return self._flows[-1].base if kind in _CLOSING else self._flows[-1].inner
        if kind in _MARGINAL:
            return 0
        return self._nesting.column if keyed or kind in _MARKS else self._nesting.within

    def _comment(self, piece: str, column: int, indent: int) -> None:
        """Lay out a line without a token; the next one stands at a column, and will be indented."""
        text, own = piece.strip(_BLANKS), _blanks(piece)
        if not text:
            self._blank = True
            return
        above = self.lines[-1] if self.lines and not self._blank else BLANK
        if above.comment and above.column == own:  # goes on with it
            self._add(Line(0, "", text, own))
            return
        if self._flows:
            indent = self._flows[-1].inner
        elif own > column:
            indent = self._nesting.of_ended(own, otherwise=indent)
        self._add(Line(indent, text))

    def _put(self, kind: Kind, start: int, end: int) -> None:
        """Put a token on the line."""
        text = self._text[start:end]
        if kind in _OPENING:
            self._flows.append(_Flow(len(self._parts), max(self._indent, self._nesting.column)))
        elif kind in _CLOSING:
            self._flows.pop()
        if text[:1] in ("|", ">"):
            self._block_text(text, start)
        elif "\n" in text:
            self._long(text)
        else:
            self._parts.append(text)

    def _long(self, text: str) -> None:
        """Put a text on several lines; what it is does not depend on how far they are indented."""
        first, *middle, last = text.split("\n")
        self._parts.append(first)
        self._end_line()
        indent = self._flows[-1].inner + STEP if self._flows else self._nesting.within
        for line in middle:
            rest = line.lstrip(_BLANKS)
            self._add(Line(indent, rest) if rest else BLANK)
        self._indent, self._parts = indent, [last.lstrip(_BLANKS)]

    def _block_text(self, text: str, start: int) -> None:
        """Put a text in block style."""
        head, *body = text.split("\n")
        header = _HEADER.fullmatch(head)
        assert header is not None  # noqa: S101 - it was scanned
        if body and not body[-1]:
            body.pop()
        elif body:
            self.whole = "-" in header[1]
        self._parts.append(header[1])
        self._end_line(header[3] or "", start + header.start(3))
        written, indent = self._indents(body, int(header[2] or 0))
        lines = [line[written:] for line in body]
        while "+" not in header[1] and lines and not lines[-1]:
            lines.pop()
            self._blank = True
        blank, self._blank = self._blank, False
        for line in lines:
            self._add(Line(indent, line) if line else BLANK)
        self._blank = blank

    def _indents(self, body: list[str], said: int) -> tuple[int, int]:
        """Return how far a text in block style is indented, and will be. Without a word on it its first line says."""
        if said:
            return self._nesting.written + said, self._nesting.column + said
        found = self._nesting.written + 1
        for line in body:
            found = max(found, len(line) - len(line.lstrip(" ")))
            if line.strip(" "):
                break
        return found, self._nesting.within

    def _end_line(self, comment: str = "", at: int = 0) -> None:
        """End the line, with what is commented behind it."""
        for flow in self._flows:
            if flow.inner < 0:
                flow.inner = self._aligned(flow)
        before = self._text[self._text.rfind("\n", 0, at) + 1 : at] if comment else ""
        self._add(Line(self._indent, "".join(self._parts), comment, width(before)))
        self._parts = []

    def _aligned(self, flow: _Flow) -> int:
        """Return where the other lines of a bracket's content stand."""
        if all(part in "[{ " for part in self._parts[flow.part + 1 :]):
            return flow.base + STEP
        return self._indent + width("".join(self._parts[: flow.part + 1]))

    def _add(self, line: Line) -> None:
        if self._blank and self.lines:
            self.lines.append(BLANK)
        self._blank = False
        self.lines.append(line)


def _blanks(text: str) -> int:
    return len(text) - len(text.lstrip(_BLANKS))
