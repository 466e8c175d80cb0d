"""Resources to one reading of a KMS, as if it held what the state says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from kmsplan.adopt.inventory import Inventory, LeftOut, Wanted, take
from kmsplan.adopt.naming import slug
from kmsplan.adopt.terraform.mapping import OTHERS, PREFIX, RESOURCES, ResourceType
from kmsplan.adopt.terraform.present import PRESENT, unmanaged
from kmsplan.kms.naming import parse_arn
from kmsplan.kms.spec import KeyType
from kmsplan.resource.value import Observed, Present

if TYPE_CHECKING:
    from kmsplan.adopt.terraform.document import Resource

_DEPOSED: Final = "it is what a replacement left behind, and Terraform means to destroy it: decide that by hand"
_FLAT: Final = "its attributes are in the form of Terraform 0.11: terraform apply -refresh-only writes them anew"
_PROTECTION: Final = (
    "alicloud_kms_instance has no deletion protection, and so no state tells it: it is written as off, as Terraform "
    "leaves it. Say `deletion_protection: true` to have instances protected"
)


@dataclass(slots=True)
class Converted:
    """What a state says, sorted."""

    presents: dict[str, Present] = field(default_factory=dict)
    """By identity."""
    places: dict[str, str] = field(default_factory=dict)
    """By identity: Terraform's address."""
    names: dict[str, str] = field(default_factory=dict)
    """By identity: the name that its address amounts to."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By identity: attributes that no KMS knows."""
    refused: dict[str, str] = field(default_factory=dict)
    """By identity: why it is left out, although it could be declared."""
    left_out: list[LeftOut] = field(default_factory=list)
    """By Terraform's address: what cannot be."""
    unusable: set[str] = field(default_factory=set)
    """Identities among those."""
    guessed: set[str] = field(default_factory=set)
    """Instances whose type nobody tells but the keys in them."""
    dropped: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Type, attribute, reason: how often."""
    tainted: list[str] = field(default_factory=list)
    others: int = 0
    """Resources that are none of a KMS."""

    @property
    def observed(self) -> Observed:
        """A KMS that holds what the state says."""
        return Observed(environment="terraform", objects={}, others=tuple(self.presents.values()))

    def inventory(self, *, lineages: Collection[str], refused: Mapping[str, str]) -> Inventory:
        """Return what can be declared of it, and what is to be said of the rest.

        Args:
            lineages: of other configurations, whose objects are to be adopted.
            refused: by identity, what was found to be impossible to declare, and why.
        """
        wanted = Wanted(
            lineages=lineages,
            tells_hsm=False,
            refused={**self.refused, **refused},
            names=self.names,
            settings=self.settings,
        )
        found = take(self.observed, wanted)
        taken = {one.identity for one in found.objects}
        left_out = [LeftOut(self._place(one.identity), one.reason) for one in found.left_out]
        return replace(
            found,
            left_out=tuple(sorted((*self.left_out, *left_out), key=lambda one: one.identity)),
            todo=(*found.todo, *self._unknown(taken)),
            notes=tuple(self._notes(taken)),
        )

    def _place(self, identity: str) -> str:
        place = self.places.get(identity)
        return f"{place} ({identity})" if place else identity

    def _unknown(self, taken: Collection[str]) -> Iterable[str]:
        for identity, present in sorted(self.presents.items()):
            if present.kind == "instance" and identity in taken:
                guessed = ["type (guessed from its keys)"] if identity in self.guessed else []
                unknown = [*guessed, *(name for name in ("spec", "key_quota") if name not in present.attributes)]
                if unknown:
                    yield f"{', '.join(unknown)} of the instance {identity}, which the state does not tell"

    def _notes(self, taken: Collection[str]) -> Iterable[str]:
        for (type_, attribute, reason), count in sorted(self.dropped.items()):
            yield f"{type_}.{attribute} ({count}): {reason}"
        yield from (f"{place} is tainted: Terraform would have replaced it, kmsplan keeps it" for place in self.tainted)
        if any(present.kind == "instance" for identity, present in self.presents.items() if identity in taken):
            yield _PROTECTION


def regions(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Return the regions that keys say they are in."""
    found = (_region((resource.values or {}).get("arn")) for resource in resources if resource.type in RESOURCES)
    return tuple(sorted({region for region in found if region}))


