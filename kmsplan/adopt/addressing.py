"""Addresses for objects that have none yet, from what people called them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.adopt.naming import sentence, slug, unique
from kmsplan.kms.naming import ALIAS_PREFIX, Owner
from kmsplan.resource.address import Address, address, name_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from kmsplan.adopt.relation import Relations
    from kmsplan.resource.value import Present

_NAMED = ("instance", "key")


def addresses_of(
    kept: Sequence[Present], relations: Relations, *, lineages: Collection[str], names: Mapping[str, str]
) -> dict[str, Address]:
    """Return the address of each object, by identity; aliases, which have theirs, are not among them.

    Args:
        kept: the objects.
        relations: between them and all others.
        lineages: of other configurations, whose objects are to be adopted.
        names: by identity, those that are given.

    Where no name is given, a key is called after its first alias, else after its description, else after its id; an
    instance after its type.
    What another configuration gives up keeps the name that it has there.
    """
    found: dict[str, Address] = {}
    known = frozenset(present.identity for present in kept)
    for kind in _NAMED:
        named = [present for present in kept if present.kind == kind]
        candidates = {
            one.identity: (names.get(one.identity, ""), *_candidates(one, relations, lineages, known)) for one in named
        }
        found |= {identity: address(kind, name) for identity, name in unique(candidates).items()}
    for present in kept:
        if present.kind == "default_key":
            found[present.identity] = address("default_key", "default")
        elif present.kind == "service_key":
            found[present.identity] = address("service_key", str(relations.service(present.identity)))
    return found


def _candidates(
    present: Present, relations: Relations, lineages: Collection[str], known: Collection[str]
) -> Iterable[str]:
    owner = Owner.parse(present.owner) if present.owner else None
    if owner is not None and owner.lineage in lineages:
        yield slug(name_of(Address(owner.address)))
    if present.kind == "instance":
        yield slug(str(present.attributes.get("type") or "instance"))
        return
    aliases = (alias for alias in relations.aliases(present.identity) if alias in known)
    yield from (slug(alias.removeprefix(ALIAS_PREFIX)) for alias in aliases)
    yield sentence(str(present.attributes.get("description") or ""))
