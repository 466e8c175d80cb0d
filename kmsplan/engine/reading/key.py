"""DescribeKey, ListKeys, GetKeyPolicy, and key versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore.instance import HIDDEN
from kmsplan.engine.reading import filtering
from kmsplan.engine.reading.paging import SIZE, Selection, fetch
from kmsplan.engine.reading.question import asked
from kmsplan.engine.reading.view import KeyRef, KeyView, Page, VersionView
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.policy import default_policy
from kmsplan.kms.spec import SPECS, KeySpec, KeyType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.reading.view import Filter

POLICY_NAME: Final = "default"
_SHOWN: Final = 100
"""As much of a name that means nothing as a message repeats."""


def describe_key(core: Core, caller: Caller, name: str) -> KeyView:
    """Describe the key that an id, an alias or an ARN means.

    Raises:
        KmsError: there is none, or it is forbidden.
    """
    with asked(core, caller, "DescribeKey", name) as question:
        row = question.key(name)
        home = instances.load(question.db, row.instance_id)
    return view(row, KeyType(home.type) if home else KeyType.SOFTWARE, core.identity.arn_prefix)


def view(row: KeyRow, key_type: KeyType, arn_prefix: str) -> KeyView:
    """Return a key as callers see it who may."""
    symmetric = SPECS[KeySpec(row.spec)].symmetric
    return KeyView(
        key_id=row.key_id,
        arn=f"{arn_prefix}key/{row.key_id}",
        creator=row.creator,
        instance_id="" if row.instance_id in HIDDEN else row.instance_id,
        key_type=key_type.value,
        spec=row.spec,
        usage=row.usage,
        origin=row.origin,
        state=row.state,
        description=row.description,
        storage_mechanism=row.storage_mechanism,
        protection_level="HSM" if key_type is KeyType.HARDWARE else "SOFTWARE",
        creation_date=row.creation_date,
        delete_date=row.delete_date,
        rotation=row.rotation,
        rotation_state=rotation_state(row.rotation, row.state),
        last_rotation_date=row.last_rotation_date,
        next_rotation_date=row.next_rotation_date,
        primary_version=row.primary_version if symmetric else None,
        material_expires=row.material_expires,
        deletion_protection=row.deletion_protection == 1,
        protection_reason=row.protection_reason,
        external_key_id=row.external_key_id,
        last_used=row.last_used,
        read_only=row.read_only == 1,
    )


def rotation_state(rotation: int | None, state: str) -> str:
    """Return what AutomaticRotation says: rotation rests while a key is not enabled."""
    if rotation is None:
        return "Disabled"
    return "Enabled" if state == KeyState.ENABLED else "Suspended"


def list_keys(
    core: Core, caller: Caller, filters: Sequence[Filter] = (), page: int = 1, size: int = SIZE
) -> Page[KeyRef]:
    """List keys, in the order of their ids.

    Raises:
        KmsError: a filter or the page is not valid, or it is forbidden.
    """
    with asked(core, caller, "ListKeys") as question:
        wanted = filtering.joined(filtering.key_conditions(filters))
        selection = Selection("k.key_id", f"key AS k WHERE {wanted.sql}", "k.key_id", wanted.parameters)
        rows, total = fetch(question.db, selection, page, size)
        prefix = question.arn("key/")
    return Page(tuple(KeyRef(key_id, prefix + key_id) for (key_id,) in rows), page, size, total)


def key_policy(core: Core, caller: Caller, name: str, policy_name: str = POLICY_NAME) -> dict[str, Any]:
    """Return a key's policy; where none was set, the one that every key begins with.

    Raises:
        KmsError: there is no such key or policy, or it is forbidden.
    """
    with asked(core, caller, "GetKeyPolicy", name) as question:
        row = question.key_by_id(name)
        _require_policy(row, policy_name)
    policy: dict[str, Any] = default_policy(core.identity.account) if row.policy is None else json.loads(row.policy)
    return policy


def _require_policy(row: KeyRow, policy_name: str) -> None:
    if row.instance_id in HIDDEN:
        raise KmsError("Forbidden.ResourceNotFound", f"{row.key_id} has no policy: only keys in instances have one.")
    if policy_name != POLICY_NAME:
        shown = policy_name[:_SHOWN]
        raise KmsError("Forbidden.ResourceNotFound", f"A key has one policy, {POLICY_NAME!r}, and no {shown!a}.")


def describe_version(core: Core, caller: Caller, name: str, version_id: str) -> VersionView:
    """Describe a version of the key that an id, an alias or an ARN means.

    Raises:
        KmsError: there is no such key or version, or it is forbidden.
    """
    with asked(core, caller, "DescribeKeyVersion", name) as question:
        row = _with_versions(question.key(name))
        found = question.db.execute(
            "SELECT key_id, version_id, created FROM key_version "
            "WHERE key_id = ? AND version_id = ? AND status = 'ready'",
            (row.key_id, version_id),
        ).fetchone()
        if found is None:
            raise KmsError("Forbidden.KeyVersionNotFound", f"{row.key_id} has no key version {version_id[:_SHOWN]!a}.")
    return VersionView(*found)


def list_versions(core: Core, caller: Caller, name: str, page: int = 1, size: int = SIZE) -> Page[VersionView]:
    """List the versions of the key that an id, an alias or an ARN means, oldest first.

    Raises:
        KmsError: there is no such key, its versions are kept outside, the page is not valid, or it is forbidden.
    """
    with asked(core, caller, "ListKeyVersions", name) as question:
        row = _with_versions(question.key(name))
        source = "key_version WHERE key_id = ? AND status = 'ready'"
        selection = Selection("key_id, version_id, created", source, "created, id", (row.key_id,))
        rows, total = fetch(question.db, selection, page, size)
    return Page(tuple(VersionView(*found) for found in rows), page, size, total)


def _with_versions(row: KeyRow) -> KeyRow:
    """Return the key, if its versions are the KMS's own."""
    if row.external_key_id is not None:
        raise KmsError("UnsupportedOperation", f"The versions of {row.key_id} are the external key manager's business.")
    return row
