"""The rules of the KMS, checked before anything is asked of it. Every fact is read from the tables of `kms`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.config.problems import Gap, listed
from kmsplan.kms.capability import (
    DELETION_WINDOW_DAYS,
    ROTATION_DAYS,
    KeyStorageMechanism,
    Origin,
    import_refusal,
    rotation_refusal,
    version_refusal,
)
from kmsplan.kms.naming import DAY, TAG_LIMIT, format_duration
from kmsplan.kms.policy import check_policy, conditions
from kmsplan.kms.spec import INSTANCE_TYPES, SPECS, KeySpec, KeyType, KeyUsage, specs_for
from kmsplan.kms.wording import counted
from kmsplan.resource.address import kind_of, name_of

if TYPE_CHECKING:
    from kmsplan.config.objects import Object, Objects
    from kmsplan.config.problems import Problems


class Rule(NamedTuple):
    """One rule of keys: what it reads, and the sentence it says where it is broken."""

    code: str
    at: str
    """The attribute that the problem is shown at."""
    reads: tuple[str, ...]
    check: Callable[..., str | None]
    """Takes what the rule reads. Cached: thousands of keys share few combinations."""
    typed: bool = False
    """Whether it takes the key's type before that, and so says nothing where that is unknown."""


@cache
def _spec_offered(key_type: KeyType, spec: str) -> str | None:
    if key_type in SPECS[KeySpec(spec)].instance_types:
        return None
    homes = [home.value for home in INSTANCE_TYPES if home in SPECS[KeySpec(spec)].instance_types]
    return (
        f"{_holders(key_type)} offer no {spec}. They offer {listed(specs_for(key_type))}."
        f" {spec} is offered by {' and '.join(homes)} instances."
    )


def _holders(key_type: KeyType) -> str:
    return "Default CMKs" if key_type is KeyType.DEFAULT_CMK else f"{key_type.value.capitalize()} instances"


@cache
def _usage_offered(spec: str, usage: str) -> str | None:
    facts = SPECS[KeySpec(spec)]
    if KeyUsage(usage) in facts.usages:
        return None
    others = [each.value for each, its in SPECS.items() if KeyUsage(usage) in its.usages]
    return f"A key of {spec} is for {listed(facts.usages)}, not for {usage}. Specs for {usage}: {listed(others)}."


@cache
def _can_rotate(key_type: KeyType, spec: str, origin: str, mechanism: str | None, rotation: int | None) -> str | None:
    if rotation is None:
        return None
    stored = KeyStorageMechanism(mechanism) if mechanism else None
    reason = rotation_refusal(key_type, KeySpec(spec), Origin(origin), stored)
    if reason is None:
        return None
    return f"The key cannot rotate by itself: {reason}. Remove `rotation`, or write `rotation: null`."


@cache
def _rotation_in_range(rotation: int | None) -> str | None:
    low, high = ROTATION_DAYS
    if rotation is None or low * DAY <= rotation <= high * DAY:
        return None
    return f"The rotation period is {format_duration(rotation)}; the KMS takes {low}d to {high}d."


@cache
def _takes_versions(key_type: KeyType, spec: str, origin: str, count: int | None) -> str | None:
    if count is None:
        return None
    reason = version_refusal(key_type, KeySpec(spec), Origin(origin))
    if reason is None:
        return None
    return f"The key is given no further versions: {reason}. Remove `min_versions`."


@cache
def _window_in_range(window: float) -> str | None:
    low, high = DELETION_WINDOW_DAYS
    if isinstance(window, float):
        return f"The deletion window is {window:g} days; the KMS takes whole days, {low}d to {high}d."
    if low <= window <= high:
        return None
    return f"The deletion window is {window} days; the KMS takes {low}d to {high}d."


@cache
def _mechanism_offered(key_type: KeyType, mechanism: str | None) -> str | None:
    if mechanism is None or key_type is KeyType.HARDWARE:
        return None
    return f"Only hardware instances have storage mechanisms; this key is in a {key_type.value} one. Remove it."


@cache
def _import_offered(key_type: KeyType, spec: str, origin: str) -> str | None:
    if origin != Origin.EXTERNAL or key_type not in SPECS[KeySpec(spec)].instance_types:
        return None
    reason = import_refusal(key_type, KeySpec(spec))
    return f"{reason[0].upper()}{reason[1:]}." if reason else None


KEY_RULES: Final = (
    Rule("K401", "spec", ("spec",), _spec_offered, typed=True),
    Rule("K402", "usage", ("spec", "usage"), _usage_offered),
    Rule("K403", "rotation", ("spec", "origin", "storage_mechanism", "rotation"), _can_rotate, typed=True),
    Rule("K404", "rotation", ("rotation",), _rotation_in_range),
    Rule("K419", "rotation", ("spec", "origin", "min_versions"), _takes_versions, typed=True),
    Rule("K405", "deletion_window", ("deletion_window",), _window_in_range),
    Rule("K413", "storage_mechanism", ("storage_mechanism",), _mechanism_offered, typed=True),
    Rule("K415", "origin", ("spec", "origin"), _import_offered, typed=True),
)
_BACKENDS: Final[Mapping[str, KeyType]] = MappingProxyType({"hsm": KeyType.HARDWARE, "proxy": KeyType.EXTERNAL})
"""Instance attribute -> the one type that needs it; the others refuse it."""


