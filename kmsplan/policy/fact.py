"""The facts of each object, by the names that `kmsplan.rule.fact` has for them; what is not known is left out."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.capability import KeyStorageMechanism, Origin, rotation_refusal
from kmsplan.kms.lifecycle import LIFECYCLE, KeyState
from kmsplan.kms.naming import DAY
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyType
from kmsplan.plan.plan import Action
from kmsplan.plan.usage import instant, usage
from kmsplan.policy.principal import principals
from kmsplan.resource.address import kind_of, name_of
from kmsplan.resource.material import ABSENT, NEVER, moment
from kmsplan.resource.value import Absent, Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from kmsplan.plan.plan import Change
    from kmsplan.resource.attribute import Attributes
    from kmsplan.resource.value import Observation

Facts = dict[str, Any]

STRENGTHS: Final[Mapping[Family, int]] = MappingProxyType({Family.EC: 128, Family.SM2: 128, Family.DES3: 112})
"""Security strengths in bits that are not the key's size (SP 800-57 part 1 rev. 5, 5.6.1, table 2); SM2 as any curve of
its size. The table has no row for RSA 4096: it counts as the row below."""
_UNAVAILABLE: Final = LIFECYCLE["Encrypt", KeyState.UNAVAILABLE]
"""The code with which a KMS answers that it has a key and does not reach its material."""
_RSA: Final = MappingProxyType({2048: 112, 3072: 128, 4096: 128})


def key_facts(kind: str, attributes: Attributes, *, instance_type: str | None, aliases: Iterable[str]) -> Facts:
    """Return what the attributes of a key say.

    Args:
        kind: key or default_key.
        attributes: canonical; settings may be missing, and are unknown then.
        instance_type: of its instance, "" without one; None where it is not known.
        aliases: names of those that point at it.
    """
    spec = SPECS[KeySpec(attributes["spec"])]
    policy = attributes.get("policy")
    found: Facts = {
        "key.kind": kind,
        "key.enabled": attributes["enabled"],
        "key.spec": spec.spec.value,
        "key.family": spec.family.value,
        "key.bits": spec.bits,
        "key.strength": _RSA.get(spec.bits, 0) if spec.family is Family.RSA else STRENGTHS.get(spec.family, spec.bits),
        "key.symmetric": spec.symmetric,
        "key.usage": attributes["usage"] or spec.default_usage.value,
        "key.origin": attributes["origin"],
        "key.hsm_object": attributes.get("hsm_object") or "",
        "key.instance": attributes.get("instance") or "",
        "key.rotation_days": math.ceil((attributes.get("rotation") or 0) / DAY),
        "key.min_versions": attributes.get("min_versions") or 0,
        "key.deletion_protection": attributes["deletion_protection"],
        "key.description": attributes["description"],
        "key.tags": attributes["tags"],
        "key.aliases": sorted(aliases),
        "key.policy": policy["Statement"] if policy else [],
    }
    found["key.administrators"], found["key.users"] = map(list, principals(policy))
    if instance_type is not None:
        found["key.instance_type"] = instance_type
        found["key.can_rotate"] = _can_rotate(attributes, instance_type)
    if "deletion_window" in attributes:
        found["key.deletion_window"] = int(attributes["deletion_window"])
    if "used_by" in attributes:
        found["key.used_by"] = attributes["used_by"] or []
    return found


def _can_rotate(attributes: Attributes, instance_type: str) -> bool:
    mechanism = attributes.get("storage_mechanism")
    refusal = rotation_refusal(
        KeyType(instance_type) if instance_type else KeyType.DEFAULT_CMK,
        KeySpec(attributes["spec"]),
        Origin(attributes["origin"]),
        KeyStorageMechanism(mechanism) if mechanism else None,
    )
    return refusal is None


def material_facts(imported: str | None, now: datetime) -> Facts:
    """Return when imported material ends; nothing where it has none, or nobody knows."""
    if imported in (None, ABSENT):
        return {}
    if imported == NEVER:
        return {"key.material_expires": False}
    end = moment(imported)
    return {} if end is None else {"key.material_expires": True, "key.material_days": (end - now).days}


def observed_facts(found: Observation | None, now: datetime) -> Facts:
    """Return what the KMS says of a key now; nothing where it was not asked, or could not answer."""
    if isinstance(found, Absent):
        return {"observed.exists": False}
    if isinstance(found, Unreadable) and found.code == _UNAVAILABLE:
        return {"observed.exists": True, "observed.state": KeyState.UNAVAILABLE.value}
    if not isinstance(found, Present):
        return {}
    made = instant(found.computed.get("creation_date"))
    renewed = instant(found.computed.get("last_rotation_date")) or made
    quiet = usage(found).quiet_since
    days = {"age": made, "material_age": renewed, "unused": quiet}
    return {
        "observed.exists": True,
        "observed.state": found.state,
        **{f"observed.{name}_days": (now - since).days for name, since in days.items() if since is not None},
    }


def instance_facts(attributes: Attributes, *, keys: int) -> Facts:
    """Return what the attributes of an instance say; its type is None where the KMS does not tell it."""
    proxy = attributes.get("proxy")
    known = {"instance.type": attributes["type"]} if attributes.get("type") else {}
    return {
        **known,
        "instance.spec": attributes["spec"],
        "instance.key_quota": attributes["key_quota"],
        "instance.keys": keys,
        "instance.deletion_protection": attributes["deletion_protection"],
        "instance.pinned": not proxy or bool(proxy.get("fingerprint")),
        "instance.tags": attributes["tags"],
    }


def change_facts(change: Change, found: Observation | None, now: datetime) -> Facts:
    """Return what a plan does to one object."""
    before, after, blast = change.before or {}, change.after or {}, change.blast
    deletes = change.action is Action.DELETE
    lasting = before if deletes else after
    known: Facts = {
        "change.address": change.address,
        "change.kind": kind_of(change.address),
        "change.action": change.action.value,
        "change.reason": change.reason.value,
        "change.attributes": list(change.attributes),
        "change.deletes": deletes,
        "change.disables": not deletes and _turns_off("enabled", before, after),
        "change.unprotects": not deletes and _turns_off("deletion_protection", before, after),
        "change.aliases": [*blast.aliases, *blast.unmanaged] if blast else [],
        "change.used_by": list(blast.used_by) if blast else [],
        "change.tags": lasting.get("tags") or {},
    }
    if deletes and "deletion_window" in before:
        known["change.window_days"] = int(before["deletion_window"])
    unused = observed_facts(found, now).get("observed.unused_days")
    return known if unused is None else {**known, "change.unused_days": unused}


def _turns_off(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return bool(before.get(name)) and after.get(name) is False


def named(subject: str, address: str, identity: str, *, managed: bool) -> Facts:
    """Return who an object is."""
    return {
        f"{subject}.address": address,
        f"{subject}.name": name_of(address) if address else "",  # type: ignore[arg-type] # any address
        f"{subject}.identity": identity,
        f"{subject}.managed": managed,
    }
