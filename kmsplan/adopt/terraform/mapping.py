"""Terraform's alicloud provider and the API: its attributes are the fields of the API's answers, under other names.

From the provider's schemas of alicloud_kms_key, alicloud_kms_alias and alicloud_kms_instance (1.85 to 1.250). An
attribute that is in no table, as a later provider may have it, is named as not taken over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NETWORK: Final = "how the instance is reached stays as it is; kmsplan does not manage networks"
_PURCHASE: Final = "what was bought, and how it is paid, stays as it is"


_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {"Spec": (int, str), "KeyNum": (int, str), "Tags": dict}
"""By field: what it is, where it is no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One resource type of the provider."""

    kind: str
    fields: Mapping[str, str]
    """Attribute -> field of the API's answer. Of two attributes for one field, the first that is told counts."""
    needed: tuple[str, ...]
    """Fields without which the object cannot be declared; the first is its identity."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Attribute, a number of days -> duration of kmsplan's that no KMS knows."""
    known: frozenset[str] = frozenset()
    """Attributes that say nothing more: other words for a field, or what the KMS decides."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Attribute -> why it is not taken over."""

    @property
    def identity(self) -> str:
        """The field that tells which object it is."""
        return self.needed[0]

    def written(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes that no KMS knows, as they are written."""
        days = {name: values[attribute] for attribute, name in self.settings.items() if values.get(attribute)}
        return {name: f"{number}d" for name, number in days.items()}

    def fault(self, row: Mapping[str, Any]) -> str | None:
        """Return why an object with these fields cannot be declared, or None where it can."""
        missing = [name for name in self.needed if name not in row]
        if missing:
            names = " and ".join(self._attribute(name) for name in missing)
            return f"the state does not tell its {names}: terraform apply -refresh-only writes them"
        wrong = [name for name, value in row.items() if not isinstance(value, _TYPES.get(name, str))]
        return f"the state is damaged at its {self._attribute(wrong[0])}" if wrong else None

    def _attribute(self, field_: str) -> str:
        return next(attribute for attribute, name in self.fields.items() if name == field_)

    def row(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that are told, as the API would tell them."""
        row: dict[str, Any] = {}
        for attribute, name in self.fields.items():
            value = values.get(attribute)
            if value not in (None, "") and name not in row:
                row[name] = value
        return row

    def dropped(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the attributes that say something and are not taken over, each with the reason."""
        taken = {*self.fields, *self.settings, *self.known}
        for attribute, value in values.items():
            if attribute not in taken and value not in (None, "", [], {}, 0, False):
                yield attribute, self.kept.get(attribute, "kmsplan knows no such attribute")


RESOURCES: Final[Mapping[str, ResourceType]] = MappingProxyType(
    {
        "alicloud_kms_key": ResourceType(
            kind="key",
            fields={
                "id": "KeyId",
                "dkms_instance_id": "DKMSInstanceId",
                "key_spec": "KeySpec",
                "key_usage": "KeyUsage",
                "origin": "Origin",
                "description": "Description",
                "status": "KeyState",
                "key_state": "KeyState",
                "automatic_rotation": "AutomaticRotation",
                "rotation_interval": "RotationInterval",
                "policy": "Policy",
                "deletion_protection": "DeletionProtection",
                "protection_level": "ProtectionLevel",
                "material_expire_time": "MaterialExpireTime",
                "arn": "Arn",
                "creator": "Creator",
                "delete_date": "DeleteDate",
                "tags": "Tags",
            },
            needed=("KeyId", "KeySpec", "KeyUsage", "Origin", "KeyState"),
            settings={"pending_window_in_days": "deletion_window", "deletion_window_in_days": "deletion_window"},
            known=frozenset(
                {"creation_date", "is_enabled", "last_rotation_date", "next_rotation_date", "primary_key_version"}
            ),
            kept={
                "deletion_protection_description": "kmsplan sets none; the one that is there stays",
                "timeouts": "kmsplan waits as long as the KMS needs",
            },
        ),
        "alicloud_kms_alias": ResourceType(
            kind="alias",
            fields={"alias_name": "AliasName", "id": "AliasName", "key_id": "KeyId"},
            needed=("AliasName", "KeyId"),
            kept={"timeouts": "kmsplan waits as long as the KMS needs"},
        ),
        "alicloud_kms_instance": ResourceType(
            kind="instance",
            fields={
                "id": "InstanceId",
                "product_version": "ProductVersion",
                "spec": "Spec",
                "key_num": "KeyNum",
                "status": "Status",
                "tags": "Tags",
            },
            needed=("InstanceId",),
            known=frozenset({"ca_certificate_chain_pem", "create_time", "end_date", "instance_id"}),
            kept={
                "vpc_id": _NETWORK,
                "vswitch_ids": _NETWORK,
                "zone_ids": _NETWORK,
                "bind_vpcs": _NETWORK,
                "vpc_num": _PURCHASE,
                "secret_num": _PURCHASE,
                "payment_type": _PURCHASE,
                "period": _PURCHASE,
                "renew_period": _PURCHASE,
                "renewal_period_unit": _PURCHASE,
                "renew_status": _PURCHASE,
                "log": _PURCHASE,
                "log_storage": _PURCHASE,
                "instance_name": "kmsplan calls an instance by its address",
                "force_delete_without_backup": "kmsplan releases no instance that holds keys",
                "timeouts": "kmsplan waits as long as the KMS needs",
            },
        ),
    }
)

OTHERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alicloud_kms_secret": "secrets are not keys: they stay with Terraform",
        "alicloud_kms_ciphertext": "a ciphertext is data, not a key: it stays with Terraform",
        "alicloud_kms_key_version": "versions are made by the key's `rotation`; those that it has, it keeps",
        "alicloud_kms_value_added_service": "kmsplan buys nothing: it stays with Terraform",
        "alicloud_kms_application_access_point": "who reaches the KMS stays with Terraform",
        "alicloud_kms_client_key": "who reaches the KMS stays with Terraform",
        "alicloud_kms_network_rule": "who reaches the KMS stays with Terraform",
        "alicloud_kms_policy": "who reaches the KMS stays with Terraform",
    }
)
"""The provider's other resources of the KMS, and why they are left out."""
PREFIX: Final = "alicloud_kms_"
"""Of all of them."""
