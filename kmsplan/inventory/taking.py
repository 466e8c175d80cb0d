"""From what was read, recorded and declared to one item for each key."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.inventory.fact import UNKNOWN, expires, moment, protection, rotation, use, versions
from kmsplan.inventory.item import Inventory, Item, Presence
from kmsplan.inventory.surroundings import Surroundings, presents
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import Owner
from kmsplan.kms.quantum import harvestable, quantum
from kmsplan.kms.spec import SPECS
from kmsplan.resource.address import kind_of
from kmsplan.resource.value import Absent, Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from kmsplan.config.configuration import Configuration
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Record, Recorded

KEY_KINDS: Final = frozenset({"key", "default_key", "service_key"})
OWNER_TAGS: Final = ("owner", "team")
"""Whose value says who answers for a key, the first that is there."""
LIFETIME_TAG: Final = "data-lifetime"
_BITS: Final[Mapping[str, int]] = MappingProxyType({spec.value: facts.bits for spec, facts in SPECS.items()})
_OBSERVED_ONLY: Final = frozenset(
    {
        "arn",
        "state",
        "created",
        "age_days",
        "versions",
        "primary_version",
        "last_rotation",
        "next_rotation",
        "last_used",
        "tracked_since",
        "material_expires",
        "deletion",
    }
)
"""What no record tells."""


def take(
    configuration: Configuration, recorded: Recorded, observed: Observed, now: datetime, *, every: bool = False
) -> Inventory:
    """Return the keys that are recorded, and where `every` is set all others that the KMS holds.

    Args:
        configuration: says who uses a key.
        recorded: what this configuration manages.
        observed: the reading of all that is recorded.
        now: aware; the day that ages are counted to.
        every: list the keys that are not managed here, too.
    """
    around = Surroundings(configuration, recorded, observed)
    managed = []
    for record in sorted(recorded.records.values(), key=lambda record: record.address):
        if kind_of(record.address) in KEY_KINDS:
            found = observed.objects.get(record.identity)
            here = isinstance(found, Present)
            managed.append(_seen(found, record, around, now) if here else _unseen(found, record, around))
    others = sorted(
        (one for one in presents(observed) if one.kind in KEY_KINDS and one.identity not in around.records),
        key=lambda one: one.identity,
    )
    listed = [_seen(present, None, around, now) for present in others] if every else []
    return Inventory(
        items=(*managed, *listed),
        environment=observed.environment,
        lineage=recorded.lineage,
        unmanaged=len(others),
    )


def _seen(present: Any, record: Record | None, around: Surroundings, now: datetime) -> Item:
    told = {**present.computed, **present.attributes}
    owner = Owner.parse(present.owner) if present.owner else None
    spec = told.get("spec", UNKNOWN)
    created = moment(told.get("creation_date"))
    facts = {
        "arn": told.get("arn") or UNKNOWN,
        "spec": spec,
        "usage": told.get("usage", UNKNOWN),
        "origin": told.get("origin", UNKNOWN),
        "state": present.state or UNKNOWN,
        "created": created,
        "age_days": UNKNOWN if created is UNKNOWN else (now - created).days,
        "deletion_protection": told.get("deletion_protection", UNKNOWN),
        "material_expires": expires(told),
        "deletion": moment(told.get("delete_date")) if present.state == KeyState.PENDING_DELETION else None,
        **versions(present, told, created),
        **rotation(present, told),
        **use(told),
    }
    return _item(
        facts,
        told,
        around,
        record,
        address=record.address if record else None,
        identity=present.identity,
        kind=present.kind,
        presence=Presence.PRESENT,
        lineage=around.lineage if record else owner.lineage if owner else None,
    )


def _unseen(found: Any, record: Record, around: Surroundings) -> Item:
    """Return an item of what was recorded: the key is gone, or could not be read."""
    told = record.attributes
    gone = isinstance(found, Absent)
    facts: dict[str, Any] = dict.fromkeys(_OBSERVED_ONLY, None if gone else UNKNOWN)
    for name in ("spec", "usage", "origin", "deletion_protection"):
        facts[name] = told.get(name, UNKNOWN)
    facts["rotation_seconds"] = told.get("rotation")
    why = f"{found.code}: {found.message}" if isinstance(found, Unreadable) else "" if gone else "it was not read"
    return _item(
        facts,
        told,
        around,
        record,
        address=record.address,
        identity=record.identity,
        kind=kind_of(record.address),
        presence=Presence.ABSENT if gone else Presence.UNREADABLE,
        lineage=around.lineage,
        note=why,
    )


def _item(
    facts: dict[str, Any], told: Mapping[str, Any], around: Surroundings, record: Record | None, **rest: Any
) -> Item:
    """Return an item; facts that are not known are named, and None."""
    tags = dict(sorted((told.get("tags") or {}).items()))
    spec = None if facts["spec"] is UNKNOWN else facts["spec"]
    usage = None if facts["usage"] is UNKNOWN else facts["usage"]
    type_ = around.type(told.get("instance")) if rest["kind"] == "key" else None
    facts["protection"], facts["hsm_object"] = protection(type_, told), told.get("hsm_object")
    facts["size"] = _BITS.get(spec or "", UNKNOWN)
    facts["quantum"] = quantum(spec) or UNKNOWN
    unknown = {name for name, value in facts.items() if value is UNKNOWN}
    said: dict[str, Any] = {name: None if value is UNKNOWN else value for name, value in facts.items()}
    if rest["identity"] in around.doubtful:
        unknown.add("aliases")
    return Item(
        instance=around.address(told.get("instance")),
        owner=next((tags[name] for name in OWNER_TAGS if tags.get(name)), None),
        description=told.get("description") or "",
        aliases=around.aliases(rest["identity"]),
        used_by=around.used_by(record),
        tags=tags,
        data_lifetime=tags.get(LIFETIME_TAG),
        harvest=harvestable(spec, usage),
        unknown=frozenset(unknown),
        **said,
        **rest,
    )
