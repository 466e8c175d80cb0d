"""Answers of the API as observations: one form whatever the answer's, so that only what differs shows as drift."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.capability import Origin
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import OWNER_TAG, RESERVED_TAGS, STATE_TAG, parse_duration
from kmsplan.kms.policy import default_policy
from kmsplan.provider.alibaba.failure import CallError, shaped
from kmsplan.provider.alibaba.survey import READS
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.material import observed as imported
from kmsplan.resource.value import Observation, Present, Unreadable, Witnessed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kmsplan.provider.alibaba.reads import Row
    from kmsplan.provider.alibaba.survey import Surveyed, Tags
    from kmsplan.resource.value import Absent

_TYPES: Final[Mapping[str, str]] = {"3": "software", "5": "hardware"}
"""By ProductVersion: the instance's type."""
_PRESENT_DAY: Final = "key-"
_COMPUTED: Final[Mapping[str, str]] = {
    "arn": "Arn",
    "creation_date": "CreationDate",
    "delete_date": "DeleteDate",
    "last_rotation_date": "LastRotationDate",
    "next_rotation_date": "NextRotationDate",
    "last_used": "LastUsedDate",
    "tracked_since": "UsageTrackedSince",
    "primary_version": "PrimaryKeyVersion",
    "protection_level": "ProtectionLevel",
    "version_count": "Versions",
}
"""What only the KMS decides. The cloud tells no last use; a served kmsplan engine does. Versions are counted of
asymmetric keys alone."""
_WITHOUT_INSTANCE: Final[Mapping[str, str]] = {
    **_COMPUTED,
    "spec": "KeySpec",
    "usage": "KeyUsage",
    "origin": "Origin",
    "description": "Description",
}
"""What users do not decide of a service key, which is all but its tags."""


def observations(surveyed: Surveyed, account: str) -> Iterator[tuple[str, Observation]]:
    """Yield what became of every object."""
    for identity, row in surveyed.instances.items():
        yield identity, _made("instance", row, instance, surveyed.tags.get(identity, {}))
    for identity, row in surveyed.keys.items():
        yield identity, _made("key", row, key, surveyed.tags.get(identity, {}), account)
    for identity, row in surveyed.aliases.items():
        yield identity, _made("alias", row, alias)


def _made(kind: str, row: Row | Absent | Unreadable, make: Callable[..., Present], *given: object) -> Observation:
    if not isinstance(row, dict):
        return row
    try:
        with shaped(READS[kind]):
            return make(row, *given)
    except CallError as error:
        return Unreadable(error.code, error.message)


def states(surveyed: Surveyed) -> dict[str, Witnessed]:
    """Return the newest serial of every state that the tags tell of, whichever objects carry them."""
    newest: dict[str, int] = {}
    for tags in surveyed.tags.values():
        lineage, _, serial = tags.get(STATE_TAG, "").partition("/")
        if serial.isdecimal():
            newest[lineage] = max(newest.get(lineage, 0), int(serial))
    return {lineage: Witnessed(serial=serial, by="", at="") for lineage, serial in newest.items()}


def key(row: Row, tags: Tags, account: str) -> Present:
    """Return a key from its KeyMetadata, Policy and Versions. What the answer does not tell is not compared."""
    kind = _kind(row)
    computed = _COMPUTED if kind == "key" else _WITHOUT_INSTANCE
    attributes = {
        "instance": row.get("DKMSInstanceId") or None,
        "spec": row["KeySpec"],
        "usage": row["KeyUsage"],
        "origin": row["Origin"],
        "description": row.get("Description") or "",
        "enabled": row["KeyState"] != KeyState.DISABLED,
        "rotation": rotation(row),
        "versions": row["Versions"],
        "tags": {name: value for name, value in tags.items() if name not in RESERVED_TAGS},
        "deletion_protection": row.get("DeletionProtection") == "Enabled",
        **_told(row, account),
    }
    if kind != "key":
        attributes = {name: attributes[name] for name in KINDS[kind].compared if name in attributes}
    return Present(
        kind=kind,
        identity=row["KeyId"],
        state=row["KeyState"],
        owner=tags.get(OWNER_TAG),
        attributes=attributes,
        computed={name: row.get(field) or None for name, field in computed.items()},
    )


def _kind(row: Row) -> str:
    """Return which kind of key it is. Those of KMS 1.0 are in no instance either, and known by their ids."""
    if row.get("DKMSInstanceId") or not row["KeyId"].startswith(_PRESENT_DAY):
        return "key"
    return "default_key" if str(row.get("Creator", "")).isdecimal() else "service_key"


def _told(row: Row, account: str) -> dict[str, Any]:
    """Return the attributes that not every answer tells."""
    told: dict[str, Any] = {}
    if "Policy" in row:
        told["policy"] = policy(row["Policy"], account)
    if row.get("KeyStorageMechanism"):
        told["storage_mechanism"] = row["KeyStorageMechanism"]
    if "ExternalKeyId" in row:
        told["external_key"] = row["ExternalKeyId"] or None
    if row["Origin"] != Origin.EXTERNAL or row["KeyState"] != KeyState.PENDING_DELETION:
        present = row["KeyState"] != KeyState.PENDING_IMPORT
        told["imported"] = imported(row["Origin"], present=present, expires=row.get("MaterialExpireTime") or None)
    return told


def rotation(row: Row) -> int | None:
    """Return the seconds between two rotations; a suspended one goes on when the key is enabled again."""
    if row.get("AutomaticRotation") not in ("Enabled", "Suspended"):
        return None
    return parse_duration(row.get("RotationInterval") or "")


def policy(text: str | None, account: str) -> dict[str, Any] | None:
    """Return a policy as JSON; None where it is the one that the KMS gives a key without one."""
    if not text:
        return None
    found: dict[str, Any] = json.loads(text)
    return None if found == default_policy(account) else found


def instance(row: Row, tags: Tags) -> Present:
    """Return an instance. A type that the answer does not tell is not compared; nor is how its HSM is reached."""
    type_ = row.get("InstanceType") or _TYPES.get(str(row.get("ProductVersion")))
    told = {"type": type_, "hsm": row.get("Hsm"), "proxy": row.get("Proxy")}
    return Present(
        kind="instance",
        identity=row["InstanceId"],
        state=row.get("Status") or "",
        owner=tags.get(OWNER_TAG),
        attributes={
            **{name: value for name, value in told.items() if value is not None},
            "spec": int(row.get("Spec") or 0),
            "key_quota": int(row.get("KeyNum") or 0),
            "tags": {name: value for name, value in tags.items() if name not in RESERVED_TAGS},
            "deletion_protection": bool(row.get("DeletionProtection")),
        },
    )


def alias(row: Row) -> Present:
    """Return an alias."""
    return Present(kind="alias", identity=row["AliasName"], attributes={"key": row["KeyId"]})
