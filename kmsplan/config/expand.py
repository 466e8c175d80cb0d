"""Filling in variables and for_each: sections as written become entries as meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.config.document import HOLE, has_hole
from kmsplan.config.problems import shown
from kmsplan.config.template import Scope, TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.config.problems import Problems
    from kmsplan.config.section import Node, Sections

KINDS_BY_SECTION: Final[Mapping[str, str]] = {
    "instances": "instance",
    "keys": "key",
    "aliases": "alias",
    "service_keys": "service_key",
    "default_key": "default_key",
}
_NO_FAULT: Final[frozenset[str]] = frozenset()
_EACH: Final = "${each.key}"


class Entry(NamedTuple):
    """One entry as meant: references filled in, one for each element."""

    written: Any
    """A mapping, for aliases a text; a hole where it could not be understood."""
    node: Node
    bad: frozenset[str] = _NO_FAULT
    """Attributes that were left out because something is wrong with them."""


@dataclass(slots=True)
class Expanded:
    """All sections as meant."""

    named: dict[str, dict[str, Entry]] = field(default_factory=dict)
    one: dict[str, Entry] = field(default_factory=dict)
    lists: dict[str, list[Entry]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return what the JSON Schema is about; holes are left out of it."""
        named: dict[str, Any] = {
            section: {name: entry.written for name, entry in entries.items() if entry.written is not HOLE}
            for section, entries in self.named.items()
        }
        ones = {section: entry.written for section, entry in self.one.items() if entry.written is not HOLE}
        lists = {section: [entry.written for entry in entries] for section, entries in self.lists.items()}
        return {**named, **ones, **lists}


def expand(sections: Sections, variables: Mapping[str, Any], problems: Problems) -> Expanded:
    """Fill in every section but `variables`."""
    scope = Scope(variables)
    expanded = Expanded()
    for section, nodes in sections.named.items():
        target = expanded.named[section] = {}
        if section == "variables":
            target.update((name, _plain(node)) for name, node in nodes.items())
            continue
        for name, node in nodes.items():
            _entry(target, section, name, node, scope, problems)
    for section, node in sections.one.items():
        expanded.one[section] = _filled(node, node.value, scope, problems, section)
    for section, items in sections.lists.items():
        filled = (_filled(node, node.value, scope, problems, None) for node in items)
        expanded.lists[section] = [entry for entry in filled if entry.written is not HOLE]
    return expanded


def _plain(node: Node) -> Entry:
    """Return a declaration as it is: variables are not made of variables."""
    return Entry(HOLE if has_hole(node.value) else node.value, node)


def _entry(
    target: dict[str, Entry], section: str, name: str, node: Node, scope: Scope, problems: Problems
) -> None:
    value = node.value
    if section == "keys" and isinstance(value, dict) and "for_each" in value:
        for made, entry in _each(name, node, scope, problems):
            _add(target, section, made, entry, problems)
    elif node.document.plain:
        target[name] = Entry(value, node)
    else:
        filled = _name(name, node, scope, problems)
        if filled is not None:
            _add(target, section, filled, _filled(node, value, scope, problems, _address(section, filled)), problems)


def _add(target: dict[str, Entry], section: str, name: str, entry: Entry, problems: Problems) -> None:
    known = target.setdefault(name, entry)
    if known is not entry:
        detail = f"{name!r} under `{section}` is made at {known.node.key_place}, too. Names are unique."
        problems.add("K406", detail, entry.node.key_place, address=_address(section, name))


def _address(section: str, name: str) -> str | None:
    kind = KINDS_BY_SECTION.get(section)
    return f"{kind}.{name}" if kind else None


def _name(template: str, node: Node, scope: Scope, problems: Problems) -> str | None:
    """Return an entry's name with its references filled in; None where that failed."""
    if "$" not in template:
        return template
    try:
        name = scope.fill(template)
    except TemplateError as error:
        problems.add(error.code, error.detail, node.key_place)
        name = HOLE
    if isinstance(name, str):
        return name
    if name is not HOLE:
        problems.add("K306", f"A name is text; {template} is {shown(name)}.", node.key_place)
    problems.whole = False
    return None


