"""What the engine does by itself, when somebody lets it: due rotations, expiries and deletions.

Everything that is due is found in the database and done in transactions that check again that it is due, so that it
may be interrupted anywhere and repeated at will.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine import expiring, hardware, moment, rotation
from kmsplan.engine.access.nonce import forget_old
from kmsplan.engine.audit import OK
from kmsplan.engine.error import KeystoreError
from kmsplan.engine.execution import refused, require_unsealed, result_of
from kmsplan.engine.hsm.attachment import left_in_hsm
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.overdue import each_overdue
from kmsplan.engine.quota import require_room
from kmsplan.kms.capability import KeyStorageMechanism
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import key_version_id
from kmsplan.kms.spec import KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.keystore.version import VersionRow

_NEVER: Final = "~"
"""Later than every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What was due and is done now."""

    rotated: tuple[str, ...] = ()
    """Keys with a new primary version."""
    deleted: tuple[str, ...] = ()
    """Keys that are gone for ever."""
    expired: tuple[str, ...] = ()
    """Keys whose imported material is gone; they wait for it again."""
    postponed: Mapping[str, str] = field(default_factory=dict)
    """By key, why something due could not be done; the next tick tries again."""


def tick(core: Core) -> Ticked:
    """Finish what was interrupted, delete and rotate what is due. A sealed engine does nothing by itself."""
    if not is_awake(core):
        return Ticked()
    unopened = _renew(core)
    forget_old(core)
    deleted = _delete_due(core)
    expired = expiring.expire_due(core)
    postponed = {**expiring.clean_tokens(core), **hardware.settle(core)}
    rotated, waiting = rotate_due(core)
    return Ticked(rotated=rotated, deleted=deleted, expired=expired, postponed={**unopened, **postponed, **waiting})


def is_awake(core: Core) -> bool:
    """Return whether the engine is open, as its database has it now: this process may have served nobody since.

    Raises:
        SealingError: it is open, and not to the seal that this process was given.
    """
    with core.store.look() as db:
        sealed = setting.load(db, setting.SEALED) is not None
    if sealed:
        core.seal()
        return False
    try:
        core.opened()
    except KmsError:
        return False
    return True


def _renew(core: Core) -> Mapping[str, str]:
    try:
        return rotation.advance(core)
    except KmsError:  # another process has sealed the engine meanwhile; what is left is done when it is open again
        return {}


def _delete_due(core: Core) -> tuple[str, ...]:
    now = core.now()
    with core.store.read() as db:
        due = keys.due_for_deletion(db, now)

    def is_due(row: KeyRow) -> bool:
        return row.state == KeyState.PENDING_DELETION and (row.delete_date or _NEVER) <= now

    return each_overdue(core, due, "DeleteKey", is_due, _delete)


def _delete(db: Connection, row: KeyRow) -> dict[str, Any]:
    """Destroy wrapped material now; HSM material is destroyed last, by `hardware.settle`. Return what stays there."""
    stays: list[bytes] = []
    if row.storage_mechanism == KeyStorageMechanism.HSM_INTERNAL:
        stays = versions.condemn_all(db, row.key_id)
    else:
        versions.destroy_all(db, row.key_id)
    keys.remove(db, row.key_id)
    return left_in_hsm(stays)


def rotate_due(core: Core, only: str | None = None) -> tuple[tuple[str, ...], dict[str, str]]:
    """Give every key whose rotation is due a new primary version; the old ones still decrypt.

    Args:
        core: the engine.
        only: look at this key alone.

    Returns:
        The keys rotated, and by key why another could not be.
    """
    if core.keyring is None:
        return (), {}
    with core.store.read() as db:
        due = keys.due_for_rotation(db, core.now(), only)
    rotated: list[str] = []
    postponed: dict[str, str] = {}
    for key_id in due:
        try:
            if _rotate(core, key_id):
                rotated.append(key_id)
        except KeystoreError:
            raise
        except Exception as error:  # noqa: BLE001 - also what is wrong with PIN and configuration: the others can go on
            postponed[key_id] = str(error)
    if only is None:
        core.put_off = {key_id: result for key_id, result in core.put_off.items() if key_id in postponed}
    return tuple(rotated), postponed


def _rotate(core: Core, key_id: str) -> bool:
    """Rotate one key; False where it is not due any more."""
    from kmsplan.engine import material  # noqa: PLC0415 - nothing is due at most starts

    request = core.scheduled("RotateKey", key_id)
    with core.store.read() as db:
        row = keys.load(db, key_id)
        instance = instances.load(db, row.instance_id) if row else None
    if row is None or instance is None:
        return False
    with _audited_once(core, request, key_id):
        design = material.Design(
            key_id=key_id,
            spec=KeySpec(row.spec),
            usage=KeyUsage(row.usage),
            instance=instance,
            mechanism=row.storage_mechanism,
        )
        version = material.kept_version(core, design, key_version_id(key_id, core.world.entropy(10)))
        return core.store.write(lambda transaction: _promote(core, transaction, request, version))


@contextmanager
def _audited_once(core: Core, request: Request, key_id: str) -> Iterator[None]:
    """Audit a rotation that fails, unless the last try has failed alike.

    It is tried again each minute for as long as its instance is full or its HSM away, and the trail never shrinks.
    """
    try:
        yield
    except KeystoreError:
        raise  # nothing can be written now
    except Exception as error:
        if core.put_off.get(key_id) != result_of(error):
            refused(core, request, error).wait()
            core.put_off[key_id] = result_of(error)
        raise


def _promote(core: Core, transaction: Transaction, request: Request, version: VersionRow) -> bool:
    """Make a new version the primary one, if the key is still due for it."""
    require_unsealed(core, transaction)
    db = transaction.db
    row = keys.load(db, version.key_id)
    if row is None or row.state != KeyState.ENABLED or (row.next_rotation_date or _NEVER) > request.time:
        return False
    require_room(db, row.instance_id)
    versions.insert(db, version)
    due = moment.later(version.created, row.rotation or 0)
    keys.rotated(db, row.key_id, version.version_id, version.created, due)
    transaction.entries.append(request.entry(OK))
    return True
