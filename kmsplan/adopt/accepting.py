"""Accepting drift: what has to be written into the configuration so that it asks for what the KMS holds.

An attribute is accepted where the object itself says it, or nobody does. What defaults, variables or `for_each` say,
they say of other objects as well, so that nobody but a person can decide on it: it is refused with its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.adopt.editing import REMOVED, Changes
from kmsplan.adopt.written import escaped
from kmsplan.config.template import Reference, parse_template
from kmsplan.drift.report import Verdict
from kmsplan.kms.naming import format_duration
from kmsplan.resource.address import Address, kind_of, name_of
from kmsplan.resource.attribute import Mutability
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.adopt.editing import Path
    from kmsplan.config.expand import Expanded
    from kmsplan.config.objects import Object, Objects
    from kmsplan.config.place import Place
    from kmsplan.drift.report import Finding
    from kmsplan.plan.plan import DriftedAttribute

_OTHERWISE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "vanished": "it is gone. Take it out of the configuration, or kmsplan apply makes it again",
        "pending_deletion": "its deletion is scheduled. Take it out of the configuration, or kmsplan apply restores it",
        "unmanaged": "it is not declared. kmsplan import adopts it",
        "unreadable": "it could not be read",
    }
)
"""By kind of drift: why there is nothing to write, and what to do."""
_BY_HAND: Final = frozenset({"proxy"})
"""What cannot be written without knowing more than the KMS tells: an access key."""


class NotAcceptableError(Exception):
    """Why an attribute cannot be accepted."""


class Refusal(NamedTuple):
    """Something that is not written, and why."""

    subject: str
    """An address or an identity."""
    attribute: str | None
    why: str

    def __str__(self) -> str:
        return f"{self.subject}{f' {self.attribute}' if self.attribute else ''}: {self.why}"


@dataclass(slots=True, kw_only=True)
class Acceptance:
    """What is to be written."""

    changes: dict[str, Changes] = field(default_factory=lambda: defaultdict(Changes))
    """By file name."""
    accepted: dict[Address, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    """What the configuration says afterwards, in canonical form."""
    refused: list[Refusal] = field(default_factory=list)


def accept(findings: Iterable[Finding], expanded: Expanded, objects: Objects) -> Acceptance:
    """Return what makes the configuration ask for what was observed.

    Args:
        findings: the drift to accept; what is declared already needs nothing.
        expanded: the configuration's sections.
        objects: what it declares.
    """
    writer = _Writer(expanded, objects)
    for finding in findings:
        writer.take(finding)
    return writer.acceptance


class _Writer:
    def __init__(self, expanded: Expanded, objects: Objects) -> None:
        self.acceptance = Acceptance()
        self._expanded = expanded
        self._objects = objects

    def take(self, finding: Finding) -> None:
        """Accept one finding, or say why not."""
        drift = finding.drift
        subject = drift.address or drift.identity
        if drift.kind in _OTHERWISE:
            self.acceptance.refused.append(Refusal(subject, None, _OTHERWISE[drift.kind]))
            return
        for one in drift.attributes:
            if finding.verdicts.get(one.name) is Verdict.ACCEPT:
                continue
            try:
                self._attribute(Address(drift.address), one)
            except NotAcceptableError as error:
                self.acceptance.refused.append(Refusal(subject, one.name, str(error)))

    def _attribute(self, address: Address, drifted: DriftedAttribute) -> None:
        found = self._objects.found.get(address)
        if found is None:
            raise NotAcceptableError("the configuration does not declare it")
        if kind_of(address) == "alias":
            self._alias(found, drifted.observed)
        else:
            _require_writable(address, drifted.name)
            _require_own_entry(found)
            if drifted.name == "tags":
                self._tags(found, drifted.observed)
            else:
                self._value(found, drifted.name, drifted.observed)
        self.acceptance.accepted[address][drifted.name] = drifted.observed

    def _value(self, found: Object, name: str, observed: Any) -> None:
        path, own = _path(found.address), _own(found)
        if _refers(own.get(name)):
            raise _from("a variable", found.entry.node.locate((name,)))
        if name not in own and name in found.defaults:
            raise self._from_defaults(found, name)
        if name == "rotation" and isinstance(own.get(name), dict):
            self._file(found).values[(*path, name)]["period"] = _duration(observed)
        else:
            self._file(found).values[path][name] = _FORMS.get(name, escaped)(observed)

    def _tags(self, found: Object, observed: Mapping[str, str]) -> None:
        """Write the tags that differ, one by one, so that what stands beside the others stays."""
        path, own, declared = _path(found.address), _own(found), found.attributes["tags"]
        written, shared = own.get("tags") or {}, found.defaults.get("tags") or {}
        if not isinstance(written, dict):
            raise _from("a variable", found.entry.node.locate(("tags",)))
        values: dict[str, Any] = {}
        for name in sorted({*declared, *observed}):
            if declared.get(name) == observed.get(name):
                continue
            if name in shared and (name not in written or name not in observed):
                raise self._from_defaults(found, "tags", name)
            if _refers(written.get(name)):
                raise _from("a variable", found.entry.node.locate(("tags", name)))
            values[name] = escaped(observed[name]) if name in observed else REMOVED
        if "tags" in own:
            self._file(found).values[(*path, "tags")].update(values)
        else:
            self._file(found).values[path]["tags"] = values

    def _from_defaults(self, found: Object, *path: str) -> NotAcceptableError:
        return _from("`defaults`", self._expanded.named["defaults"][kind_of(found.address)].node.locate(path))

    def _alias(self, found: Object, target: Any) -> None:
        """Write where an alias points: under `aliases`, or by moving it from one key's list to another's."""
        home = self._objects.found.get(Address(str(target)))
        if home is None:
            raise NotAcceptableError(f"it points at {target}, which is not declared. kmsplan import adopts that key")
        node = found.entry.node
        name = name_of(found.address)
        if isinstance(node.container, list):
            if _refers(node.container[node.position]):
                raise _from("a variable", node.key_place)
            holder = self._objects.found[Address(str(found.attributes["key"]))]
            _require_own_entry(holder)
            self._add_alias(home, name)
            self._file(holder).removed[(*_path(holder.address), "aliases")].add(name)
            return
        if not isinstance(node.value, str) or name not in node.container:
            raise _from("a variable", node.key_place)
        if _refers(node.value):
            raise _from("a variable", node.locate())
        if kind_of(home.address) != "key":
            raise NotAcceptableError(f"it points at {target}; `aliases` names keys. Move it to that one's own aliases")
        self._file(found).values[("aliases",)][name] = name_of(home.address)

    def _add_alias(self, home: Object, name: str) -> None:
        _require_own_entry(home)
        written = _own(home).get("aliases")
        path = _path(home.address)
        if isinstance(written, list):
            self._file(home).added[(*path, "aliases")].append(name)
        elif written is None:
            self._file(home).values[path].setdefault("aliases", []).append(name)
        else:
            raise _from("a variable", home.entry.node.locate(("aliases",)))

    def _file(self, found: Object) -> Changes:
        return self.acceptance.changes[found.entry.node.document.source.filename]


def _duration(seconds: int | None) -> str | None:
    return None if seconds is None else format_duration(seconds)


_FORMS: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType({"rotation": _duration})
"""Attributes whose canonical form is not the one that people write."""


def _path(address: Address) -> Path:
    """Return where an object's entry stands in its file."""
    section = KINDS[kind_of(address)].section
    return (section,) if kind_of(address) == "default_key" else (section, name_of(address))


