"""Keys: their state, protection and description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kmsplan.engine import moment
from kmsplan.engine.access.decision import require_own_account, require_owner_kept
from kmsplan.engine.action.work import find_instance
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.parameter import invalid
from kmsplan.kms.capability import KeyStorageMechanism, Origin, rotation_refusal
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, after
from kmsplan.kms.naming import DAY
from kmsplan.kms.spec import KeySpec, KeyType

if TYPE_CHECKING:
    from kmsplan.engine.action.work import Work
    from kmsplan.kms.operation import (
        CancelKeyDeletion,
        DisableKey,
        EnableKey,
        ScheduleKeyDeletion,
        SetDeletionProtection,
        SetKeyPolicy,
        UpdateKeyDescription,
        UpdateRotationPolicy,
    )


def set_enabled(work: Work, operation: EnableKey | DisableKey) -> None:
    """Enable or disable a key; a disabled key's rotation rests."""
    row = work.key(operation.key)
    keys.set_state(work.db, row.key_id, after(work.request.action, KeyState(row.state)))
    work.core.handles.drop(row.key_id)


def schedule_deletion(work: Work, operation: ScheduleKeyDeletion) -> None:
    """Schedule a key's deletion, unless it is protected."""
    row = work.key(operation.key)
    if row.deletion_protection:
        raise KmsError(
            "Forbidden.DeletionProtected",
            f"Deletion protection of {row.key_id} is enabled. Turn it off first (SetDeletionProtection).",
        )
    state = after(work.request.action, KeyState(row.state))
    keys.set_state(work.db, row.key_id, state, moment.later(work.now, operation.window_days * DAY))
    work.core.handles.drop(row.key_id)


def cancel_deletion(work: Work, operation: CancelKeyDeletion) -> None:
    """Bring a key back: enabled, or waiting for material where it has none."""
    row = work.key(operation.key)
    has_material = row.primary_version is not None
    state = after(work.request.action, KeyState(row.state)) if has_material else KeyState.PENDING_IMPORT
    keys.set_state(work.db, row.key_id, state)


def set_protection(work: Work, operation: SetDeletionProtection) -> None:
    """Turn deletion protection of a key or an instance on or off."""
    if (operation.key is None) == (operation.instance is None):
        raise invalid("KeyId", "exactly one of KeyId and KmsInstanceId is given")
    if operation.key is not None:
        key = work.key(operation.key)
        reason = _reason(operation, key.protection_reason)
        keys.protect(work.db, key.key_id, enable=operation.enable, reason=reason)
    else:
        require_own_account(work.request, work.core.identity.account)
        row = find_instance(work.db, operation.instance)
        instances.protect(work.db, row.instance_id, enable=operation.enable)
        details = json.loads(row.details)
        details["protection_reason"] = _reason(operation, details.get("protection_reason", ""))
        instances.set_details(work.db, row.instance_id, details)


def _reason(operation: SetDeletionProtection, before: str) -> str:
    """Return why the object is protected; that goes when the protection does."""
    if not operation.enable:
        return ""
    return before if operation.description is None else operation.description


def describe(work: Work, operation: UpdateKeyDescription) -> None:
    """Set a key's description."""
    keys.describe(work.db, work.key(operation.key).key_id, operation.description)


def set_policy(work: Work, operation: SetKeyPolicy) -> None:
    """Set a key's policy; None puts the default one back."""
    key = work.key(operation.key)
    require_owner_kept(work.request, operation.policy, work.core.identity.account)
    keys.set_policy(work.db, key.key_id, policy_text(operation.policy))


def policy_text(policy: object) -> str | None:
    """Return a policy as the keystore keeps it."""
    return None if policy is None else json.dumps(policy, separators=(",", ":"))


def set_rotation(work: Work, operation: UpdateRotationPolicy) -> None:
    """Turn automatic rotation on or off; what thereby becomes due is rotated right after."""
    row = work.key(operation.key)
    due = None
    if operation.rotation is not None:
        home = instances.load(work.db, row.instance_id)
        key_type = KeyType(home.type) if home else KeyType.SERVICE_KEY
        require_rotation(key_type, KeySpec(row.spec), Origin(row.origin), row.storage_mechanism)
        due = moment.later(row.last_rotation_date or row.creation_date, operation.rotation)
    keys.set_rotation(work.db, row.key_id, operation.rotation, due)


def require_rotation(key_type: KeyType, spec: KeySpec, origin: Origin, mechanism: str | None) -> None:
    """Check that such a key can rotate.

    Raises:
        KmsError: it cannot, and why.
    """
    refusal = rotation_refusal(key_type, spec, origin, KeyStorageMechanism(mechanism) if mechanism else None)
    if refusal:
        raise KmsError("UnsupportedOperation", f"Automatic rotation is not supported: {refusal}.")
