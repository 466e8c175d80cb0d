"""Filling in variables and for_each: sections as written become entries as meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.config.document import HOLE, has_hole
from kmsplan.config.problems import Gap, repeated
from kmsplan.config.section import SECTIONS, Form
from kmsplan.config.template import Scope, TemplateError
from kmsplan.kms.wording import quoted, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.problems import Problems
    from kmsplan.config.section import Node, Sections

KINDS_BY_SECTION: Final[Mapping[str, str]] = {
    "instances": "instance",
    "keys": "key",
    "aliases": "alias",
    "service_keys": "service_key",
    "default_key": "default_key",
}
DEFAULT_KEY_NAME: Final = "default"
"""The default CMK has no name of its own; its address is default_key.default."""
_NO_FAULT: Final[frozenset[str]] = frozenset()
_INDIVISIBLE: Final = frozenset(
    {"kmsplan", "engine", "state", "approval", "policy"}
    | {name for name, form in SECTIONS.items() if form is Form.LIST}
)
"""Sections whose entries mean nothing once a part is missing."""
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
    """Fill in every section but `variables`, which are not made of variables."""
    scope = Scope(variables)
    expanded = Expanded()
    for section, nodes in sections.named.items():
        if section == "variables":
            found = {name: Entry(HOLE if has_hole(node.value) else node.value, node) for name, node in nodes.items()}
        else:
            found = _Section(section, scope, problems).entries(nodes)
        expanded.named[section] = found
    for section, node in sections.one.items():
        expanded.one[section] = _Section(section, scope, problems).entry(None, node, node.value, scope)
    for section, items in sections.lists.items():
        part = _Section(section, scope, problems)
        filled = (part.entry(None, node, node.value, scope) for node in items)
        expanded.lists[section] = [entry for entry in filled if entry.written is not HOLE]
    return expanded


class _Section:
    """Fills in the entries of one section."""

    def __init__(self, section: str, scope: Scope, problems: Problems) -> None:
        self._section = section
        self._kind = KINDS_BY_SECTION.get(section)
        self._scope = scope
        self._problems = problems
        self._found: dict[str, Entry] = {}

    def entries(self, nodes: Mapping[str, Node]) -> dict[str, Entry]:
        """Return a named section's entries, one for each element where there is a for_each."""
        for name, node in nodes.items():
            value = node.value
            if self._kind == "key" and isinstance(value, dict) and "for_each" in value:
                self._each(name, node)
            elif node.document.plain:
                self._found[name] = Entry(value, node)
            elif (made := self._name(name, node, self._scope)) is not None:
                self._add(made, self.entry(made, node, value, self._scope))
        return self._found

    def entry(self, name: str | None, node: Node, value: Any, scope: Scope) -> Entry:
        """Return one entry filled in. What cannot be is left out of an object as bad; else the whole is a hole."""
        if node.document.plain and scope.each is None:
            return Entry(value, node)
        filler = _Filler(node, scope, self._problems, self._address(name))
        if not isinstance(value, dict) or self._section in _INDIVISIBLE:
            return Entry(filler.fill(value, ()), node)
        if HOLE in value:
            return Entry(HOLE, node)
        filled = {attribute: filler.fill(item, (attribute,)) for attribute, item in value.items()}
        bad = frozenset(attribute for attribute, item in filled.items() if item is HOLE)
        return Entry({attribute: item for attribute, item in filled.items() if item is not HOLE}, node, bad)

    def _address(self, name: str | None) -> str | None:
        return f"{self._kind}.{name or DEFAULT_KEY_NAME}" if self._kind else None

    def _add(self, name: str, entry: Entry) -> None:
        known = self._found.setdefault(name, entry)
        if known is not entry:
            place = known.node.key_place
            detail = f"{name!r} under `{self._section}` is made at {place}, too. Names are unique."
            self._problems.add("K406", detail, entry.node.key_place, address=self._address(name))

    def _name(self, template: str, node: Node, scope: Scope) -> str | None:
        """Return an entry's name with its references filled in; None where that failed."""
        if "$" not in template:
            return template
        try:
            name = scope.fill(template)
        except TemplateError as error:
            self._problems.add(error.code, error.detail, node.key_place, until=error.until)
            name = HOLE
        if isinstance(name, str):
            return name
        if name is not HOLE:
            self._problems.add("K306", f"A name is text; {template} is {shown(name)}.", node.key_place)
        self._problems.gap(Gap.NAMES)
        return None

    def _each(self, template: str, node: Node) -> None:
        """Make one entry for each element."""
        elements = self._elements(node)
        if elements is not None and _EACH not in template:
            detail = f"Every element would make a key named {template!r}. Put {_EACH} into the name."
            self._problems.add("K308", detail, node.key_place)
            elements = None
        if elements is None:
            self._problems.gap(Gap.NAMES)
            return
        written = {name: value for name, value in node.value.items() if name != "for_each"}
        for key, value in elements.items():
            scope = Scope(self._scope.variables, (key, value))
            name = self._name(template, node, scope)
            if name is not None:
                self._add(name, self.entry(name, node, written, scope))

    def _elements(self, node: Node) -> dict[str, Any] | None:
        """Return what to iterate over: a list's elements as their own values, or a mapping."""
        value = _Filler(node, self._scope, self._problems).fill(node.value["for_each"], ("for_each",))
        if isinstance(value, dict):
            return value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            if len(set(value)) == len(value):
                return {item: item for item in value}
            detail = f"{quoted(repeated(value))} is in the list more than once; each element makes one key."
            self._problems.add("K307", detail, node.locate(("for_each",)))
        elif value is not HOLE:
            detail = f"for_each takes a list of texts or a mapping, not {_not_elements(value)}."
            self._problems.add("K307", detail, node.locate(("for_each",)))
        return None


def _not_elements(value: Any) -> str:
    if isinstance(value, list):
        return f"a list with {shown(next(item for item in value if not isinstance(item, str)))} in it"
    return shown(value)


class _Filler:
    """Fills in one entry's values, noting where a reference cannot be."""

    __slots__ = ("_address", "_node", "_problems", "_scope")

    def __init__(self, node: Node, scope: Scope, problems: Problems, address: str | None = None) -> None:
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
            place = self._node.locate(path)
            self._problems.add(error.code, error.detail, place, address=self._address, until=error.until)
            return HOLE
