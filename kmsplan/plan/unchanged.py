"""The fast path: most objects of most plans are as they should be, and cost a few microseconds each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.lifecycle import KeyState
from kmsplan.plan.diff import comparison
from kmsplan.plan.plan import Unchanged
from kmsplan.resource.step import Status
from kmsplan.resource.value import Present

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kmsplan.plan.situation import Situation
    from kmsplan.resource.address import Address
    from kmsplan.resource.attribute import Kind

_SPECIAL: Final = frozenset({KeyState.PENDING_DELETION.value, KeyState.UNAVAILABLE.value})
"""States in which an object is never just left alone."""


def split(
    situation: Situation, kind: Kind, addresses: Iterable[Address], barred: Collection[Address]
) -> tuple[list[Unchanged], list[Address]]:
    """Return the objects that surely are as they should be, and the addresses that need a decision.

    Sure is: declared, recorded and observed with just the declared attributes, in an ordinary state, owned by this
    configuration, and nothing else said about it.
    """
    desired, records, objects = situation.desired, situation.records, situation.objects
    special = {*barred, *situation.moved_from, *situation.claims, *situation.imports}
    # Aliases carry no tags.
    owned = None if kind.name == "alias" else f"{situation.lineage}/"
    same = comparison(kind, situation.addresses)
    unchanged, rest = [], []
    for address in addresses:
        declared, record = desired.get(address), records.get(address)
        if declared is not None and record is not None and address not in special:
            wanted, present = declared.attributes, objects.get(record.identity)
            if (
                isinstance(present, Present)
                and record.status is Status.READY
                and present.state not in _SPECIAL
                and (owned is None or (present.owner or "").startswith(f"{owned}{address}/"))
                and wanted.get("min_versions") is None
                and record.attributes == wanted
                and same(present.attributes, wanted)
            ):
                unchanged.append(Unchanged(address, record.identity, wanted))
                continue
        rest.append(address)
    return unchanged, rest
