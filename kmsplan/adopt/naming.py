"""Names for objects that have none in a configuration: from what people called them, unique, the same at every run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kmsplan.resource.address import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LENGTH: Final = 64
"""Of a name; see `kmsplan.resource.address.NAME`."""
_WORDS: Final = 40
"""Characters that are taken from a free text."""
_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]+")


def slug(text: str, length: int = LENGTH) -> str:
    """Return a text as a name: what a name cannot have becomes `-`; "" where nothing is left."""
    return _OTHER.sub("-", text).strip("-_")[:length].rstrip("-_")


def sentence(text: str) -> str:
    """Return a free text as a name: its first words."""
    whole = slug(text)
    return whole if len(whole) <= _WORDS else whole[:_WORDS].rpartition("-")[0] or whole[:_WORDS]


def unique(candidates: Mapping[str, Sequence[str]], others: Iterable[str] = ()) -> dict[str, str]:
    """Return a name for each identity.

    Args:
        candidates: by identity: names in order of preference; those that are no names are passed over. The identity
            itself is the last resort.
        others: names that are taken.

    Two objects that would have one name are told apart by numbers, in the order of their identities.
    """
    wanted = {identity: _first((*names, identity)) for identity, names in candidates.items()}
    taken = set(others)
    return {identity: _free(wanted[identity], taken) for identity in sorted(wanted, key=lambda one: (wanted[one], one))}


def _first(names: Iterable[str]) -> str:
    return next((name for name in names if NAME.fullmatch(name)), "unnamed")


def _free(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name[: LENGTH - len(str(number)) - 1]}-{number}"
    taken.add(found)
    return found
