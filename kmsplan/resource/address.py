"""Addresses: names inside the configuration, `KIND.NAME`. They key every mapping of the project."""

from __future__ import annotations

import re
from typing import Final, NewType

Address = NewType("Address", str)

RETIRED_MARK: Final = "~"
"""`key.orders~1` is the first predecessor of `key.orders`: replaced, disabled, kept."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Names of instances and keys. 64 characters leave room for lineage and token in the owner tag."""


def address(kind: str, name: str) -> Address:
    """Return the address of an object."""
    return Address(f"{kind}.{name}")


def kind_of(value: Address) -> str:
    """Return the kind in front of the first dot."""
    return value.partition(".")[0]


def name_of(value: Address) -> str:
    """Return the name behind the first dot."""
    return value.partition(".")[2]


def retired(value: Address, number: int) -> Address:
    """Return the address under which the `number`-th predecessor is kept."""
    return Address(f"{value}{RETIRED_MARK}{number}")


def current(value: Address) -> Address:
    """Return the address that a predecessor had, which is its successor's; any other as it is."""
    return Address(value.partition(RETIRED_MARK)[0])


def is_retired(value: Address) -> bool:
    """Return whether this is a predecessor's address."""
    return RETIRED_MARK in value
