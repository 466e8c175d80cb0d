"""What Terraform's alicloud provider writes into its state: its own reading of the API, rebuilt from its source.

The provider is a plugin of another language that has to be downloaded when it runs; its `Read` functions for keys,
aliases and instances are short, and copy the answers of the API field by field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.clients import ApiClient

PROVIDER = 'provider["registry.terraform.io/aliyun/alicloud"]'
_KEY = {
    "arn": "Arn",
    "automatic_rotation": "AutomaticRotation",
    "creation_date": "CreationDate",
    "creator": "Creator",
    "delete_date": "DeleteDate",
    "deletion_protection": "DeletionProtection",
    "deletion_protection_description": "DeletionProtectionDescription",
    "description": "Description",
    "dkms_instance_id": "DKMSInstanceId",
    "key_spec": "KeySpec",
    "key_state": "KeyState",
    "key_usage": "KeyUsage",
    "last_rotation_date": "LastRotationDate",
    "material_expire_time": "MaterialExpireTime",
    "next_rotation_date": "NextRotationDate",
    "origin": "Origin",
    "primary_key_version": "PrimaryKeyVersion",
    "protection_level": "ProtectionLevel",
    "rotation_interval": "RotationInterval",
    "status": "KeyState",
}
_INSTANCE = {
    "create_time": "CreateTime",
    "instance_name": "InstanceName",
    "key_num": "KeyNum",
    "log": "Log",
    "log_storage": "LogStorage",
    "secret_num": "SecretNum",
    "spec": "Spec",
    "status": "Status",
    "vpc_id": "VpcId",
    "vpc_num": "VpcNum",
    "vswitch_ids": "VswitchIds",
    "zone_ids": "ZoneIds",
}


def key(api: ApiClient, identity: str, **configured: Any) -> dict[str, Any]:
    """The attributes of `alicloud_kms_key`; `configured` are those that no KMS tells, as the user wrote them."""
    told = api.metadata(identity)
    tags = api("ListTagResources", ResourceType="key", ResourceIds=[identity]).get("TagResources", {})
    attributes = {name: told.get(field) for name, field in _KEY.items()}
    return {
        "id": identity,
        **attributes,
        "is_enabled": told["KeyState"] == "Enabled",
        "policy": api("GetKeyPolicy", KeyId=identity, PolicyName="default")["Policy"],
        "tags": {one["TagKey"]: one["TagValue"] for one in tags.get("TagResource", [])},
        "deletion_window_in_days": None,
        "pending_window_in_days": None,
        "timeouts": None,
        **configured,
    }


def instance(api: ApiClient, identity: str, product_version: str) -> dict[str, Any]:
    """The attributes of `alicloud_kms_instance`; the version is what the user bought."""
    told = api("GetKmsInstance", KmsInstanceId=identity)["KmsInstance"]
    attributes = {name: told.get(field) for name, field in _INSTANCE.items()}
    return {"id": identity, **attributes, "product_version": product_version, "period": 1, "bind_vpcs": []}


def alias(name: str, target: str) -> dict[str, Any]:
    """The attributes of `alicloud_kms_alias`."""
    return {"id": name, "alias_name": name, "key_id": target}


def resource(type_: str, name: str, *instances: dict[str, Any], module: str | None = None) -> dict[str, Any]:
    """One block of the state; each instance has `attributes`, and `index_key` where the block has `for_each`."""
    usual = {"schema_version": 0, "sensitive_attributes": [], "private": "bnVsbA=="}
    found = {"mode": "managed", "type": type_, "name": name, "provider": PROVIDER}
    return {
        **({"module": module} if module else {}),
        **found,
        "instances": [{**usual, **one} for one in instances],
    }


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    """The file, version 4."""
    return {
        "version": 4,
        "terraform_version": "1.9.8",
        "serial": 7,
        "lineage": "5f0c2b9e-0d4e-7f0b-8c1d-3d8a7e5b9c10",
        "outputs": {},
        "resources": list(resources),
        "check_results": None,
    }


def shown(document: dict[str, Any]) -> dict[str, Any]:
    """What `terraform show -json` prints of it, as far as its modules are not nested."""
    modules: dict[str, list[dict[str, Any]]] = {"": []}
    for block in document["resources"]:
        for one in block["instances"]:
            index = {"index": one["index_key"]} if "index_key" in one else {}
            modules.setdefault(block.get("module", ""), []).append(
                {
                    "mode": block["mode"],
                    "type": block["type"],
                    "name": block["name"],
                    **index,
                    "provider_name": "registry.terraform.io/aliyun/alicloud",
                    "schema_version": 0,
                    "values": one["attributes"],
                    "sensitive_values": {},
                }
            )
    children = [{"address": module, "resources": found} for module, found in modules.items() if module]
    root = {"resources": modules[""], "child_modules": children}
    return {"format_version": "1.0", "terraform_version": "1.9.8", "values": {"root_module": root}}
