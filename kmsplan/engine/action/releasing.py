"""ReleaseKmsInstance: the most dangerous action, for it destroys every key of an instance at once.

The cloud does so whatever the instance holds. Here an instance that holds keys stays, unless it is said in so many
words that they go too; and it stays while one of them is protected.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kmsplan.engine import expiring, hardware
from kmsplan.engine.action.work import find_instance
from kmsplan.engine.audit import OK
from kmsplan.engine.hsm.attachment import left_in_hsm
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import token as tokens
from kmsplan.engine.keystore import version as versions
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyType
from kmsplan.kms.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.action.work import Work
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.kms.operation import ReleaseKmsInstance


@contextmanager
def emptied(core: Core, request: Request, operation: ReleaseKmsInstance) -> Iterator[None]:
    """Destroy the keys of an instance, where that is asked for: in the database, then in the HSM.

    It is a transaction of its own, because the HSM destroys what is committed as gone, and the instance is the way to
    that HSM. Interrupted in between, the same call goes on where it stopped.

    Raises:
        KmsError: the instance or one of its keys is protected, or the HSM does not answer.
    """
    if operation.force:
        name = str(operation.instance)
        for key_id in core.store.write(lambda transaction: _destroy(core, transaction, request, name)):
            core.handles.drop(key_id)
        core.targets.clear()
        failed = hardware.settle(core)
        waiting = _waiting(core, name)
        if waiting:
            reason = next(iter(failed.values()), "the next tick tries again")
            raise KmsError(
                "Rejected.Unavailable",
                f"The keys of {name} are destroyed, but {waiting} of their versions are in the HSM still: {reason}. "
                "Release the instance again when it answers.",
            )
    _destroy_wrapping_keys(core, str(operation.instance))
    yield


def _destroy(core: Core, transaction: Transaction, request: Request, name: str) -> list[str]:
    """Destroy every key of an instance; return their ids."""
    db = transaction.db
    row = _unprotected(db, name)
    inside = keys.of_instance(db, row.instance_id)
    protected = [key_id for key_id, is_protected in inside if is_protected]
    if protected:
        raise KmsError(
            "Forbidden.DeletionProtected",
            f"Deletion protection of {counted(len(protected), 'key')} in {name} is enabled: "
            f"{protected[0]}{' and others' if len(protected) > 1 else ''}. Turn it off first (SetDeletionProtection).",
        )
    stays: dict[str, list[bytes]] = {}
    if row.type == KeyType.HARDWARE:
        stays = versions.condemn_instance(db, row.instance_id)
    else:
        versions.destroy_instance(db, row.instance_id)
    keys.remove_instance(db, row.instance_id)
    for key_id, _ in inside:
        destroyed = core.request(request.caller, "DeleteKey", key_id)
        destroyed.request_id = request.request_id
        destroyed.parameters = left_in_hsm(stays.get(key_id, ()))
        transaction.entries.append(destroyed.entry(OK))
    return [key_id for key_id, _ in inside]


def _destroy_wrapping_keys(core: Core, name: str) -> None:
    """Destroy what an instance without keys still has in its HSM for imports: nobody knows the way there later.

    Raises:
        KmsError: the HSM does not answer.
    """
    with core.store.read() as db:
        if instances.keys_inside(db, name) or not tokens.in_hsm(db, name):
            return  # keys keep the instance, and what is theirs
    core.store.write(lambda transaction: tokens.expire_all(transaction.db, name, core.now()))
    failed = expiring.clean_tokens(core)
    with core.store.read() as db:
        waiting = tokens.in_hsm(db, name)
    if waiting:
        reason = next(iter(failed.values()), "the next tick tries again")
        raise KmsError(
            "Rejected.Unavailable",
            f"{name} holds no keys any more, but {counted(waiting, 'wrapping key')} for their imports in the HSM: "
            f"{reason}. Release the instance again when it answers.",
        )


def _waiting(core: Core, name: str) -> int:
    with core.store.read() as db:
        row = instances.load(db, name)
    return row.versions if row else 0


def release(work: Work, operation: ReleaseKmsInstance) -> None:
    """Release an instance that is empty by now."""
    row = _unprotected(work.db, str(operation.instance))
    inside = instances.keys_inside(work.db, row.instance_id)
    if inside or row.versions:
        raise KmsError(
            "Rejected.InstanceNotEmpty",
            f"The KMS instance {row.instance_id} still holds {counted(inside, 'key')}, those pending deletion "
            f"included, and {counted(row.versions, 'key version')}. Schedule the deletion of its keys, and release it "
            "once they are gone. Or destroy them all at once and for ever: ForceDeleteWithoutBackup.",
        )
    instances.remove(work.db, row.instance_id)


def _unprotected(db: Connection, name: str) -> InstanceRow:
    row = find_instance(db, name)
    if row.deletion_protection:
        raise KmsError(
            "Forbidden.DeletionProtected",
            f"Deletion protection of {row.instance_id} is enabled. Turn it off first (SetDeletionProtection).",
        )
    return row
