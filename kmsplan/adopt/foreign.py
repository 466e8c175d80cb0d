"""Keys in HSMs that somebody else made: what declares the keys that stand for them, and why the rest is left out.

Such a key has no identity at the KMS yet. Where one is needed, it is its instance's with its CKA_ID.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from kmsplan.adopt.naming import LENGTH, sentence, unique
from kmsplan.adopt.written import escaped
from kmsplan.kms.naming import DESCRIPTION_LENGTH
from kmsplan.resource.address import Address, address

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kmsplan.resource.hsmobject import HsmObject

Declared: TypeAlias = "dict[str, tuple[Address, Mapping[str, Any]]]"
"""By identity: the address, and what stands under its name."""


def identity_of(found: HsmObject) -> str:
    """Return what such a key is called where it cannot be declared."""
    labelled = f" labelled {found.label!a}" if found.label else ""
    return f"{found.instance} object {found.object_id or 'without a CKA_ID'}{labelled}"


def unasked(reasons: Mapping[str, str]) -> dict[str, str]:
    """Return what is said of instances whose HSM could not be asked, by what of them is left out."""
    return {f"{instance} objects in its HSM": reason for instance, reason in reasons.items()}


def declared(
    objects: Iterable[HsmObject], homes: Mapping[str, str], others: Collection[str], refused: Mapping[str, str]
) -> tuple[Declared, dict[str, str]]:
    """Return what declares each key that one of ours can stand for, and why the rest is left out.

    Args:
        objects: the keys.
        homes: by identity, the names of the instances that are declared.
        others: names of keys that are taken.
        refused: by identity: what was found to be impossible to declare, and why.
    """
    kept: dict[str, HsmObject] = {}
    left_out: dict[str, str] = {}
    for found in objects:
        identity = identity_of(found)
        problem = refused.get(identity) or _problem(found, homes)
        if problem is None:
            kept[identity] = found
        else:
            left_out[identity] = problem
    names = unique({identity: _names(found) for identity, found in kept.items()}, others)
    return {
        identity: (address("key", names[identity]), _written(found, homes[found.instance]))
        for identity, found in kept.items()
    }, left_out


def remarks(objects: Iterable[HsmObject], declared: Declared) -> tuple[str, ...]:
    """Return what is to be known of the objects that keys are declared for."""
    return tuple(
        sorted(
            f"{declared[identity][0]} stands for an object that was brought into its token, or could leave it once: "
            "somebody may have a copy"
            for one in objects
            if not one.never_left and (identity := identity_of(one)) in declared
        )
    )


def _problem(found: HsmObject, homes: Mapping[str, str]) -> str | None:
    if found.problem is None and found.instance not in homes:
        return f"its instance {found.instance} is left out"
    return found.problem


def _names(found: HsmObject) -> tuple[str, str]:
    return sentence(found.label), f"object-{found.object_id}"[:LENGTH]


def _written(found: HsmObject, home: str) -> dict[str, Any]:
    """Return what a user would write; protected, as every key is that nobody says otherwise of."""
    written = {
        "instance": home,
        "spec": found.spec,
        "usage": found.usages[0],
        "hsm_object": found.object_id,
        "deletion_protection": True,
    }
    label = found.label.replace("\0", "").strip()[:DESCRIPTION_LENGTH]
    return {**written, "description": escaped(label)} if label else written
