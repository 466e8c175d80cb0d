"""What there is, read in bulk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine import hsmwrapped
from kmsplan.engine.hsm.attachment import Attachment, is_attached
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import listing
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.protection.protocol import ProtectionUnavailableError
from kmsplan.engine.witness import Witnessed, witnessed
from kmsplan.kms.capability import KeyStorageMechanism
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.spec import KeyType, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow

Row = dict[str, Any]
_MISSING: Final[Mapping[KeyType, str]] = MappingProxyType(
    {
        KeyType.HARDWARE: "its material is not in the HSM any more: it was destroyed there. Restore the token from its "
        "backup, or schedule the key's deletion",
        KeyType.EXTERNAL: "its key manager does not know it any more, or has it disabled. Bring it back there, or "
        "schedule the key's deletion",
    }
)
"""What is said of a key whose backend answers, and does not have its material, by the types that keep it outside."""
_NOT_THE_SAME: Final = (
    "the HSM does not hold the object any more that the key stands for (hsm_object), or another key is in its place, "
    "which is not used. Whoever made it, or the token's backup, has to bring it back; or schedule the key's deletion"
)
_UNOPENABLE: Final = (
    "the HSM does not hold the key any more that wraps its material (HsmEncryptedDatabase): it was destroyed there. "
    "Restore the token from its backup, or schedule the key's deletion"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Objects as plain dictionaries."""

    instances: list[Row]
    keys: list[Row]
    aliases: list[Row]
    unreadable: dict[str, str] = field(default_factory=dict)
    """Keys whose HSM could not be asked, and why. Nothing is known of their material, least of all that it is gone."""
    states: dict[str, Witnessed] = field(default_factory=dict)
    """By lineage: the newest serial of a client's state that the engine was told of."""


def describe(core: Core, ids: Collection[str] | None, *, check_material: bool) -> Description:
    """Describe objects; see `Engine.describe`."""
    with core.store.read() as db:
        found = {table: listing.rows(db, table, ids) for table in ("instance", "key", "alias")}
        tags, versions_of = listing.tags(db, ids), listing.versions(db, ids)
        vaults = [row for kind in _MISSING for row in instances.of_type(db, kind)]
        states = witnessed(db)
        references = [(vault, versions.references(db, vault.instance_id)) for vault in vaults if check_material]
        objects = _objects(db, vaults)
    prefix = core.identity.arn_prefix
    vault_ids = {vault.instance_id for vault in vaults if vault.type == KeyType.HARDWARE}
    elsewhere = {vault.instance_id for vault in vaults if vault.type == KeyType.EXTERNAL}
    for row in found["instance"]:
        _complete_instance(row, tags)
    for row in found["key"]:
        _complete_key(row, tags, prefix, vault_ids)
        row["version_count"], public, uses = versions_of.get(row["key_id"], (0, 0, None))
        counts = row["usage"] == KeyUsage.ENCRYPT and not public and row["instance_id"] not in elsewhere
        row["encryptions"] = uses if counts else None
        row["versions"] = public or None  # of asymmetric keys, whose versions somebody makes
        row["hsm_object"] = objects.get(row["key_id"])
    for row in found["alias"]:
        row["arn"] = prefix + row["alias"]
    unreadable = _check_material(core, references, found["key"])
    return Description(
        instances=found["instance"],
        keys=found["key"],
        aliases=found["alias"],
        unreadable=unreadable,
        states=states,
    )


def _objects(db: Connection, vaults: Iterable[InstanceRow]) -> dict[str, str]:
    """Return, by key, the CKA_ID of the object in its token that it stands for."""
    tokens = {(vault.module, vault.token) for vault in vaults if vault.type == KeyType.HARDWARE}
    return {
        key_id: Attachment.parse(reference).identity.hex()
        for module, token in tokens
        for reference, key_id in versions.attached_in(db, module, token)
    }


def _complete_instance(row: Row, tags: dict[str, dict[str, str]]) -> None:
    module, token = row.pop("module"), row.pop("token")
    row["hsm"] = {"module": module, "token": token} if row["type"] == KeyType.HARDWARE else None
    row["details"] = json.loads(row["details"])
    row["proxy"] = None if row["proxy"] is None else json.loads(row["proxy"])
    row["deletion_protection"] = row["deletion_protection"] == 1
    row["tags"] = tags.get(row["instance_id"], {})


def _complete_key(row: Row, tags: dict[str, dict[str, str]], prefix: str, vault_ids: set[str]) -> None:
    key_id, policy = row["key_id"], row["policy"]
    row["arn"] = f"{prefix}key/{key_id}"
    row["tags"] = tags.get(key_id, {})
    row["deletion_protection"] = row["deletion_protection"] == 1
    row["read_only"] = row["read_only"] == 1
    del row["material_digest"]
    row["protection_level"] = "HSM" if row["instance_id"] in vault_ids else "SOFTWARE"
    row["rotation_state"] = _rotation_state(row)
    row["tracked_since"] = row["creation_date"]  # uses are noted from the first day on
    row["detail"] = None
    if policy is not None:
        row["policy"] = json.loads(policy)


def _rotation_state(row: Row) -> str:
    if row["rotation"] is None:
        return "Disabled"
    return "Enabled" if row["state"] == "Enabled" else "Suspended"


def _check_material(
    core: Core, references: Iterable[tuple[InstanceRow, dict[bytes, str]]], rows: list[Row]
) -> dict[str, str]:
    """Ask each HSM once for the material of its keys; mark the keys without it, return those nobody can tell of."""
    unreadable: dict[str, str] = {}
    by_id: dict[str, Row] = {}
    for vault, keys in references:
        by_id = by_id or {row["key_id"]: row for row in rows}
        wanted = {reference: key_id for reference, key_id in keys.items() if key_id in by_id}
        wrapped = _wrapped_by(vault, rows)
        try:
            missing = core.protection(vault).missing(wanted) if wanted else frozenset()
            closed = [] if not wrapped or hsmwrapped.openable(core, vault) else wrapped
        except ProtectionUnavailableError as error:
            unreadable |= dict.fromkeys((*wanted.values(), *wrapped), str(error))
            continue
        for reference in missing:
            attached = vault.type == KeyType.HARDWARE and is_attached(reference)
            _mark(by_id[wanted[reference]], _NOT_THE_SAME if attached else _MISSING[KeyType(vault.type)])
        for key_id in closed:
            _mark(by_id[key_id], _UNOPENABLE)
    return unreadable


def _wrapped_by(vault: InstanceRow, rows: Iterable[Row]) -> list[str]:
    """Return the keys whose material the keystore has, wrapped by an instance's HSM."""
    if vault.type != KeyType.HARDWARE:
        return []
    return [
        row["key_id"]
        for row in rows
        if row["storage_mechanism"] == KeyStorageMechanism.HSM_ENCRYPTED_DATABASE
        and row["instance_id"] == vault.instance_id
        and row["primary_version"] is not None
    ]


def _mark(row: Row, detail: str) -> None:
    """Call a key unavailable. One that is pending deletion stays that: its material is to go."""
    row["detail"] = detail
    if row["state"] != KeyState.PENDING_DELETION:
        row["state"] = KeyState.UNAVAILABLE.value
