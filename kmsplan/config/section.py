"""The sections of a configuration, merged from all files of its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.config.document import HOLE, Document
from kmsplan.config.problems import Gap, near
from kmsplan.kms.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.place import Place
    from kmsplan.config.problems import Problems


class Form(Enum):
    """How a section is written, and so how two files' parts of it are joined."""

    ONE = "one value"
    NAMED = "a mapping of names"
    LIST = "a list"


SECTIONS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "kmsplan": Form.ONE,
        "engine": Form.ONE,
        "state": Form.ONE,
        "approval": Form.ONE,
        "policy": Form.ONE,
        "variables": Form.NAMED,
        "defaults": Form.NAMED,
        "instances": Form.NAMED,
        "keys": Form.NAMED,
        "aliases": Form.NAMED,
        "default_key": Form.ONE,
        "service_keys": Form.NAMED,
        "moved": Form.LIST,
        "removed": Form.LIST,
        "import": Form.LIST,
        "waivers": Form.LIST,
    }
)
VERSION: Final = 1


class Node(NamedTuple):
    """One element of a container in a document."""

    document: Document
    container: Any
    position: int
    value: Any

    @property
    def key_place(self) -> Place:
        """Where the element's key stands; in a list the element itself."""
        return self.document.place(self.container, self.position, key=isinstance(self.container, dict))

    def locate(self, path: Sequence[str | int] = (), *, key: bool = False) -> Place:
        """Return where `path` below the element's value leads; of a mapping's last step its key where `key` is set."""
        return self.document.locate(self.value, path, self.document.place(self.container, self.position), key=key)


@dataclass(slots=True)
class Sections:
    """What all files say together, as written."""

    one: dict[str, Node] = field(default_factory=dict)
    named: dict[str, dict[str, Node]] = field(
        default_factory=lambda: {name: {} for name, form in SECTIONS.items() if form is Form.NAMED}
    )
    lists: dict[str, list[Node]] = field(
        default_factory=lambda: {name: [] for name, form in SECTIONS.items() if form is Form.LIST}
    )


def collect(documents: Sequence[Document], problems: Problems) -> Sections:
    """Merge the documents' sections. The same name in two places is a problem that names both."""
    sections = Sections()
    for document in documents:
        for index, (name, value) in enumerate(document.value.items()):
            _section(sections, Node(document, document.value, index, value), name, problems)
    return sections


def _section(sections: Sections, node: Node, name: Any, problems: Problems) -> None:
    form = SECTIONS.get(name)
    if name is HOLE or node.value is HOLE:
        problems.gap(Gap.TEXT)
    elif form is None:
        detail = f"{name!r} is no section of a configuration.{near(name, SECTIONS)} Sections: {', '.join(SECTIONS)}."
        problems.add("K201", detail, node.key_place)
        problems.gap(Gap.TEXT)
    elif form is Form.ONE:
        _one(sections.one, node, name, problems)
    elif node.value is not None:
        _many(sections, form, node, name, problems)


def _one(known: dict[str, Node], node: Node, name: str, problems: Problems) -> None:
    if name not in known:
        known[name] = node
    elif name != "kmsplan" or known[name].value != node.value:
        detail = f"`{name}` stands in {known[name].key_place}, too. Keep one of the two."
        problems.add("K116", detail, node.key_place)


def _many(sections: Sections, form: Form, node: Node, name: str, problems: Problems) -> None:
    fits = isinstance(node.value, dict if form is Form.NAMED else list)
    if not fits:
        detail = f"`{name}` is {form.value}, not {shown(node.value)}."
        problems.add("K202", detail, node.locate())
        problems.gap(Gap.TEXT)
    elif form is Form.NAMED:
        _named(sections.named[name], node, name, problems)
    else:
        elements = (Node(node.document, node.value, index, value) for index, value in enumerate(node.value))
        sections.lists[name].extend(element for element in elements if element.value is not HOLE)


def _named(known: dict[str, Node], node: Node, section: str, problems: Problems) -> None:
    document = node.document
    container: dict[Any, Any] = node.value
    for index, (name, value) in enumerate(container.items()):
        entry = Node(document, container, index, value)
        if name is HOLE:
            problems.gap(Gap.TEXT)
        elif name in known:
            detail = f"{name!r} stands under `{section}` at {known[name].key_place}, too. Keep one of the two."
            problems.add("K116", detail, entry.key_place)
        else:
            known[name] = entry


def check_version(sections: Sections, documents: Sequence[Document], problems: Problems) -> None:
    """Want `kmsplan: 1` in at least one file."""
    node = sections.one.get("kmsplan")
    if node is None:
        start = next((document.place_of_start() for document in documents), None)
        detail = f"No file says which version it is written for. Add the line `kmsplan: {VERSION}`."
        problems.add("K207", detail, start, until=Gap.TEXT)
    elif node.value != VERSION or isinstance(node.value, bool):
        detail = f"This kmsplan reads version {VERSION} of the configuration, not {shown(node.value)}."
        problems.add("K207", f"{detail} Write `kmsplan: {VERSION}`, or use a kmsplan that knows it.", node.locate())
