"""Entries to objects: defaults joined in, attributes in canonical form, aliases as objects of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.config.document import HOLE
from kmsplan.config.expand import DEFAULT_KEY_NAME, Entry, Expanded
from kmsplan.config.problems import listed, near
from kmsplan.config.section import Node
from kmsplan.kms.capability import KeyStorageMechanism
from kmsplan.kms.naming import ALIAS_PREFIX
from kmsplan.kms.spec import KeyType
from kmsplan.kms.wording import quoted
from kmsplan.resource.address import Address
from kmsplan.resource.key import default_usage
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from kmsplan.config.place import Place
    from kmsplan.config.problems import Problems
    from kmsplan.resource.attribute import Kind

DEFAULT_KEY: Final = Address(f"default_key.{DEFAULT_KEY_NAME}")
_HINTS: Final = 20
_LISTED: Final = 10
_NOTHING: Final[Mapping[str, Any]] = {}


class Object(NamedTuple):
    """One object on its way: what it means, and the entry that says so."""

    address: Address
    attributes: dict[str, Any]
    entry: Entry
    defaults: Mapping[str, Any] = _NOTHING
    """As written under `defaults`."""

    def place(self, *path: str | int, key: bool = False) -> Place:
        """Return where an attribute is written; the object's name where a default says it, or nobody does."""
        if self._says(path[0]):
            return self.entry.node.locate(path, key=key)
        return self.entry.node.key_place

    def said_by(self, attribute: str) -> str:
        """Return a sentence that says that an attribute comes from the defaults, or nothing."""
        if self._says(attribute) or attribute not in self.defaults:
            return ""
        return f" `{attribute}` comes from `defaults` here; the object itself can say another."

    def _says(self, attribute: str | int) -> bool:
        return isinstance(self.entry.written, dict) and attribute in self.entry.written


@dataclass(slots=True)
class Objects:
    """All objects of a configuration."""

    found: dict[Address, Object] = field(default_factory=dict)
    unclear: set[Address] = field(default_factory=set)
    """Declared, but what they are could not be understood."""
    _hints: int = 0
    _listed: dict[str, list[str]] = field(default_factory=dict)

    def __contains__(self, address: str) -> bool:
        return address in self.found or address in self.unclear

    def hint(self, address: str, *, whole: bool = False) -> str:
        """Return `Did you mean ...?` for an address that is not here: the nearest name of its kind, or whole address.

        Ten thousand wrong names are not compared with ten thousand right ones: only the first few are.
        """
        self._hints += 1
        if self._hints > _HINTS:
            return ""
        kind, _, name = address.partition(".")
        names = self._names(kind)
        return near(address, [f"{kind}.{name}" for name in names]) if whole else near(name, names)

    def instances(self) -> str:
        """Return a sentence with the first declared instances, or nothing where there is none."""
        names = self._names("instance")
        more = ", ..." if len(names) > _LISTED else ""
        return f" Declared: {listed(names[:_LISTED])}{more}." if names else ""

    def _names(self, kind: str) -> list[str]:
        """Return the names of one kind, listed once: asked for only when all objects are there."""
        if kind not in self._listed:
            prefix, all_of_them = f"{kind}.", (*self.found, *self.unclear)
            self._listed[kind] = [found.removeprefix(prefix) for found in all_of_them if found.startswith(prefix)]
        return self._listed[kind]

    def of_kind(self, kind: str) -> list[Object]:
        """Return one kind's objects."""
        prefix = f"{kind}."
        return [found for address, found in self.found.items() if address.startswith(prefix)]


