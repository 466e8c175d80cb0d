"""How many of the keys that the KMS holds somebody manages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.resource.address import kind_of
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Collection

    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded

_KEYS: Final = frozenset({"key", "default_key"})
"""A service's keys are that service's business."""


class Coverage(NamedTuple):
    """Keys by whether somebody manages them."""

    managed: int
    unmanaged: int


def coverage(recorded: Recorded, observed: Observed, unmanaged: Collection[str]) -> Coverage:
    """Count the keys of one reading.

    Args:
        recorded: whose keys are managed.
        observed: what the KMS holds.
        unmanaged: identities of what was found to be unmanaged; keys beside them are another configuration's.
    """
    own = sum(
        kind_of(record.address) in _KEYS and isinstance(observed.objects.get(record.identity), Present)
        for record in recorded.records.values()
    )
    others = [present.identity for present in observed.others if present.kind in _KEYS]
    stray = sum(identity in unmanaged for identity in others)
    return Coverage(own + len(others) - stray, stray)
