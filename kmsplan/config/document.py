"""Strict YAML: the JSON-like core of YAML 1.2, one document of text keys, with the place of every key and value.

1. The only parser, on the hot path and on the error path: PyYAML's C event stream (libyaml) and this builder.
2. Typed are `true`, `false`, `null`, `~`, nothing at all, whole numbers and plain decimals. All else is text: `no`,
   `2027-12-31`, `0x1F`, `1_000`, `012`. A reader of YAML 1.1 would turn each of these into something else.
3. Refused: what makes the text mean something other than what it shows (duplicate and merge keys, anchors, tags).
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml._yaml import CParser

from kmsplan.config.place import Place, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kmsplan.config.problems import Problems

DEPTH_LIMIT: Final = 64


class Hole:
    """Stands where a value was refused, and as the key of an entry that was: what is there is unknown, not absent."""

    def __repr__(self) -> str:
        return "HOLE"


HOLE: Final = Hole()

_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None, "~": None, "": None}
_DIGITS: Final = frozenset("-0123456789")
# 18 digits fit a signed 64-bit integer, which is what JSON readers keep; longer ones stay text.
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?")
_FORBIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff"
    # Bidirectional controls make a line read otherwise than it is (CVE-2021-42574).
    "\u202a-\u202e\u2066-\u2069]|\r(?!\n)"
)
_TABBED: Final = re.compile(r"[ ]*\t")
_HINTS: Final = (
    ("mapping values are not allowed", "Check the indentation; text that contains ': ' needs quotes."),
    ("could not find expected ':'", "A key needs ': ' behind it."),
    ("found unexpected end of stream", "A quote or a bracket is not closed."),
    ("did not find expected ',' or", "A bracket is not closed, or text with ${...} inside it needs quotes."),
    ("did not find expected key", "Check the indentation and that every quote and bracket is closed."),
    ("that cannot start any token", "Put the text into quotes."),
)


class Document:
    """One parsed file: plain values, and beside them where each stands."""

    __slots__ = ("marks", "plain", "source", "value")

    def __init__(self, source: Source, value: dict[str, Any], marks: dict[int, array[int]], *, plain: bool) -> None:
        self.source = source
        self.value = value
        self.marks = marks
        """By id of a container: of a mapping start and end of each key and value, of a list those of each item."""
        self.plain = plain
        """Whether there is nothing to fill in: no `$`, no hole."""

    def place(self, container: Any, index: int, *, key: bool = False) -> Place:
        """Return where the `index`-th element of a container stands; of a mapping its value, or its key."""
        marks = self.marks[id(container)]
        at = 4 * index + (0 if key else 2) if isinstance(container, dict) else 2 * index
        return Place(self.source, marks[at], marks[at + 1])

    def place_of_start(self) -> Place:
        """Return the file's first character, for what is missing in it."""
        return Place(self.source, 0, 0)

    def locate(self, value: Any, path: Sequence[str | int], place: Place, *, key: bool = False) -> Place:
        """Return where `path` leads from `value`, which stands at `place`: as far as the file shows it."""
        for depth, step in enumerate(path):
            index = _index(value, step)
            if index is None:
                break
            place = self.place(value, index, key=key and depth == len(path) - 1)
            value = value[step]
        return place


def has_hole(value: Any) -> bool:
    """Return whether anything in a value was refused."""
    if isinstance(value, dict):
        return HOLE in value or any(map(has_hole, value.values()))
    return value is HOLE or (isinstance(value, list) and any(map(has_hole, value)))


def _index(value: Any, step: str | int) -> int | None:
    if isinstance(value, dict):
        return list(value).index(step) if step in value else None
    if isinstance(value, list):
        return step if isinstance(step, int) and step < len(value) else None
    return None


class _Stop(Exception):  # noqa: N818 - control flow: nothing behind this point can be read
    """The rest of the file is not read."""


def parse(source: Source, problems: Problems) -> Document | None:
    """Parse one file, noting what is refused. None where the file could not be read to its end."""
    builder = _Builder(source, problems)
    try:
        _check_line_breaks(source, problems)
        value = builder.document()
    except _Stop:
        return None
    except yaml.YAMLError as error:
        _syntax(error, source, problems)
        return None
    plain = "$" not in source.text and not builder.holes
    return Document(source, value, builder.marks, plain=plain)


def _check_line_breaks(source: Source, problems: Problems) -> None:
    """Refuse what libyaml takes for a line break and editors do not; in ASCII text only a lone carriage return."""
    if ("\r" in source.text or not source.text.isascii()) and _forbidden(source, problems):
        raise _Stop


def _forbidden(source: Source, problems: Problems) -> bool:
    found = _FORBIDDEN.search(source.text)
    if found:
        code = f"{ord(found[0]):04X}"
        detail = f'U+{code} does not show in editors. Remove it; as text it is written "\\u{code}", in double quotes.'
        problems.add("K105", detail, Place(source, found.start(), found.end()))
    return found is not None