def convert(resources: Iterable[Resource], region: str | None) -> Converted:
    """Return what the state says.

    Args:
        resources: all of it.
        region: the one that the configuration manages; None where it may be any.
    """
    converted = Converted()
    for resource in resources:
        type_ = RESOURCES.get(resource.type)
        if type_ is not None:
            _take(converted, resource, type_)
        elif resource.type.startswith(PREFIX):
            reason = OTHERS.get(resource.type, "kmsplan has no such object")
            converted.left_out.append(LeftOut(resource.address, reason))
        else:
            converted.others += 1
    _complete_instances(converted)
    if region is not None:
        _refuse_elsewhere(converted, region)
    _refuse_homeless(converted)
    return converted


def _take(converted: Converted, resource: Resource, type_: ResourceType) -> None:
    values = resource.values or {}
    row = type_.row(values)
    identity = str(row.get(type_.identity, ""))
    reason = _refusal(resource, type_, row)
    if reason is None and identity in converted.presents:
        reason = f"{converted.places[identity]} is {identity}, too, and one object has one address"
    if reason is None:
        try:
            present = PRESENT[type_.kind](row)
        except ValueError as error:
            reason = str(error)
    if reason is not None:
        place = f"{resource.address} ({identity})" if identity else resource.address
        converted.left_out.append(LeftOut(place, reason))
        converted.unusable.add(identity)
        return
    converted.presents[identity] = present
    converted.places[identity] = resource.address
    converted.names[identity] = slug("-".join(resource.names))
    if settings := type_.written(values):
        converted.settings[identity] = settings
    converted.dropped.update((resource.type, name, why) for name, why in type_.dropped(values))
    if resource.tainted:
        converted.tainted.append(resource.address)


def _refusal(resource: Resource, type_: ResourceType, row: Mapping[str, Any]) -> str | None:
    if resource.deposed:
        return _DEPOSED
    return _FLAT if resource.values is None else type_.fault(row)


def _complete_instances(converted: Converted) -> None:
    """Add the instances that keys are in and that the state does not hold, and guess types that it does not tell."""
    levels: dict[str, set[str]] = {}
    for present in converted.presents.values():
        if present.kind == "key" and present.attributes.get("instance"):
            levels.setdefault(present.attributes["instance"], set()).add(str(present.computed["protection_level"]))
    for identity in sorted(levels):
        if identity not in converted.presents and identity not in converted.unusable:
            converted.presents[identity] = unmanaged(identity)
    for identity, present in converted.presents.items():
        if present.kind == "instance" and "type" not in present.attributes:
            type_ = KeyType.HARDWARE if "HSM" in levels.get(identity, ()) else KeyType.SOFTWARE
            converted.presents[identity] = replace(present, attributes={"type": type_.value, **present.attributes})
            converted.guessed.add(identity)


def _refuse_elsewhere(converted: Converted, region: str) -> None:
    """Leave out keys of other regions, and instances whose keys are all there."""
    where: dict[str, set[str]] = {}
    for identity, present in converted.presents.items():
        found = _region(present.computed.get("arn"))
        if found:
            where.setdefault(str(present.attributes.get("instance")), set()).add(found)
            where[identity] = {found}
    for identity, found_in in where.items():
        if identity in converted.presents and region not in found_in:
            converted.refused[identity] = f"it is in {min(found_in)}, and this configuration manages {region}"


def _refuse_homeless(converted: Converted) -> None:
    """Say of aliases whose key the state does not hold, and of keys outside of instances, what is the case."""
    default = [identity for identity, present in converted.presents.items() if present.kind == "default_key"]
    for identity in default if len(default) > 1 else ():
        converted.refused[identity] = "it is in no instance, as others are, and one key can be the default CMK"
    for identity, present in converted.presents.items():
        if present.kind == "alias" and present.attributes["key"] not in converted.presents:
            converted.refused[identity] = f"it points at {present.attributes['key']}, which no key here is"


def _region(arn: Any) -> str | None:
    found = parse_arn(arn) if isinstance(arn, str) else None
    return found.region if found else None
