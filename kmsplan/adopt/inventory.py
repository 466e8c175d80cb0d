"""What of a KMS's objects a new configuration can declare, under which addresses; and why the rest is left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kmsplan.adopt import foreign
from kmsplan.adopt.addressing import addresses_of
from kmsplan.adopt.reason import reasons
from kmsplan.adopt.relation import Relations
from kmsplan.adopt.written import Secrets, attributes, with_secrets
from kmsplan.kms.naming import ALIAS_PREFIX, Owner
from kmsplan.kms.spec import KeyType
from kmsplan.resource.address import kind_of, name_of
from kmsplan.resource.kinds import REFERENCES
from kmsplan.resource.value import Present, Unreadable, localise

if TYPE_CHECKING:
    from kmsplan.resource.address import Address
    from kmsplan.resource.hsmobject import HsmObject
    from kmsplan.resource.value import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoptable:
    """One object that a configuration can declare."""

    address: Address
    identity: str
    written: Mapping[str, Any]
    """What stands under its name."""
    owner: str | None = None
    """The lineage that gives it up."""
    made: bool = False
    """Whether the KMS has no such object yet: the apply makes it, of what an HSM holds."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One object that it cannot declare, or should not."""

    identity: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything that a KMS holds, sorted."""

    objects: tuple[Adoptable, ...]
    """Instances, default CMK, service keys and keys. An alias stands in its key."""
    left_out: tuple[LeftOut, ...]
    todo: tuple[str, ...] = ()
    """What is to be filled in by hand."""
    notes: tuple[str, ...] = ()
    """What was known of the objects and is not taken over, and why."""
    remarks: tuple[str, ...] = ()
    """What is to be known of what is declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for."""

    lineages: Collection[str] = ()
    """Of other configurations, whose objects are to be adopted."""
    secrets: Secrets = field(default_factory=Secrets)
    tells_hsm: bool = True
    """Whether a configuration for this KMS says how it reaches its HSMs."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By identity: what was found to be impossible to declare, and why."""
    hsm_objects: Collection[HsmObject] = ()
    """Keys in HSMs that are none of the KMS's."""
    unasked: Mapping[str, str] = field(default_factory=dict)
    """By identity of an instance: why its HSM could not be asked for such keys."""
    names: Mapping[str, str] = field(default_factory=dict)
    """By identity: what it is to be called, where somebody has called it something."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By identity: attributes that no KMS knows, as they are written."""


def take(observed: Observed, wanted: Wanted) -> Inventory:
    """Return what can be declared of everything in `observed.others`, and what is left out of it."""
    relations = Relations(observed.others)
    unread = {
        identity: f"it could not be read: {found.message}"
        for identity, found in observed.objects.items()
        if isinstance(found, Unreadable)
    }
    left_out = reasons(relations, lineages=wanted.lineages, known={**unread, **wanted.refused})
    kept = [present for present in relations.presents if present.identity not in left_out]
    addresses = addresses_of(kept, relations, lineages=wanted.lineages, names=wanted.names)
    objects, todo = [], list[str]()
    for present in (one for one in kept if one.identity in addresses):
        written = _written(present, relations, addresses, left_out)
        if present.kind == "instance":
            written, missing = _reached(present, written, relations, wanted, name_of(addresses[present.identity]))
            todo += missing
        objects.append(
            Adoptable(
                address=addresses[present.identity],
                identity=present.identity,
                written={**written, **wanted.settings.get(present.identity, {})},
                owner=_lineage(present),
            )
        )
    left_out |= foreign.unasked(wanted.unasked)
    homes = _homes(relations, addresses)
    others = frozenset(name_of(place) for place in addresses.values() if kind_of(place) == "key")
    found, refused = foreign.declared(wanted.hsm_objects, homes, others, wanted.refused)
    objects += [
        Adoptable(address=place, identity=identity, written=written, made=True)
        for identity, (place, written) in found.items()
    ]
    left_out |= refused
    return Inventory(
        objects=tuple(sorted(objects, key=lambda one: one.address)),
        left_out=tuple(LeftOut(identity, reason) for identity, reason in sorted(left_out.items())),
        todo=tuple(sorted(todo)),
        remarks=foreign.remarks(wanted.hsm_objects, found),
    )


def _homes(relations: Relations, addresses: Mapping[str, Address]) -> dict[str, str]:
    """Return, by identity, the name of the instance that reaches the same token: its own, else that of another."""
    tokens = {
        one.identity: (hsm["module"], hsm["token"])
        for one in relations.presents
        if one.kind == "instance" and (hsm := one.attributes.get("hsm"))
    }
    names = {token: name_of(addresses[identity]) for identity, token in tokens.items() if identity in addresses}
    own = {identity: name_of(addresses[identity]) for identity in tokens if identity in addresses}
    return {identity: names[token] for identity, token in tokens.items() if token in names} | own


def _written(
    present: Present, relations: Relations, addresses: Mapping[str, str], left_out: Collection[str]
) -> dict[str, Any]:
    names = [name.removeprefix(ALIAS_PREFIX) for name in relations.aliases(present.identity) if name not in left_out]
    return attributes(present, localise(present, addresses, REFERENCES[present.kind]), names)


def _reached(
    present: Present, written: dict[str, Any], relations: Relations, wanted: Wanted, name: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return an instance with its type, and with what it takes to reach what is behind it."""
    typed = {"type": _type(present, relations), **written}
    if not wanted.tells_hsm:
        typed.pop("hsm", None)
    return with_secrets(name, typed, wanted.secrets)


def _type(present: Present, relations: Relations) -> str:
    """Return an instance's type; one that the KMS does not tell is what the keys in it show."""
    told = present.attributes.get("type")
    levels = {key.computed.get("protection_level") for key in relations.inside(present.identity)}
    return str(told or (KeyType.HARDWARE if "HSM" in levels else KeyType.SOFTWARE).value)


def _lineage(present: Present) -> str | None:
    owner = Owner.parse(present.owner) if present.owner else None
    return owner.lineage if owner else None


def declaration(
    present: Present, observed: Observed, addresses: Mapping[str, Address], place: Address, secrets: Secrets
) -> Adoptable:
    """Return the declaration of one object under a given address, whatever else there is."""
    relations = Relations(observed.others)
    written = _written(present, relations, {**addresses, present.identity: place}, ())
    if present.kind == "instance":
        written, _ = _reached(present, written, relations, Wanted(secrets=secrets), name_of(place))
    return Adoptable(address=place, identity=present.identity, written=written)
