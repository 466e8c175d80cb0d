"""Checks a configuration as meant against the JSON Schema.

The verdict comes from jsonschema-rs, in microseconds a key. Only where it is "no" does the slower jsonschema find the
words, over those entries alone that are refused; both read the same schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema_rs

from kmsplan.config.document import HOLE
from kmsplan.config.expand import DEFAULT_KEY_NAME, KINDS_BY_SECTION, Entry, Expanded
from kmsplan.config.problems import Gap
from kmsplan.config.schema import expanded_schema
from kmsplan.config.section import SECTIONS, Form

if TYPE_CHECKING:
    from kmsplan.config.explain import Fault
    from kmsplan.config.place import Place
    from kmsplan.config.problems import Problems


def check_shape(expanded: Expanded, problems: Problems) -> Expanded:
    """Return what the schema accepts of a configuration; the rest becomes problems and holes."""
    document = expanded.document()
    if _validator().is_valid(document):
        return expanded
    refused: dict[_Owner, set[str | None]] = {}
    for fault in _faults(document):
        owner, rest = _owner(fault.path)
        entry = owner.entry(expanded)
        until = Gap.TEXT if fault.missing else None
        problems.add(fault.code, fault.detail, _place(entry, rest, fault), address=owner.address, until=until)
        if rest or not fault.key:
            refused.setdefault(owner, set()).add(str(rest[0]) if rest else None)
    return _without(expanded, refused)


@cache
def _validator() -> Any:
    return jsonschema_rs.validator_for(expanded_schema())


def _faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield every fault. The two libraries agree; a test compares them."""
    from kmsplan.config.explain import explain  # noqa: PLC0415 - only on the error path

    faults = [fault for error in _slow_validator().iter_errors(_narrowed(document)) for fault in explain(error)]
    if not faults:
        raise AssertionError("the two JSON Schema validators disagree: this is a bug in kmsplan")
    yield from sorted(faults, key=lambda fault: [str(step) for step in fault.path])


def _narrowed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with those named entries alone that are refused."""
    narrowed = dict(document)
    for section in (name for name, form in SECTIONS.items() if form is Form.NAMED and name in document):
        accepts = _section_validator(section).is_valid
        narrowed[section] = {name: value for name, value in document[section].items() if not accepts({name: value})}
    return narrowed


@cache
def _section_validator(section: str) -> Any:
    return jsonschema_rs.validator_for(expanded_schema()["properties"][section])


@cache
def _slow_validator() -> Any:
    import jsonschema  # noqa: PLC0415 - 0.1 s to import, and only on the error path

    extend: Any = jsonschema.validators.extend
    validator = extend(jsonschema.Draft202012Validator, {"pattern": _pattern})
    return validator(expanded_schema())


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    r"""Match as ECMA 262 does, which JSON Schema means: `$` only at the very end, `\d` only ASCII digits."""
    import jsonschema  # noqa: PLC0415

    del schema
    if validator.is_type(instance, "string") and not re.search(pattern.replace("$", r"\Z"), instance, re.ASCII):
        yield jsonschema.ValidationError("pattern")


class _Owner(NamedTuple):
    """Which entry a fault belongs to."""

    section: str
    key: str | int | None

    def entry(self, expanded: Expanded) -> Entry:
        form = SECTIONS[self.section]
        if form is Form.ONE:
            return expanded.one[self.section]
        if form is Form.NAMED:
            return expanded.named[self.section][str(self.key)]
        return expanded.lists[self.section][int(self.key or 0)]

    @property
    def address(self) -> str | None:
        kind = KINDS_BY_SECTION.get(self.section)
        return f"{kind}.{self.key or DEFAULT_KEY_NAME}" if kind else None


def _owner(path: tuple[str | int, ...]) -> tuple[_Owner, tuple[str | int, ...]]:
    """Split a path in the document into the entry and the path within it."""
    section = str(path[0])
    if SECTIONS[section] is Form.ONE:
        return _Owner(section, None), path[1:]
    return _Owner(section, path[1]), path[2:]


def _place(entry: Entry, rest: tuple[str | int, ...], fault: Fault) -> Place:
    if not rest and (fault.key or fault.missing is not None):
        return entry.node.key_place
    return entry.node.locate(rest, key=fault.key or fault.missing is not None)


def _without(expanded: Expanded, refused: Mapping[_Owner, set[str | None]]) -> Expanded:
    """Leave out refused attributes, and entries that are refused as a whole."""
    named = {section: dict(entries) for section, entries in expanded.named.items()}
    one, lists = dict(expanded.one), {section: list(entries) for section, entries in expanded.lists.items()}
    for owner, attributes in refused.items():
        entry = _trimmed(owner.entry(expanded), attributes)
        if SECTIONS[owner.section] is Form.ONE:
            one[owner.section] = entry
        elif SECTIONS[owner.section] is Form.NAMED:
            named[owner.section][str(owner.key)] = entry
        else:
            lists[owner.section][int(owner.key or 0)] = entry._replace(written=HOLE)
    kept = {section: [entry for entry in entries if entry.written is not HOLE] for section, entries in lists.items()}
    return Expanded(named=named, one=one, lists=kept)


def _trimmed(entry: Entry, attributes: set[str | None]) -> Entry:
    if None in attributes or not isinstance(entry.written, dict):
        return entry._replace(written=HOLE)
    kept = {name: value for name, value in entry.written.items() if name not in attributes}
    return entry._replace(written=kept, bad=entry.bad | {name for name in attributes if name is not None})