def _syntax(error: yaml.YAMLError, source: Source, problems: Problems) -> None:
    """Translate libyaml's error."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        if not _forbidden(source, problems):
            problems.add("K106", f"The file cannot be parsed: {error}.", Place(source, 0, 0))
        return
    offset = min(error.problem_mark.index, len(source.text))
    line = source.text[source.text.rfind("\n", 0, offset) + 1 :].partition("\n")[0]
    if tab := _TABBED.match(line):
        at = source.text.rfind("\n", 0, offset) + tab.end()
        problems.add("K107", "YAML is indented with spaces; replace the tab by spaces.", Place(source, at, at + 1))
        return
    hint = next(
        (hint for part, hint in _HINTS if part in str(error.problem)), "Check indentation, quotes and brackets."
    )
    begun = ""
    if error.context_mark is not None and error.context_mark.index < offset:
        start = error.context_mark.index
        begun = f", {error.context}, which begins at {Place(source, start, start)}"
        # At the end of the file there is nothing to see; what was left open is.
        offset = start if offset >= len(source.text.rstrip()) else offset
    place = Place(source, offset, offset + 1)
    problems.add("K106", f"The parser stopped here{begun}: {error.problem}. {hint}", place)


class _Builder:
    """Builds plain values from libyaml's events."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        self.marks: dict[int, array[int]] = {}
        self.holes = False
        self._next: Callable[[], Any] = CParser(source.text).get_event
        self._texts: dict[str, str] = {}
        self._names: dict[str, str] = {}
        """Keys that were text even without quotes."""

    def document(self) -> dict[str, Any]:
        """Return the file's mapping; an empty file is an empty one."""
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return {}
        root = self._next()
        value = self._node(root, 1)
        self._next()
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._add("K112", "Only one document fits into a file; put what follows --- into a file of its own.", after)
            raise _Stop
        if value is not None and not isinstance(value, dict):
            self._add("K115", "A configuration file holds sections such as `keys:`, each with its entries.", root)
            raise _Stop
        return value or {}

    def _add(self, code: str, detail: str, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        self.problems.add(code, detail, Place(self.source, start, max(end, start)))

    def _hole(self, code: str, detail: str, event: Any) -> Hole:
        self._add(code, detail, event)
        self.holes = True
        return HOLE

    def _node(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is yaml.AliasEvent:
            detail = (
                "kmsplan reads no anchors and aliases. Write the value out, or use `defaults`, variables or for_each."
            )
            return self._hole("K110", detail, event)
        if event.tag is not None or event.anchor is not None:
            self._decoration(event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if depth > DEPTH_LIMIT:
            self._add("K114", f"Values may be nested {DEPTH_LIMIT} deep at most.", event)
            raise _Stop
        return self._mapping(depth) if kind is yaml.MappingStartEvent else self._sequence(depth)

    def _decoration(self, event: Any) -> None:
        """Complain of a tag or an anchor; the value itself is plain.

        Neither is repeated, nor is a key that is no text: where quotes are missing, any of them is a part of a secret
        that somebody has written there. The excerpt shows it, and hides lines that may hold one.
        """
        if event.anchor is not None:
            self._add(
                "K110", "kmsplan reads no anchors. Remove the word with &, and quote the value if it is text.", event
            )
        if event.tag is not None:
            self._add(
                "K111", "kmsplan reads no tags. Remove the word with !, and quote the value if it is text.", event
            )

    def _scalar(self, event: Any) -> Any:
        value = event.value
        if event.implicit[0]:
            if value in _WORDS:
                return _WORDS[value]
            if value[0] in _DIGITS and (number := _NUMBER.fullmatch(value)):
                return float(value) if number[1] else int(value)
        elif "\0" in value:
            return self._hole("K105", "A value cannot hold the NUL character.", event)
        return self._texts.setdefault(value, value)

    def _mapping(self, depth: int) -> dict[Any, Any]:
        """Build a mapping. The loop is the parser's hottest: attributes are read once, common cases come first."""
        result: dict[Any, Any] = {}
        marks = array("I")
        advance, names, note = self._next, self._names, marks.append
        while type(key := advance()) is not yaml.MappingEndEvent:
            # Most keys are attribute names, met thousands of times.
            common = type(key) is yaml.ScalarEvent and key.tag is None and key.anchor is None and key.value in names
            name = names[key.value] if common else self._key(key, depth)
            event = advance()
            start, end, value_start, value_end = key.start_mark, key.end_mark, event.start_mark, event.end_mark
            plain = type(event) is yaml.ScalarEvent and event.tag is None and event.anchor is None
            value = self._scalar(event) if plain else self._node(event, depth + 1)
            if name in result:
                self._duplicate(name, key, result, marks)
                continue
            result[name] = value
            note(start.index)
            note(end.index)
            note(value_start.index)
            note(value_end.index)
        self.marks[id(result)] = marks
        return result

    def _duplicate(self, name: Any, key: Any, result: dict[Any, Any], marks: array[int]) -> None:
        """Complain of a second value for one key; of two refused keys nothing is left to say."""
        if name is HOLE:
            return
        at = 4 * list(result).index(name)
        first = Place(self.source, marks[at], marks[at + 1])
        self._add("K108", f"{name!r} stands in this mapping already, at {first}. Keep one of the two.", key)

    def _key(self, event: Any, depth: int) -> Any:
        """Return a key as text, a hole where it is none."""
        if type(event) is not yaml.ScalarEvent:
            self._node(event, depth + 1)
            return self._hole("K113", "A key is text, not a list, a mapping or an alias.", event)
        if event.tag is not None or event.anchor is not None:
            self._decoration(event)
        if event.implicit[0] and event.value == "<<":
            detail = "kmsplan reads no merge keys. Use `defaults:`, or write the attributes out."
            return self._hole("K109", detail, event)
        value = self._scalar(event)
        if not isinstance(value, str):
            return self._hole("K113", "A key is text; quote it.", event) if value is not HOLE else HOLE
        if event.implicit[0]:
            self._names[value] = value
        return value

    def _sequence(self, depth: int) -> list[Any]:
        result: list[Any] = []
        marks = array("I")
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            marks.append(event.start_mark.index)
            marks.append(event.end_mark.index)
            result.append(self._node(event, depth + 1))
        self.marks[id(result)] = marks
        return result
