"""Editing YAML where it stands: values replaced, entries added and taken out; every other character stays as it is.

What is edited was read strictly before: mappings with text keys, no anchors, tags or merge keys. PyYAML tells where
each value begins and ends; the edits are changes of text at those places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import yaml

from kmsplan.adopt.files import inline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Path: TypeAlias = tuple[str, ...]
"""Keys from the top of a file to a mapping or a list."""

REMOVED: Final = object()
"""Stands for a value whose entry is taken out."""


class NotEditableError(Exception):
    """A file is not written in a way that can be edited; the message says where."""


class Edit(NamedTuple):
    """Characters of a file, from `start` up to `end`, and what comes in their place."""

    start: int
    end: int
    text: str


class _Entry(NamedTuple):
    """One entry of a collection: where it begins and ends, comments apart."""

    start: int
    end: int
    key: yaml.Node | None
    value: yaml.Node


@dataclass(slots=True)
class Changes:
    """What is to be edited in one file."""

    values: dict[Path, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    """By mapping: new values by key; `REMOVED` takes the entry out."""
    added: dict[Path, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By list: texts that come in at its end."""
    removed: dict[Path, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By list: texts that go."""


class Edited(NamedTuple):
    """A text with changes made."""

    text: str
    edits: tuple[Edit, ...]
    """What was done to the one before, in its order."""


def edited(text: str, changes: Changes) -> Edited:
    """Return a file's text with changes made.

    Raises:
        NotEditableError: a place cannot be found.
    """
    return _File(text).edited(changes)


class _File:
    def __init__(self, text: str) -> None:
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._root: yaml.Node = yaml.compose(text, Loader=yaml.CSafeLoader)  # type: ignore[assignment]  # no empty file
        self._name = lru_cache(inline)
        self._tables: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}

    def edited(self, changes: Changes) -> Edited:
        edits = [
            *(edit for path, values in changes.values.items() for edit in self._mapping(path, values)),
            *(
                edit
                for path in {**changes.added, **changes.removed}
                for edit in self._list(path, changes.added.get(path, []), changes.removed.get(path, set()))
            ),
        ]
        # Of two that come in at one place the one that is indented deeper belongs to what ends there: it sorts first.
        ordered = tuple(sorted(edits))
        return Edited(self._joined(ordered), ordered)

    def _joined(self, edits: Iterable[Edit]) -> str:
        parts, at = [], 0
        for edit in edits:
            if edit.start < at:
                raise NotEditableError(f"two changes meet in line {self._line(edit.start)}")
            parts += [self._text[at : edit.start], edit.text]
            at = edit.end
        return "".join((*parts, self._text[at:]))

    def _mapping(self, path: Path, values: Mapping[str, Any]) -> Iterator[Edit]:
        node = self._find(path)
        if not isinstance(node, yaml.MappingNode):
            yield self._replaced(path, {name: value for name, value in values.items() if value is not REMOVED})
            return
        table = self._table(node)
        gone = {name for name, value in values.items() if value is REMOVED and name in table}
        new = {name: value for name, value in values.items() if value is not REMOVED and name not in table}
        if len(gone) == len(table):
            yield self._replaced(path, new)
            return
        for name, value in values.items():
            if value is not REMOVED and name in table:
                yield self._value(*table[name], value)
        entries = [_Entry(key.start_mark.index, self._end(value), key, value) for key, value in node.value]
        leaving = {index for index, (key, _) in enumerate(node.value) if key.value in gone}
        yield from self._changed(node, entries, leaving, [f"{self._name(name)}: {inline(new[name])}" for name in new])

    def _list(self, path: Path, added: Sequence[str], removed: set[str]) -> Iterator[Edit]:
        node = self._find(path)
        if not isinstance(node, yaml.SequenceNode):
            raise NotEditableError(f"{'.'.join(path)} is no list")
        leaving = {index for index, item in enumerate(node.value) if item.value in removed}
        if len(leaving) == len(node.value):
            yield self._replaced(path, list(added))
            return
        entries = [_Entry(item.start_mark.index, self._end(item), None, item) for item in node.value]
        mark = "" if node.flow_style else "- "
        yield from self._changed(node, entries, leaving, [f"{mark}{inline(text)}" for text in added])

    def _changed(
        self, node: yaml.CollectionNode, entries: list[_Entry], leaving: set[int], new: list[str]
    ) -> Iterator[Edit]:
        """Yield what takes some entries out and brings new ones in; at least one stays."""
        last = max(index for index in range(len(entries)) if index not in leaving)
        if node.flow_style:
            yield from self._in_flow(entries, leaving, last)
            yield from (Edit(entries[last].end, entries[last].end, f", {text}") for text in new)
        else:
            yield from (self._lines(entries[index]) for index in sorted(leaving))
            at, indent = self._next_line(entries[last].end), " " * node.start_mark.column
            before, after = ("", self._newline) if self._text[at - 1] == "\n" else (self._newline, "")
            yield from (Edit(at, at, f"{before}{indent}{text}{after}") for text in new)

    @staticmethod
    def _in_flow(entries: list[_Entry], leaving: set[int], last: int) -> Iterator[Edit]:
        """Yield what takes entries out together with their commas."""
        for index in sorted(leaving):
            if index < last:
                yield Edit(entries[index].start, entries[index + 1].start, "")
        if last + 1 < len(entries):
            yield Edit(entries[last].end, entries[-1].end, "")

    def _lines(self, entry: _Entry) -> Edit:
        """Return what takes an entry out with all its lines."""
        start = self._text.rfind("\n", 0, entry.start) + 1
        if self._text[start : entry.start].strip(" -"):
            raise NotEditableError(f"line {self._line(entry.start)} holds something else, too")
        return Edit(start, self._next_line(entry.end), "")

    def _value(self, key: yaml.Node, value: yaml.Node, new: Any) -> Edit:
        """Return what puts a new value in the place of an old one."""
        text = inline(new)
        if _has_lines(value):  # it stands on lines of its own, and the new one fits behind the colon
            start = self._text.index(":", key.end_mark.index) + 1
            return Edit(start, self._end(value), f" {text}")
        start, end = value.start_mark.index, self._end(value)
        apart = end > start or self._text[start - 1].isspace()
        return Edit(start, end, text if apart else f" {text}")

    def _replaced(self, path: Path, new: Any) -> Edit:
        return self._value(*self._entry(path), new)

    def _find(self, path: Path) -> yaml.Node:
        return self._entry(path)[1]

    def _entry(self, path: Path) -> tuple[yaml.Node, yaml.Node]:
        """Return key and value of what a path leads to."""
        entry = (self._root, self._root)
        for name in path:
            table = self._table(entry[1]) if isinstance(entry[1], yaml.MappingNode) else {}
            if name not in table:
                raise NotEditableError(f"{'.'.join(path)} is not written there")
            entry = table[name]
        return entry

    def _table(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return a mapping's entries by key; sections may have thousands."""
        known = self._tables.get(id(node))
        if known is None:
            known = self._tables[id(node)] = {key.value: (key, value) for key, value in node.value}
        return known

    def _end(self, node: yaml.Node) -> int:
        """Return where a value ends; PyYAML has block collections and block texts end where the next token begins."""
        if isinstance(node, yaml.CollectionNode) and _has_lines(node) and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        end: int = node.end_mark.index
        if isinstance(node, yaml.ScalarNode) and _has_lines(node):
            return len(self._text[:end].rstrip())
        return end

    def _next_line(self, at: int) -> int:
        """Return where the next line begins, or would."""
        found = self._text.find("\n", at)
        return len(self._text) if found < 0 else found + 1

    def _line(self, at: int) -> int:
        return self._text.count("\n", 0, at) + 1


def _has_lines(node: yaml.Node) -> bool:
    """Return whether a value is written on lines of its own: in block style."""
    return not node.flow_style if isinstance(node, yaml.CollectionNode) else getattr(node, "style", None) in ("|", ">")