def check_rules(objects: Objects, problems: Problems, *, own_backends: bool = True) -> None:
    """Check every object against the KMS's rules, and every reference against what is declared.

    Args:
        objects: What is declared.
        problems: Where problems are noted.
        own_backends: Whether the KMS has to be told how it reaches an HSM or a key manager; the cloud knows its own.
    """
    types = {found.address: _type_of(found) for found in objects.of_kind("instance")}
    for found in objects.of_kind("instance"):
        _instance(found, types[found.address], problems, own_backends=own_backends)
    pickers = [(rule, _picker(rule.reads)) for rule in KEY_RULES]
    for found in objects.found.values():
        kind = kind_of(found.address)
        if kind == "key":
            _placed(found, objects, problems)
            _key(found, types.get(found.attributes.get("instance", "")), pickers, problems)
        elif kind == "default_key":
            with_all = found._replace(attributes={**found.attributes, "storage_mechanism": None})
            _key(with_all, KeyType.DEFAULT_CMK, pickers, problems)
        elif kind == "alias":
            _pointed(found, objects, problems)
        elif kind == "service_key":
            _tags(found, problems)
    _quotas(objects, problems)
    _policies(objects, problems, own_engine=own_backends)


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    pick: Callable[[Any], Any] = itemgetter(*names)
    return pick if len(names) > 1 else lambda attributes: (pick(attributes),)


def _type_of(found: Object) -> KeyType | None:
    value = found.attributes.get("type")
    return KeyType(value) if value is not None and "type" not in found.entry.bad else None


def _instance(found: Object, key_type: KeyType | None, problems: Problems, *, own_backends: bool) -> None:
    bad, attributes = found.entry.bad, found.attributes
    _tags(found, problems)
    if attributes["type"] is None and "type" not in bad:
        types = listed(each.value for each in INSTANCE_TYPES)
        place, detail = found.entry.node.key_place, f"An instance needs `type`: {types}."
        problems.add("K205", detail, place, address=found.address, until=Gap.TEXT)
    for name, wanted in _BACKENDS.items():
        if key_type is None or name in bad:
            continue
        given = attributes[name] is not None
        if given and key_type is not wanted:
            detail = f"`{name}` belongs to {wanted.value} instances; this one is {key_type.value}."
            problems.add("K412", detail, found.place(name, key=True), address=found.address)
        elif own_backends and not given and key_type is wanted:
            detail = f"An instance of type {key_type.value} needs `{name}`: {_BACKEND_FORMS[name]}."
            problems.add("K412", detail, found.entry.node.key_place, address=found.address)


_BACKEND_FORMS: Final[Mapping[str, str]] = {
    "hsm": "{module: LIBRARY.so, token: LABEL, pin: {env: NAME}}",
    "proxy": "{url: https://..., access_key: {id: ID, secret: {env: NAME}}}",
}


def _key(
    found: Object,
    key_type: KeyType | None,
    pickers: list[tuple[Rule, Callable[[Mapping[str, Any]], tuple[Any, ...]]]],
    problems: Problems,
) -> None:
    bad, attributes = found.entry.bad, found.attributes
    for rule, pick in pickers:
        if (rule.typed and key_type is None) or (bad and not bad.isdisjoint(rule.reads)):
            continue
        detail = rule.check(key_type, *pick(attributes)) if rule.typed else rule.check(*pick(attributes))
        if detail is not None:
            place, address = found.place(rule.at), found.address
            problems.add(rule.code, detail + found.said_by(rule.at), place, address=address)
    if attributes["tags"]:
        _tags(found, problems)


def _policies(objects: Objects, problems: Problems, *, own_engine: bool) -> None:
    """Check key policies; the embedded engine takes none with conditions."""
    for found in objects.of_kind("key"):
        policy = found.attributes.get("policy")
        if policy is None:
            continue
        faults = list(check_policy(policy))
        for path, detail in faults or (conditions(policy) if own_engine else ()):
            problems.add("K416", detail, found.place("policy", *path), address=found.address)


def _tags(found: Object, problems: Problems) -> None:
    count = len(found.attributes["tags"])
    if count >= TAG_LIMIT:
        detail = f"With those of `defaults` it has {count} tags; {TAG_LIMIT - 1} are allowed, because an object has"
        detail = f"{detail} {TAG_LIMIT} and one is kmsplan's owner tag."
        problems.add("K410", detail, found.place("tags", key=True), address=found.address)


def _placed(found: Object, objects: Objects, problems: Problems) -> None:
    """Want a key in a declared instance."""
    instance = found.attributes["instance"]
    if instance is None:
        if "instance" not in found.entry.bad:
            hint = objects.instances() or " Declare one under `instances`."
            place, address = found.entry.node.key_place, found.address
            detail = f"A key needs `instance`, which holds it.{hint}"
            problems.add("K205", detail, place, address=address, until=Gap.TEXT)
    elif instance not in objects:
        hint = objects.hint(instance) or objects.instances() or " None is declared."
        detail = f"There is no instance {name_of(instance)!r}.{hint}{found.said_by('instance')}"
        problems.add("K501", detail, found.place("instance"), address=found.address, until=Gap.NAMES)


def _pointed(found: Object, objects: Objects, problems: Problems) -> None:
    """Want an alias at a declared key."""
    target = found.attributes["key"]
    if target not in objects:
        hint = objects.hint(target)
        detail = f"There is no key {name_of(target)!r}.{hint} An alias points at a key by its name under `keys`."
        problems.add("K502", detail, found.entry.node.locate(), address=found.address, until=Gap.NAMES)


def _quotas(objects: Objects, problems: Problems) -> None:
    counts = Counter(found.attributes["instance"] for found in objects.of_kind("key"))
    for instance in objects.of_kind("instance"):
        quota, count = instance.attributes["key_quota"], counts[instance.address]
        if count > quota and "key_quota" not in instance.entry.bad:
            detail = f"{instance.address} holds {counted(count, 'key')}; its `key_quota` is {quota}. "
            detail += "Raise it, or add an instance." + instance.said_by("key_quota")
            problems.add("K417", detail, instance.place("key_quota"), address=instance.address)
