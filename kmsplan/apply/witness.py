"""Which object of a state can carry the serial that it has come to, for a KMS that keeps it in a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.naming import RESERVED_TAGS, TAG_LIMIT
from kmsplan.resource.address import kind_of
from kmsplan.resource.step import Status

if TYPE_CHECKING:
    from kmsplan.state.record import Recorded

_HOMES: Final = ("instance", "key", "default_key")
"""The kinds that carry tags of ours, the most lasting first."""
_ROOM: Final = TAG_LIMIT - len(RESERVED_TAGS)


def home_of(recorded: Recorded) -> str | None:
    """Return the identity of the object that carries it: always the same one while that exists; None where none can."""
    found = [
        (_HOMES.index(kind), address, record.identity)
        for address, record in recorded.records.items()
        if (kind := kind_of(address)) in _HOMES
        and record.status is Status.READY
        and len(record.attributes.get("tags") or ()) <= _ROOM
    ]
    return min(found)[2] if found else None