class Canonical:
    """Makes one kind's attributes: the table's defaults, the configuration's, then what the object says."""

    def __init__(self, kind: Kind, defaults: Mapping[str, Any] | None = None) -> None:
        self.defaults = defaults or _NOTHING
        self._functions: tuple[tuple[str, str, Callable[[Any], Any], dict[Any, Any]], ...] = tuple(
            (item.name, item.source or item.name, item.canonical, {}) for item in kind.attributes if item.canonical
        )
        self._steering = tuple(item.name for item in kind.attributes if not item.recorded)
        self._template: dict[str, Any] = {item.name: item.default for item in kind.attributes if item.recorded}
        self._template = self(self.defaults)

    def __call__(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return canonical attributes. Tags are joined, all else is overridden."""
        result = {**self._template, **written}
        for name, source, function, known in self._functions:
            if source in written:
                value = written[source]
                if isinstance(value, dict):
                    result[name] = function(value)
                elif value in known:
                    result[name] = known[value]
                else:
                    result[name] = known[value] = function(value)
        for name in self._steering:
            result.pop(name, None)
        if "tags" in written and (shared := self._template["tags"]):
            result["tags"] = {**shared, **written["tags"]}
        return result


def build(expanded: Expanded, problems: Problems) -> Objects:
    """Return every object that the configuration declares."""
    objects = Objects()
    _collect(objects, expanded, "instance", "instances")
    _collect(objects, expanded, "key", "keys")
    _collect(objects, expanded, "service_key", "service_keys")
    default = expanded.one.get("default_key")
    if default is not None:
        _add(objects, DEFAULT_KEY, default, Canonical(KINDS["default_key"]))
    _complete(objects)
    _own_aliases(objects, problems)
    _shared_aliases(objects, expanded, problems)
    return objects


def _collect(objects: Objects, expanded: Expanded, kind: str, section: str) -> None:
    shared = expanded.named["defaults"].get(kind)
    canonical = Canonical(KINDS[kind], shared.written if shared and isinstance(shared.written, dict) else None)
    unclear = _unclear(KINDS[kind], shared) if shared else frozenset()
    for name, entry in expanded.named[section].items():
        _add(objects, Address(f"{kind}.{name}"), entry, canonical)
        if unclear and (found := objects.found.get(Address(f"{kind}.{name}"))):
            bad = entry.bad | (unclear - (entry.written or {}).keys())
            objects.found[found.address] = found._replace(entry=entry._replace(bad=bad))


def _unclear(kind: Kind, shared: Entry) -> frozenset[str]:
    """Return the attributes whose defaults could not be understood."""
    return frozenset(kind.by_name) if shared.written is HOLE else shared.bad


def _add(objects: Objects, address: Address, entry: Entry, canonical: Canonical) -> None:
    written = entry.written
    if written is HOLE:
        objects.unclear.add(address)
    else:
        attributes = canonical(written or _NOTHING)
        objects.found[address] = Object(address, attributes, entry, canonical.defaults)


def _complete(objects: Objects) -> None:
    """Fill in what depends on other attributes: a key's usage, and how a hardware instance stores it."""
    hardware = {
        found.address for found in objects.of_kind("instance") if found.attributes.get("type") == KeyType.HARDWARE
    }
    usages: dict[str, str] = {}
    for found in (*objects.of_kind("key"), *objects.of_kind("default_key")):
        attributes = found.attributes
        if attributes["usage"] is None:
            spec = attributes["spec"]
            attributes["usage"] = usages.get(spec) or usages.setdefault(spec, default_usage(spec))
        if attributes.get("instance") in hardware and attributes["storage_mechanism"] is None:
            attributes["storage_mechanism"] = KeyStorageMechanism.HSM_INTERNAL.value
    for found in objects.of_kind("instance"):
        # JSON Schema takes 1000.0 for an integer; one wish has one form.
        found.attributes.update((name, int(found.attributes[name])) for name in ("spec", "key_quota"))


def _own_aliases(objects: Objects, problems: Problems) -> None:
    """Declare the aliases that stand inside keys."""
    for found in list(objects.found.values()):
        written = found.entry.written
        names = written.get("aliases") if isinstance(written, dict) else None
        if not names:
            continue
        node, attributes = found.entry.node, {"key": found.address}
        # A list that a reference filled in has no items in the file: they stand where their key does.
        shown_at = node.value.get("aliases") if isinstance(node.value, dict) else None
        for index, name in enumerate(names):
            item = Node(node.document, shown_at, index, name) if isinstance(shown_at, list) else node
            _alias(objects, name, Entry(name, item), attributes, problems)


def _shared_aliases(objects: Objects, expanded: Expanded, problems: Problems) -> None:
    canonical = Canonical(KINDS["alias"])
    for name, entry in expanded.named["aliases"].items():
        if entry.written is HOLE:
            objects.unclear.add(Address(f"alias.{name}"))
        else:
            _alias(objects, name, entry, canonical({"key": entry.written}), problems)


def _alias(objects: Objects, name: str, entry: Entry, attributes: dict[str, Any], problems: Problems) -> None:
    address = Address(f"alias.{name}")
    known = objects.found.setdefault(address, Object(address, attributes, entry))
    if known.entry is not entry:
        place, holder = known.entry.node.key_place, known.attributes["key"]
        detail = f"The alias {name!r} is given to {holder} at {place}, too. An alias points at one key."
        problems.add("K407", detail, entry.node.key_place, address=address)
    if name.startswith(ALIAS_PREFIX):
        detail = f"{quoted(name)} would be the alias {ALIAS_PREFIX}{name}. Leave out the leading `{ALIAS_PREFIX}`."
        problems.add("K408", detail, entry.node.key_place, address=address)
