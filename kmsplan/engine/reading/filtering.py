"""Filters of lists: several values of one property are alternatives, several properties must all hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.engine.keystore.instance import HIDDEN, SERVICE_KEY_HOME
from kmsplan.engine.parameter import invalid
from kmsplan.engine.reading.paging import marks
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kmsplan.engine.reading.view import Filter

ENTRIES: Final = 10
VALUES: Final = 10


class Condition(NamedTuple):
    """A condition in SQL."""

    sql: str
    parameters: tuple[Any, ...] = ()


_NEVER: Final = Condition("1 = 0")
_ALWAYS: Final = Condition("1 = 1")


def grouped(filters: Sequence[Filter], known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the wanted values of each property, those of its repeated entries together.

    An entry without values asks for nothing.

    Raises:
        KmsError: InvalidParameter; too many entries or values, or a property that cannot be filtered by.
    """
    if len(filters) > ENTRIES:
        raise invalid("Filters", f"at most {ENTRIES} entries are allowed, these are {len(filters)}")
    found: dict[str, dict[str, None]] = {}
    names = tuple(known)
    for key, values in filters:
        if key not in names:
            raise invalid("Filters", f"Key is one of {', '.join(names)}, not {key!a}")
        if len(values) > VALUES:
            raise invalid("Filters", f"{key} has at most {VALUES} values, these are {len(values)}")
        if values:
            found.setdefault(key, {}).update(dict.fromkeys(values))
    return {key: tuple(values) for key, values in found.items()}


def _is_in(column: str) -> Callable[[Sequence[str]], Condition]:
    def condition(values: Sequence[str]) -> Condition:
        return Condition(f"{column} IN ({marks(values)})", tuple(values))

    return condition


def _in_homes(homes: str, *, first: str, second: str) -> Callable[[Sequence[str]], Condition]:
    """Return a condition for a property of two values, the first of which means `homes`."""

    def condition(values: Sequence[str]) -> Condition:
        wanted = {first, second}.intersection(values)
        if len(wanted) != 1:
            return _ALWAYS if wanted else _NEVER
        return Condition(f"k.instance_id {'IN' if first in wanted else 'NOT IN'} ({homes})")

    return condition


def _instances(values: Sequence[str]) -> Condition:
    """The empty id means the keys that are in no instance."""
    wanted = [value for value in values if value and value not in HIDDEN] + (list(HIDDEN) if "" in values else [])
    return Condition(f"k.instance_id IN ({marks(wanted)})", tuple(wanted)) if wanted else _NEVER


def _aliases(values: Sequence[str]) -> Condition:
    chosen = f"SELECT key_id FROM alias WHERE alias IN ({marks(values)})"  # noqa: S608 - our own words
    return Condition(f"k.key_id IN ({chosen})", tuple(values))


_HARDWARE: Final = f"SELECT instance_id FROM instance WHERE type = '{KeyType.HARDWARE.value}'"  # noqa: S608 - our own words
_KEY_CONDITIONS: Final[Mapping[str, Callable[[Sequence[str]], Condition]]] = {
    "KeyState": _is_in("k.state"),
    "KeySpec": _is_in("k.spec"),
    "KeyUsage": _is_in("k.usage"),
    "ProtectionLevel": _in_homes(_HARDWARE, first="HSM", second="SOFTWARE"),
    "CreatorType": _in_homes(f"'{SERVICE_KEY_HOME}'", first="Service", second="User"),
    "DKMSInstanceId": _instances,
    "keyId": _is_in("k.key_id"),
    "AliasName": _aliases,
    "Creator": _is_in("k.creator"),
}
_TAG: Final = {"TagKey": "name", "TagValue": "value"}
KEY_FILTERS: Final = (*_KEY_CONDITIONS, *_TAG)
_INSTANCE_CONDITIONS: Final[Mapping[str, Callable[[Sequence[str]], Condition]]] = {
    "KmsInstanceId": _is_in("i.instance_id"),
    "Status": _is_in("i.status"),
    "InstanceType": _is_in("i.type"),
}
# The filter exists since 2025-12; what it takes is published nowhere. These are the names of what GetKmsInstance tells.
INSTANCE_FILTERS: Final = (*_INSTANCE_CONDITIONS, *_TAG)


def key_conditions(filters: Sequence[Filter]) -> list[Condition]:
    """Return what a listed key (`k`) has to fulfil; raises as `grouped`."""
    return _conditions(grouped(filters, KEY_FILTERS), _KEY_CONDITIONS, "k.key_id")


def instance_conditions(filters: Sequence[Filter]) -> list[Condition]:
    """Return what a listed instance (`i`) has to fulfil; raises as `grouped`."""
    return _conditions(grouped(filters, INSTANCE_FILTERS), _INSTANCE_CONDITIONS, "i.instance_id")


def _conditions(
    wanted: Mapping[str, tuple[str, ...]],
    table: Mapping[str, Callable[[Sequence[str]], Condition]],
    identity: str,
) -> list[Condition]:
    """One and the same tag has to have both the name and the value that are asked for."""
    found = [table[key](values) for key, values in wanted.items() if key in table]
    tags = [_is_in(column)(wanted[key]) for key, column in _TAG.items() if key in wanted]
    if tags:
        sql, parameters = joined(tags)
        found.append(Condition(f"{identity} IN (SELECT resource_id FROM tag WHERE {sql})", parameters))  # noqa: S608 - our own words
    return found


def joined(conditions: Sequence[Condition]) -> Condition:
    """Return the condition that all hold."""
    if not conditions:
        return _ALWAYS
    parameters = tuple(value for condition in conditions for value in condition.parameters)
    return Condition(" AND ".join(condition.sql for condition in conditions), parameters)
