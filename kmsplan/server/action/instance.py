"""Actions on instances and on the service itself (API reference, "Instances")."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.reading.instance import SIZE
from kmsplan.kms import operation as op
from kmsplan.server.action.key import changing, page
from kmsplan.server.action.row import Managing
from kmsplan.server.parameters import PAGE, Parameter, filters, flag, json_object, names, number, objects, tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.service import Engine
    from kmsplan.server.action.row import Shape, Values

_INSTANCE: Final = Parameter("KmsInstanceId", required=True)


def _list_instances(engine: Engine, values: Values) -> Shape:
    found = engine.list_instances(values.get("Filters", ()), *page(values, SIZE))
    rows = [{"KmsInstanceArn": item.arn, "KmsInstanceId": item.instance_id} for item in found.items]
    return {
        "KmsInstances": {"KmsInstance": rows},
        "PageNumber": found.page,
        "PageSize": found.size,
        "TotalCount": found.total,
    }


def _get_instance(engine: Engine, values: Values) -> Shape:
    """Show an instance; what is bought, logged or certified in the cloud is empty here."""
    view = engine.describe_instance(values["KmsInstanceId"])
    shape: dict[str, Any] = {
        "BindVpcs": {"BindVpc": [{**vpc, "VpcOwnerId": str(vpc["VpcOwnerId"])} for vpc in view.bind_vpcs]},
        "CaCertificateChainPem": "",
        "ChargeType": "POSTPAY",
        "CreateTime": view.created,
        "DeletionProtection": view.deletion_protection,
        "DeletionProtectionDescription": view.protection_reason,
        "EndDate": "",
        "InstanceId": view.instance_id,
        "InstanceName": view.name,
        "KeyNum": view.key_quota,
        "Log": 0,
        "LogStorage": 0,
        "ProductType": "kms_ppi_public_cn",
        "ProductVersion": view.product_version,
        "SaleStatus": "Normal",
        "SecretNum": "0",
        "Spec": view.spec,
        "StartDate": view.created,
        "Status": view.status,
        "VpcId": view.vpc_id,
        "VpcNum": view.vpc_quota,
        "VswitchIds": list(view.vswitch_ids),
        "ZoneIds": list(view.zone_ids),
        # Our own, for plans: the cloud does not tell.
        "InstanceType": view.type,
    }
    if view.hsm is not None:
        shape["Hsm"] = dict(view.hsm)
    if view.proxy is not None:
        shape["Proxy"] = dict(view.proxy)
    return {"KmsInstance": shape}


def _create_instance(engine: Engine, values: Values) -> Shape:
    """Make an instance. The cloud sells them through another API; this action is our own."""
    made = engine.execute(
        op.CreateInstance(
            type=values["ProductType"],
            spec=values["Spec"],
            key_quota=values["KeyNum"],
            hsm=values.get("Hsm"),
            proxy=values.get("Proxy"),
            tags=values.get("Tags", {}),
        )
    )
    return {"KmsInstance": {"InstanceId": made}}


def _quotas(engine: Engine, values: Values) -> Shape:
    instance = values.get("KmsInstanceId")
    found = engine.instance_quotas(instance, values.get("ResourceType"))
    return {
        "KmsInstanceId": instance or "",
        "KmsInstanceQuotaInfos": [
            {"ResourceQuota": quota.quota, "ResourceType": quota.resource_type, "UsedQuantity": quota.used}
            for quota in found
        ],
    }


def _default_instance(engine: Engine, values: Values) -> Shape:
    del values
    return {"DefaultKmsInstanceId": engine.default_instance()}


def _account_status(engine: Engine, values: Values) -> Shape:
    del values
    return {"AccountStatus": engine.account_status()}


def _open_service(engine: Engine, values: Values) -> Shape:
    del values
    engine.open_service()
    return {}


def _regions(engine: Engine, values: Values) -> Shape:
    del values
    return {"Regions": {"Region": [{"RegionId": region} for region in engine.regions()]}}


ROWS: Final[Mapping[str, Managing]] = MappingProxyType(
    {
        "ListKmsInstances": Managing((Parameter("Filters", filters), *PAGE), _list_instances),
        "GetKmsInstance": Managing((_INSTANCE,), _get_instance),
        "GetDefaultKmsInstance": Managing((), _default_instance),
        "GetKmsInstanceQuotaInfos": Managing((Parameter("KmsInstanceId"), Parameter("ResourceType")), _quotas),
        "ConnectKmsInstance": changing(
            (
                _INSTANCE,
                Parameter("KMProvider", required=True),
                Parameter("VpcId", required=True),
                Parameter("VSwitchIds", names, required=True),
                Parameter("ZoneIds", names, required=True),
            ),
            lambda values: op.ConnectKmsInstance(
                instance=values["KmsInstanceId"],
                provider=values["KMProvider"],
                vpc=values["VpcId"],
                switches=values["VSwitchIds"],
                zones=values["ZoneIds"],
            ),
        ),
        "UpdateKmsInstanceBindVpc": changing(
            (_INSTANCE, Parameter("BindVpcs", objects, required=True)),
            lambda values: op.UpdateKmsInstanceBindVpc(instance=values["KmsInstanceId"], vpcs=values["BindVpcs"]),
        ),
        "UpdateKmsInstance": changing(
            (_INSTANCE, Parameter("InstanceName", required=True)),
            lambda values: op.UpdateKmsInstance(instance=values["KmsInstanceId"], name=values["InstanceName"]),
        ),
        "ReleaseKmsInstance": changing(
            (_INSTANCE, Parameter("ForceDeleteWithoutBackup", flag)),
            lambda values: op.ReleaseKmsInstance(
                instance=values["KmsInstanceId"], force=values.get("ForceDeleteWithoutBackup")
            ),
        ),
        "CreateKmsInstance": Managing(
            (
                Parameter("ProductType", required=True),
                Parameter("Spec", number, required=True),
                Parameter("KeyNum", number, required=True),
                Parameter("Hsm", json_object),
                Parameter("Proxy", json_object),
                Parameter("Tags", tags),
            ),
            _create_instance,
        ),
        "ModifyKmsInstance": changing(
            (_INSTANCE, Parameter("Spec", number), Parameter("KeyNum", number), Parameter("Proxy", json_object)),
            lambda values: op.ModifyInstance(
                instance=values["KmsInstanceId"],
                spec=values.get("Spec"),
                key_quota=values.get("KeyNum"),
                proxy=values.get("Proxy"),
            ),
        ),
        "DescribeRegions": Managing((), _regions),
        "DescribeAccountKmsStatus": Managing((), _account_status),
        "OpenKmsService": Managing((), _open_service),
    }
)
