"""The rules of keys that stand for an object which is in an HSM's token already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.capability import KeyStorageMechanism, Origin
from kmsplan.kms.spec import KeyType
from kmsplan.resource.address import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.objects import Object, Objects
    from kmsplan.config.problems import Problems

_NAME: Final = "hsm_object"


def check_hsm_objects(objects: Objects, problems: Problems) -> None:
    """Check where an object of a token is named, and that no two keys stand for the same one."""
    instances: dict[str, Object] = {found.address: found for found in objects.of_kind("instance")}
    taken: dict[tuple[object, ...], Object] = {}
    for found in objects.of_kind("key"):
        named = found.attributes[_NAME]
        if named is None or _NAME in found.entry.bad:
            continue
        _placed(found, instances, problems)
        place = (*_token(instances.get(found.attributes["instance"])), named)
        if place[0] is not None and (other := taken.setdefault(place, found)) is not found:
            detail = f"{other.address} stands for object {named} of the same token, too; each key stands for its own."
            problems.add("K432", detail, found.place(_NAME), address=found.address)


def _placed(found: Object, instances: Mapping[str, Object], problems: Problems) -> None:
    """Want a key whose material is kept in a token, and is not to come from elsewhere."""
    for detail in _refusals(found, instances):
        problems.add("K431", detail, found.place(_NAME, key=True), address=found.address)


def _refusals(found: Object, instances: Mapping[str, Object]) -> list[str]:
    attributes, told = found.attributes, []
    instance = instances.get(attributes["instance"])
    kind = None if instance is None or "type" in instance.entry.bad else instance.attributes["type"]
    if kind is not None and kind != KeyType.HARDWARE:
        name = name_of(attributes["instance"])
        told.append(f"`{_NAME}` belongs to keys in hardware instances; {name!r} is {kind}. Remove it.")
    if attributes["origin"] == Origin.EXTERNAL:
        told.append("The object is the key's material, so that none can be imported. Remove `origin`, or this.")
    if attributes["storage_mechanism"] == KeyStorageMechanism.HSM_ENCRYPTED_DATABASE:
        told.append("The object stays in the token, so that the key is stored as HsmInternal. Write that, or nothing.")
    return told


def _token(instance: Object | None) -> tuple[object, object]:
    """Return module and label of an instance's token; None twice where they are not known."""
    hsm = None if instance is None or "hsm" in instance.entry.bad else instance.attributes["hsm"]
    return (hsm["module"], hsm["token"]) if hsm else (None, None)
