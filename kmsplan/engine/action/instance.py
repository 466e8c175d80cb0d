"""Instances."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kmsplan.engine.action.work import find_instance
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import tag as tags
from kmsplan.engine.keystore.instance import CONNECTED, InstanceRow
from kmsplan.engine.parameter import invalid
from kmsplan.engine.protection.protocol import ProtectionUnavailableError
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import instance_id
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.action.work import Work
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.kms.operation import CreateInstance, ModifyInstance, ReleaseKmsInstance


@contextmanager
def connected(core: Core, request: Request, operation: CreateInstance) -> Iterator[InstanceRow]:
    """Choose an id and, for a hardware instance, find out that its token works.

    Raises:
        KmsError: the type is not offered, or the token does not answer.
    """
    row = _row(operation, instance_id(core.world.entropy(21)))
    request.resource = row.instance_id
    if row.type == KeyType.HARDWARE:
        try:
            core.protection(row).specs()
        except ProtectionUnavailableError as error:
            raise KmsError("Rejected.Unavailable", f"The HSM is not available: {error}") from error
    yield row


def _row(operation: CreateInstance, new_id: str) -> InstanceRow:
    hsm = operation.hsm or {}
    if operation.type == KeyType.EXTERNAL:
        raise KmsError(
            "UnsupportedOperation",
            "The embedded engine does not offer external instances yet. Use a software or a hardware instance.",
        )
    if (operation.type == KeyType.HARDWARE) != bool(hsm):
        raise invalid("Hsm", "a hardware instance needs a PKCS#11 module and a token, and no other instance has them")
    return InstanceRow(
        instance_id=new_id,
        type=operation.type,
        spec=operation.spec,
        key_quota=operation.key_quota,
        module=hsm.get("module"),
        token=hsm.get("token"),
        deletion_protection=0,
        status=CONNECTED,
        versions=0,
    )


def create(work: Work, operation: CreateInstance) -> str:
    """Add an instance; it is connected at once."""
    row: InstanceRow = work.made
    instances.insert(work.db, row, work.now)
    tags.put(work.db, row.instance_id, operation.tags)
    return row.instance_id


def modify(work: Work, operation: ModifyInstance) -> None:
    """Resize an instance; not below what is in it."""
    row = find_instance(work.db, operation.instance)
    quota = row.key_quota if operation.key_quota is None else operation.key_quota
    if quota < row.versions:
        raise invalid("KeyNum", f"{row.instance_id} holds {row.versions} key versions, and {quota} are fewer")
    instances.resize(work.db, row.instance_id, row.spec if operation.spec is None else operation.spec, quota)


def release(work: Work, operation: ReleaseKmsInstance) -> None:
    """Release an instance. The cloud destroys every key in it at once; this engine wants it empty."""
    row = find_instance(work.db, operation.instance)
    if row.deletion_protection:
        raise KmsError(
            "Forbidden.DeletionProtected",
            f"Deletion protection of {row.instance_id} is enabled. Turn it off first (SetDeletionProtection).",
        )
    inside = instances.keys_inside(work.db, row.instance_id)
    if inside or row.versions:
        raise KmsError(
            "Rejected.InstanceNotEmpty",
            f"The KMS instance {row.instance_id} still holds {inside} keys, those pending deletion included, and "
            f"{row.versions} key versions. Schedule the deletion of its keys, and release it once they are gone.",
        )
    instances.remove(work.db, row.instance_id)
