from __future__ import annotations

import re
from typing import Final

import pytest

from kmsplan.engine.access.role import ACTIONS, ROLES, Role, open_to_others, permitted

# The actions of the KMS API, as alibabacloud_kms20160120 3.3.1 has them, in the order of its client.
API: Final = re.findall(
    r"\w+",
    """
    AsymmetricDecrypt AsymmetricEncrypt AsymmetricSign AsymmetricVerify BatchGetSecretValue CancelKeyDeletion
    ConnectKmsInstance CreateAlias CreateApplicationAccessPoint CreateClientKey CreateKey CreateKeyVersion
    CreateNetworkRule CreatePolicy CreateSecret Decrypt DeleteAlias DeleteApplicationAccessPoint DeleteClientKey
    DeleteKeyMaterial DeleteNetworkRule DeletePolicy DeleteSecret DescribeAccountKmsStatus
    DescribeApplicationAccessPoint DescribeKey DescribeKeyVersion DescribeNetworkRule DescribePolicy DescribeRegions
    DescribeSecret DisableKey EnableKey Encrypt ExportDataKey GenerateAndExportDataKey GenerateDataKey
    GenerateDataKeyWithoutPlaintext GenerateMac GetChallenge GetClientKey GetDefaultKmsInstance GetKeyPolicy
    GetKmsInstance GetKmsInstanceQuotaInfos GetManagedDataKey GetParametersForImport GetPublicKey GetRandomPassword
    GetSecretPolicy GetSecretValue ImportKeyMaterial ListAliases ListAliasesByKeyId ListApplicationAccessPoints
    ListClientKeys ListKeyVersions ListKeys ListKmsInstances ListManagedDataKeyVersions ListNetworkRules ListPolicies
    ListResourceTags ListSecretVersionIds ListSecrets ListTagResources OpenKmsService PutSecretValue ReEncrypt
    ReleaseKmsInstance RestoreSecret RotateSecret ScheduleKeyDeletion SetDeletionProtection SetKeyPolicy
    SetSecretPolicy TagResource TagResources UntagResource UntagResources UpdateAlias UpdateApplicationAccessPoint
    UpdateKeyDescription UpdateKmsInstanceBindVpc UpdateNetworkRule UpdatePolicy UpdateRotationPolicy UpdateSecret
    UpdateSecretRotationPolicy UpdateSecretVersionStage VerifyMac
    """,
)
# Not in the SDK: orders that the cloud takes elsewhere, one that only Terraform sends, and ReEncrypt's two permissions.
BESIDE: Final = {"CreateInstance", "ModifyInstance", "UpdateKmsInstance", "ReEncryptFrom", "ReEncryptTo"}


def test_every_action_of_the_api_is_in_the_table_once() -> None:
    listed = [action for actions in ACTIONS.values() for action in actions]
    assert len(API) == 91
    assert sorted(listed) == sorted({*API, *BESIDE})


def test_every_role_has_a_row() -> None:
    assert ROLES.keys() == set(Role)


@pytest.mark.parametrize(
    ("action", "roles"),
    [
        ("Encrypt", "administrator user service"),
        ("GenerateDataKey", "administrator user service"),
        ("ReEncrypt", "administrator user service"),
        ("AsymmetricSign", "administrator user"),
        ("GenerateMac", "administrator user"),
        ("ExportDataKey", "administrator user"),
        ("DescribeKey", "administrator user auditor service"),
        ("GetPublicKey", "administrator user auditor service"),
        ("ListKeys", "administrator user auditor service"),
        ("GetKeyPolicy", "administrator auditor"),
        ("ListKmsInstances", "administrator auditor"),
        ("CreateKey", "administrator"),
        ("ScheduleKeyDeletion", "administrator"),
        ("ImportKeyMaterial", "administrator"),
        ("GetParametersForImport", "administrator"),
        ("SetKeyPolicy", "administrator"),
        ("ReleaseKmsInstance", "administrator"),
        ("GetSecretValue", "administrator"),
        ("DescribeRegions", "administrator user auditor service"),
        ("Levitate", ""),
        ("CreateAccessKey", ""),
        ("Unseal", ""),
    ],
)
def test_a_role_may_do_what_the_table_says_and_nothing_else(action: str, roles: str) -> None:
    assert {role.value for role in Role if permitted(role, action)} == set(roles.split())


def test_only_the_administrator_changes_anything() -> None:
    changes = re.compile(
        r"(Create|Delete|Update|Set|Tag|Untag|Enable|Disable|Schedule|Cancel|Import|Release|Connect|Put)"
    )
    for role in set(Role) - {Role.ADMINISTRATOR}:
        assert not [action for action in API if changes.match(action) and permitted(role, action)]


@pytest.mark.parametrize(
    ("action", "open_"),
    [
        ("Decrypt", True),
        ("DescribeKey", True),
        ("SetKeyPolicy", True),
        ("GetRandomPassword", True),
        ("DescribeRegions", True),
        ("ListKeys", False),
        ("ListAliases", False),
        ("CreateKey", False),
        ("CreateAlias", False),
        ("TagResources", False),
        ("GetKmsInstance", False),
        ("ReleaseKmsInstance", False),
    ],
)
def test_other_accounts_may_ask_about_single_keys_only(action: str, *, open_: bool) -> None:
    assert open_to_others(action) is open_