def _own(found: Object) -> Mapping[str, Any]:
    """Return what an object's own entry says, as it is written."""
    value = found.entry.node.value
    return value if isinstance(value, dict) else {}


def _require_writable(address: Address, name: str) -> None:
    attribute = KINDS[kind_of(address)].by_name.get(name)
    if attribute is None or not attribute.written:
        raise NotAcceptableError("no configuration says what it is to be")
    if attribute.mutability is not Mutability.IN_PLACE:
        raise NotAcceptableError("it cannot change in an object that exists, so that another one is there now")
    if name in _BY_HAND:
        raise NotAcceptableError("the KMS does not tell all of it. Write it by hand")


def _require_own_entry(found: Object) -> None:
    """Refuse an entry that stands for several objects, or whose name is made up."""
    node = found.entry.node
    if "for_each" in _own(found):
        raise _from("`for_each`", node.locate(("for_each",)))
    if kind_of(found.address) != "default_key" and name_of(found.address) not in node.container:
        raise _from("a variable in its name", node.key_place)


def _from(source: str, place: Place) -> NotAcceptableError:
    return NotAcceptableError(f"it comes from {source} at {place}, which a person has to change")


def _refers(value: Any) -> bool:
    """Return whether there is a reference in a value as it is written."""
    if isinstance(value, str):
        return "$" in value and any(isinstance(part, Reference) for part in parse_template(value))
    if isinstance(value, dict):
        return any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))
