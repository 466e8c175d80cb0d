"""Instances: made, resized, named, put into networks."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kmsplan.engine.action import external
from kmsplan.engine.action.work import find_instance
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import tag as tags
from kmsplan.engine.keystore.instance import CONNECTED, InstanceRow
from kmsplan.engine.parameter import invalid
from kmsplan.engine.protection.protocol import ProtectionUnavailableError
from kmsplan.kms.capability import VPC_QUOTA
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import instance_id
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.action.work import Work
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.kms.operation import (
        ConnectKmsInstance,
        CreateInstance,
        ModifyInstance,
        UpdateKmsInstance,
        UpdateKmsInstanceBindVpc,
    )


@contextmanager
def connected(core: Core, request: Request, operation: CreateInstance) -> Iterator[InstanceRow]:
    """Choose an id and find out that a hardware instance's token works, and an external one's proxy.

    Raises:
        KmsError: the type is not offered, or what is behind the instance does not answer.
    """
    row = _row(operation, instance_id(core.world.entropy(21)))
    request.resource = row.instance_id
    if row.type == KeyType.HARDWARE:
        try:
            core.protection(row).specs()
        except ProtectionUnavailableError as error:
            raise KmsError("Rejected.Unavailable", f"The HSM is not available: {error}") from error
    if row.type == KeyType.EXTERNAL:
        external.require_health(core, request, row)
    yield row


def _row(operation: CreateInstance, new_id: str) -> InstanceRow:
    hsm = operation.hsm or {}
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
        proxy=external.proxy_text(operation.type, operation.proxy),
    )


def create(work: Work, operation: CreateInstance) -> str:
    """Add an instance; it is connected at once."""
    row: InstanceRow = work.made
    instances.insert(work.db, row, work.now)
    tags.put(work.db, row.instance_id, operation.tags)
    return row.instance_id


@contextmanager
def moved(core: Core, request: Request, operation: ModifyInstance) -> Iterator[None]:
    """Find out, where a proxy is said to be elsewhere, that it is there.

    Raises:
        KmsError: the instance has none, or it does not answer.
    """
    if operation.proxy is not None:
        with core.store.look() as db:
            row = find_instance(db, operation.instance)
        external.require_health(core, request, row._replace(proxy=external.proxy_text(row.type, operation.proxy)))
    yield


def modify(work: Work, operation: ModifyInstance) -> None:
    """Resize an instance, not below what is in it, or note where its proxy is now."""
    row = find_instance(work.db, operation.instance)
    quota = row.key_quota if operation.key_quota is None else operation.key_quota
    if quota < row.versions:
        raise invalid("KeyNum", f"{row.instance_id} holds {row.versions} key versions, and {quota} are fewer")
    instances.resize(work.db, row.instance_id, row.spec if operation.spec is None else operation.spec, quota)
    if operation.proxy is not None:
        instances.redirect(work.db, row.instance_id, external.proxy_text(row.type, operation.proxy))
        work.core.targets.clear()
        work.core.handles.clear()


def connect(work: Work, operation: ConnectKmsInstance) -> None:
    """Put a software instance into its network, once; a repeat is no error. It was connected from the start.

    Raises:
        KmsError: it is another type's, or it is in another network already.
    """
    row = find_instance(work.db, operation.instance)
    if row.type != KeyType.SOFTWARE:
        raise KmsError(
            "UnsupportedOperation", f"{row.instance_id} is a {row.type} instance; only software ones connect."
        )
    network = {
        "vpc_id": operation.vpc,
        "vswitch_ids": list(operation.switches),
        "zone_ids": list(operation.zones),
    }
    details = json.loads(row.details)
    if details.get("vpc_id") and any(details.get(name) != value for name, value in network.items()):
        raise KmsError(
            "UnsupportedOperation",
            f"{row.instance_id} is in {details['vpc_id']} already, and an instance never changes its network. "
            "UpdateKmsInstanceBindVpc lets further ones reach it.",
        )
    instances.set_details(work.db, row.instance_id, {**details, **network})


def bind(work: Work, operation: UpdateKmsInstanceBindVpc) -> None:
    """Replace the list of further networks that may reach an instance; they are in the same region."""
    row, region = find_instance(work.db, operation.instance), work.core.identity.region
    foreign = next((vpc for vpc in operation.vpcs if vpc["RegionId"] != region), None)
    if foreign is not None:
        raise invalid("BindVpcs", f"{foreign['VpcId']} is in {foreign['RegionId']}, and {row.instance_id} in {region}")
    if len(operation.vpcs) > VPC_QUOTA:
        raise KmsError("Rejected.LimitExceeded", f"At most {VPC_QUOTA} VPCs reach an instance.")
    _change(work, row, bind_vpcs=[dict(vpc) for vpc in operation.vpcs])


def rename(work: Work, operation: UpdateKmsInstance) -> None:
    """Name an instance."""
    _change(work, find_instance(work.db, operation.instance), name=operation.name)


def _change(work: Work, row: InstanceRow, **changed: Any) -> None:
    instances.set_details(work.db, row.instance_id, {**json.loads(row.details), **changed})