def _each(template: str, node: Node, scope: Scope, problems: Problems) -> Iterator[tuple[str, Entry]]:
    """Yield name and entry for each element of a key's for_each."""
    written = {name: value for name, value in node.value.items() if name != "for_each"}
    elements = _elements(node, scope, problems)
    if elements is None:
        problems.whole = False
        return
    if _EACH not in template:
        detail = f"Every element would make a key named {template!r}. Put {_EACH} into the name."
        problems.add("K308", detail, node.key_place)
        problems.whole = False
        return
    for key, value in elements.items():
        inner = Scope(scope.variables, (key, value))
        name = _name(template, node, inner, problems)
        if name is not None:
            yield name, _filled(node, written, inner, problems, f"key.{name}")


def _elements(node: Node, scope: Scope, problems: Problems) -> dict[str, Any] | None:
    """Return what to iterate over: a list's elements as their own values, or a mapping."""
    value = _Filler(node, scope, problems).fill(node.value["for_each"], ("for_each",))
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        if len(set(value)) == len(value):
            return {item: item for item in value}
        twice = next(item for index, item in enumerate(value) if item in value[:index])
        detail = f"{twice!r} is in the list more than once; each element makes one key."
        problems.add("K307", detail, node.locate(("for_each",)))
    elif value is not HOLE:
        detail = f"for_each takes a list of texts or a mapping, not {_elements_shown(value)}."
        problems.add("K307", detail, node.locate(("for_each",)))
    return None


def _elements_shown(value: Any) -> str:
    if isinstance(value, list):
        return f"a list with {shown(next(item for item in value if not isinstance(item, str)))} in it"
    return shown(value)


def _filled(node: Node, value: Any, scope: Scope, problems: Problems, address: str | None) -> Entry:
    """Return an entry with its references filled in; an attribute that cannot be is left out as bad."""
    if node.document.plain and scope.each is None:
        return Entry(value, node)
    filler = _Filler(node, scope, problems, address)
    if not isinstance(value, dict):
        return Entry(filler.fill(value, ()), node)
    if HOLE in value:
        return Entry(HOLE, node)
    attributes = {name: filler.fill(item, (name,)) for name, item in value.items()}
    bad = frozenset(name for name, item in attributes.items() if item is HOLE)
    return Entry({name: item for name, item in attributes.items() if item is not HOLE} if bad else attributes, node, bad)


class _Filler:
    """Fills in one entry's values, noting where a reference cannot be."""

    __slots__ = ("_address", "_node", "_problems", "_scope")

    def __init__(
        self, node: Node, scope: Scope, problems: Problems, address: str | None = None
    ) -> None:
        self._node = node
        self._scope = scope
        self._problems = problems
        self._address = address

    def fill(self, value: Any, path: tuple[str | int, ...]) -> Any:
        """Return `value`, which stands at `path` in the entry, filled in; a hole where anything in it is one."""
        if isinstance(value, str):
            return self._text(value, path) if "$" in value else value
        if isinstance(value, dict):
            return self._mapping(value, path)
        if isinstance(value, list):
            items = [self.fill(item, (*path, index)) for index, item in enumerate(value)]
            return HOLE if any(item is HOLE for item in items) else items
        return value

    def _mapping(self, value: dict[Any, Any], path: tuple[str | int, ...]) -> Any:
        if HOLE in value:
            return HOLE
        items = {name: self.fill(item, (*path, name)) for name, item in value.items()}
        for name in value:
            if "${" in name:
                detail = f"References are filled in in values and in names of objects, not in the name {name!r}."
                place = self._node.locate((*path, name), key=True)
                self._problems.add("K306", detail, place, address=self._address)
                return HOLE
        return HOLE if any(item is HOLE for item in items.values()) else items

    def _text(self, value: str, path: tuple[str | int, ...]) -> Any:
        try:
            return self._scope.fill(value)
        except TemplateError as error:
            self._problems.add(error.code, error.detail, self._node.locate(path), address=self._address)
            return HOLE
