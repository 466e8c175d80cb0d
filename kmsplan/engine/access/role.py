"""What each role may do: one table of groups of actions, and one of roles.

The actions are all of the KMS API, also those that this engine does not offer, so that the answer to whoever may do
everything is "not offered" and to everybody else "not permitted". An action that stands nowhere is permitted to nobody.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Role(StrEnum):
    """What an access key may do."""

    ADMINISTRATOR = "administrator"
    """Everything."""
    USER = "user"
    """Use keys, and look them up."""
    AUDITOR = "auditor"
    """Read everything that is no secret; use nothing, change nothing."""
    SERVICE = "service"
    """A cloud service: encrypt data keys for its customers, and look keys up."""


class Group(StrEnum):
    """Actions that go together."""

    ENVELOPE = "envelope"
    """What server-side encryption needs."""
    CRYPTO = "crypto"
    LOOKUP = "lookup"
    """Facts about one key, and the key's public half: what somebody who uses keys needs to find them."""
    READ = "read"
    MANAGE = "manage"
    ACCOUNT = "account"
    """About the service itself; every client may ask."""
    SECRET = "secret"  # noqa: S105 - a group of actions
    """Of the secret manager, which is not offered; some of these answer with secrets."""


ACTIONS: Final[Mapping[Group, tuple[str, ...]]] = MappingProxyType(
    {
        Group.ENVELOPE: (
            "Decrypt",
            "Encrypt",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "ReEncrypt",
            "ReEncryptFrom",
            "ReEncryptTo",
        ),
        Group.CRYPTO: (
            "AsymmetricDecrypt",
            "AsymmetricEncrypt",
            "AsymmetricSign",
            "AsymmetricVerify",
            "ExportDataKey",
            "GenerateAndExportDataKey",
            "GenerateMac",
            "GetChallenge",
            "GetRandomPassword",
            "VerifyMac",
        ),
        Group.LOOKUP: (
            "DescribeKey",
            "DescribeKeyVersion",
            "GetPublicKey",
            "ListAliases",
            "ListAliasesByKeyId",
            "ListKeyVersions",
            "ListKeys",
        ),
        Group.READ: (
            "DescribeApplicationAccessPoint",
            "DescribeNetworkRule",
            "DescribePolicy",
            "DescribeSecret",
            "GetClientKey",
            "GetDefaultKmsInstance",
            "GetKeyPolicy",
            "GetKmsInstance",
            "GetKmsInstanceQuotaInfos",
            "GetSecretPolicy",
            "ListApplicationAccessPoints",
            "ListClientKeys",
            "ListKmsInstances",
            "ListManagedDataKeyVersions",
            "ListNetworkRules",
            "ListPolicies",
            "ListResourceTags",
            "ListSecretVersionIds",
            "ListSecrets",
            "ListTagResources",
        ),
        Group.MANAGE: (
            "CancelKeyDeletion",
            "ConnectKmsInstance",
            "CreateAlias",
            "CreateApplicationAccessPoint",
            "CreateClientKey",
            "CreateInstance",
            "CreateKey",
            "CreateKeyVersion",
            "CreateNetworkRule",
            "CreatePolicy",
            "DeleteAlias",
            "DeleteApplicationAccessPoint",
            "DeleteClientKey",
            "DeleteKeyMaterial",
            "DeleteNetworkRule",
            "DeletePolicy",
            "DisableKey",
            "EnableKey",
            "GetParametersForImport",
            "ImportKeyMaterial",
            "ModifyInstance",
            "OpenKmsService",
            "ReleaseKmsInstance",
            "ScheduleKeyDeletion",
            "SetDeletionProtection",
            "SetKeyPolicy",
            "TagResource",
            "TagResources",
            "UntagResource",
            "UntagResources",
            "UpdateAlias",
            "UpdateApplicationAccessPoint",
            "UpdateKeyDescription",
            "UpdateKmsInstance",
            "UpdateKmsInstanceBindVpc",
            "UpdateNetworkRule",
            "UpdatePolicy",
            "UpdateRotationPolicy",
        ),
        Group.ACCOUNT: ("DescribeAccountKmsStatus", "DescribeRegions"),
        Group.SECRET: (
            "BatchGetSecretValue",
            "CreateSecret",
            "DeleteSecret",
            "GetManagedDataKey",
            "GetSecretValue",
            "PutSecretValue",
            "RestoreSecret",
            "RotateSecret",
            "SetSecretPolicy",
            "UpdateSecret",
            "UpdateSecretRotationPolicy",
            "UpdateSecretVersionStage",
        ),
    }
)

ROLES: Final[Mapping[Role, frozenset[Group]]] = MappingProxyType(
    {
        Role.ADMINISTRATOR: frozenset(Group),
        Role.USER: frozenset({Group.ENVELOPE, Group.CRYPTO, Group.LOOKUP, Group.ACCOUNT}),
        Role.AUDITOR: frozenset({Group.LOOKUP, Group.READ, Group.ACCOUNT}),
        Role.SERVICE: frozenset({Group.ENVELOPE, Group.LOOKUP, Group.ACCOUNT}),
    }
)

_OF_KEYS: Final = frozenset(
    {
        "CancelKeyDeletion",
        "CreateKeyVersion",
        "DeleteKeyMaterial",
        "DisableKey",
        "EnableKey",
        "GetKeyPolicy",
        "GetParametersForImport",
        "ImportKeyMaterial",
        "ListResourceTags",
        "ScheduleKeyDeletion",
        "SetDeletionProtection",
        "SetKeyPolicy",
        "UpdateKeyDescription",
        "UpdateRotationPolicy",
    }
)
# What is about no key, or about many: other accounts have none here.
_OF_NONE: Final = frozenset({"GetChallenge", "GetRandomPassword", "ListAliases", "ListKeys"})

_PERMITTED: Final = {
    role: frozenset(action for group in groups for action in ACTIONS[group]) for role, groups in ROLES.items()
}
KEY_ACTIONS: Final = (
    frozenset(action for group in (Group.ENVELOPE, Group.CRYPTO, Group.LOOKUP) for action in ACTIONS[group]) | _OF_KEYS
) - _OF_NONE
"""Actions about one key, which its policy speaks about, and which other accounts may be permitted."""
_ANYBODY: Final = frozenset((*ACTIONS[Group.ACCOUNT], "GetRandomPassword"))
"""Actions about nothing of any account."""


def permitted(role: Role, action: str) -> bool:
    """Return whether a role may do an action at all; which keys it may do it with, their policies say."""
    return action in _PERMITTED[role]


def open_to_others(action: str) -> bool:
    """Return whether an action can be about another account's key, or about nothing of this one."""
    return action in KEY_ACTIONS or action in _ANYBODY
