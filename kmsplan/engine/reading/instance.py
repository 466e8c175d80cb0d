"""Instances, and the account that they belong to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore.instance import HIDDEN
from kmsplan.engine.parameter import invalid
from kmsplan.engine.reading import filtering
from kmsplan.engine.reading.filtering import Condition
from kmsplan.engine.reading.paging import Selection, fetch, marks
from kmsplan.engine.reading.question import Question, asked
from kmsplan.engine.reading.view import InstanceRef, InstanceView, Page, QuotaView
from kmsplan.kms.capability import VPC_QUOTA
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.reading.view import Filter

SIZE: Final = 20
"""Instances on a page where nobody says how many."""
_VERSIONS: Final = {KeyType.SOFTWARE: "3", KeyType.HARDWARE: "5"}
QUOTAS: Final = ("key", "secret", "qps", "vpc")


def list_instances(
    core: Core, caller: Caller, filters: Sequence[Filter] = (), page: int = 1, size: int = SIZE
) -> Page[InstanceRef]:
    """List instances, in the order of their ids.

    Raises:
        KmsError: a filter or the page is not valid, or it is forbidden.
    """
    with asked(core, caller, "ListKmsInstances") as question:
        visible = Condition(f"i.instance_id NOT IN ({marks(HIDDEN)})", HIDDEN)
        wanted = filtering.joined([visible, *filtering.instance_conditions(filters)])
        selection = Selection("i.instance_id", f"instance AS i WHERE {wanted.sql}", "i.instance_id", wanted.parameters)
        rows, total = fetch(question.db, selection, page, size)
        items = tuple(InstanceRef(name, question.arn(f"keystore/{name}")) for (name,) in rows)
    return Page(items, page, size, total)


def describe_instance(core: Core, caller: Caller, instance_id: str) -> InstanceView:
    """Describe an instance.

    Raises:
        KmsError: there is none, or it is forbidden.
    """
    with asked(core, caller, "GetKmsInstance", instance_id) as question:
        row = _find(question, instance_id)
        created: str = question.db.execute(
            "SELECT created FROM instance WHERE instance_id = ?", (row.instance_id,)
        ).fetchone()[0]
    details = json.loads(row.details)
    return InstanceView(
        instance_id=row.instance_id,
        arn=question.arn(f"keystore/{row.instance_id}"),
        name=details.get("name", ""),
        type=row.type,
        product_version=_VERSIONS.get(KeyType(row.type), ""),
        status=row.status,
        spec=row.spec,
        key_quota=row.key_quota,
        versions=row.versions,
        vpc_quota=VPC_QUOTA,
        created=created,
        vpc_id=details.get("vpc_id", ""),
        vswitch_ids=tuple(details.get("vswitch_ids", ())),
        zone_ids=tuple(details.get("zone_ids", ())),
        bind_vpcs=tuple(details.get("bind_vpcs", ())),
        deletion_protection=row.deletion_protection == 1,
        protection_reason=details.get("protection_reason", ""),
        hsm={"module": row.module or "", "token": row.token or ""} if row.type == KeyType.HARDWARE else None,
        proxy=None if row.proxy is None else json.loads(row.proxy),
    )


def instance_quotas(
    core: Core, caller: Caller, instance_id: str | None, kind: str | None = None
) -> tuple[QuotaView, ...]:
    """Return what an instance may hold and holds: of one kind (key, secret, qps, vpc), or of each.

    Without an id it is what all instances may hold and hold together.

    Raises:
        KmsError: there is no such instance or kind, or it is forbidden.
    """
    with asked(core, caller, "GetKmsInstanceQuotaInfos", instance_id) as question:
        if kind is not None and kind not in QUOTAS:
            raise invalid("ResourceType", f"it is one of {', '.join(QUOTAS)}")
        rows = instances.visible(question.db) if instance_id is None else [_find(question, instance_id)]
    bound = sum(len(json.loads(row.details).get("bind_vpcs", ())) for row in rows)
    found = (
        QuotaView("key", sum(row.key_quota for row in rows), sum(row.versions for row in rows)),
        QuotaView("secret", 0, 0),  # the engine keeps no secrets
        QuotaView("qps", sum(row.spec for row in rows), 0),
        QuotaView("vpc", VPC_QUOTA * len(rows), bound),
    )
    return tuple(quota for quota in found if kind in (None, quota.resource_type))


def _find(question: Question, instance_id: str) -> InstanceRow:
    row = None if instance_id in HIDDEN else instances.load(question.db, instance_id)
    if row is None:
        raise KmsError("Forbidden.DKMSInstanceNotFound", f"The specified instance {instance_id!a} is not found.")
    return row


def default_instance(core: Core, caller: Caller) -> str:
    """Return the instance where keys go that name none: "", for they mean the default CMK here."""
    with asked(core, caller, "GetDefaultKmsInstance"):
        return ""


def account_status(core: Core, caller: Caller) -> str:
    """Return how the account stands with the service: an engine is open from its making on."""
    with asked(core, caller, "DescribeAccountKmsStatus"):
        return "Enabled"


def open_service(core: Core, caller: Caller) -> None:
    """Refuse to open the service a second time.

    Raises:
        KmsError: Forbidden.Opened.
    """
    with asked(core, caller, "OpenKmsService"):
        raise KmsError("Forbidden.Opened")


def regions(core: Core, caller: Caller) -> tuple[str, ...]:
    """Return the regions where there is a KMS: the engine's own."""
    with asked(core, caller, "DescribeRegions"):
        return (core.identity.region,)
