"""The official Python SDK against a served engine: every group of actions, fields and errors."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from kmsplan.engine import wrapping
from kmsplan.kms.secret import SecretBytes
from tests.served import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.served import Served

DIGEST = base64.b64encode(hashlib.sha256(b"message").digest()).decode()


class Kms:
    """The SDK's client, called by the API's names and asked for plain dictionaries."""

    def __init__(self, served: Served, **options: Any) -> None:
        self.served = served
        given = {
            "access_key_id": served.access_key_id,
            "access_key_secret": served.access_key_secret,
            "endpoint": served.endpoint,
            "protocol": "http",
            "region_id": served.region,
        }
        self._client = Client(Config(**(given | options)))

    def __call__(self, method: str, **fields: Any) -> dict[str, Any]:
        name = "".join(part.capitalize() for part in method.split("_"))
        model = getattr(models, f"{name}Request", None)
        answer = getattr(self._client, method)(*([model(**fields)] if model else []))
        body: dict[str, Any] = answer.body.to_map()
        assert answer.status_code == 200
        assert body.pop("RequestId")
        return body

    def refused(self, method: str, **fields: Any) -> tuple[int, str]:
        """Return status and code of a refusal, which has everything that the SDK looks for."""
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the SDK's own hierarchy
            self(method, **fields)
        error: Any = caught.value
        assert error.request_id
        assert error.message
        return error.status_code, error.code

    def key(self, **options: Any) -> str:
        made = self("create_key", dkmsinstance_id=self.instance, **options)
        return str(made["KeyMetadata"]["KeyId"])

    def version(self, key: str) -> str:
        return str(self("list_key_versions", key_id=key)["KeyVersions"]["KeyVersion"][0]["KeyVersionId"])

    @property
    def instance(self) -> str:
        found = self("list_kms_instances")["KmsInstances"]["KmsInstance"]
        return str(found[0]["KmsInstanceId"])


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kms]:
    for served in serve(tmp_path_factory.mktemp("served")):
        served.project.call("CreateInstance", "ProductType=software", "Spec=4000", "KeyNum=1000")
        yield Kms(served)


@pytest.fixture(scope="module")
def aes(kms: Kms) -> str:
    return kms.key()


def test_create_and_describe_tell_the_same_key(kms: Kms) -> None:
    made = kms(
        "create_key",
        dkmsinstance_id=kms.instance,
        description="für alle*~ +",
        enable_automatic_rotation=True,
        rotation_interval="30d",
        tags='[{"TagKey":"team","TagValue":"pay"}]',
    )["KeyMetadata"]
    seen = kms("describe_key", key_id=made["KeyId"])["KeyMetadata"]
    assert made["Description"] == "für alle*~ +"
    assert (made["KeySpec"], made["KeyUsage"], made["KeyState"]) == ("Aliyun_AES_256", "ENCRYPT/DECRYPT", "Enabled")
    assert (made["AutomaticRotation"], made["RotationInterval"]) == ("Enabled", "2592000s")
    assert made["Arn"] == f"acs:kms:{kms.served.region}:{kms.served.account}:key/{made['KeyId']}"
    assert made.items() <= seen.items()
    assert seen["DeletionProtection"] == "Disabled"


@pytest.mark.parametrize("name", ["id", "alias", "arn"])
def test_a_key_has_three_names(kms: Kms, aes: str, name: str) -> None:
    if name == "alias":
        kms("create_alias", alias_name="alias/three", key_id=aes)
    arn = kms("describe_key", key_id=aes)["KeyMetadata"]["Arn"]
    named = {"id": aes, "alias": "alias/three", "arn": arn}[name]
    assert kms("encrypt", key_id=named, plaintext="x")["KeyId"] == aes


@pytest.mark.parametrize("text", ["hello", "hällo wörld", "a+b c*~/=&?%", "{}", "A" * 6144])
def test_a_text_comes_back_as_it_was(kms: Kms, aes: str, text: str) -> None:
    context = {"purpose": "ü b", "b": "*~+"}
    sealed = kms("encrypt", key_id=aes, plaintext=text, encryption_context=context)
    assert sealed.keys() == {"CiphertextBlob", "KeyId", "KeyVersionId"}
    opened = kms("decrypt", ciphertext_blob=sealed["CiphertextBlob"], encryption_context=context)
    assert opened == {"Plaintext": text, "KeyId": aes, "KeyVersionId": sealed["KeyVersionId"]}


@pytest.mark.parametrize("context", [None, {}, {"a": "c"}, {"a": "b", "c": "d"}])
def test_every_way_to_a_data_key_binds_the_context(kms: Kms, aes: str, context: dict[str, str] | None) -> None:
    right = {"a": "b"}
    private = rsa.generate_private_key(65537, 2048)
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    export = {
        "public_key_blob": base64.b64encode(spki).decode(),
        "wrapping_algorithm": "RSAES_OAEP_SHA_256",
        "wrapping_key_spec": "RSA_2048",
    }
    for method, options in (
        ("encrypt", {"plaintext": "x"}),
        ("generate_data_key", {}),
        ("generate_data_key_without_plaintext", {}),
        ("generate_and_export_data_key", export),
    ):
        blob = kms(method, key_id=aes, encryption_context=right, **options)["CiphertextBlob"]
        assert kms("decrypt", ciphertext_blob=blob, encryption_context=right)["KeyId"] == aes
        refusal = kms.refused("decrypt", ciphertext_blob=blob, encryption_context=context)
        assert refusal == (400, "InvalidParameter")


def test_data_keys_of_all_sizes_open_to_their_base64(kms: Kms, aes: str) -> None:
    for options, length in (({}, 32), ({"key_spec": "AES_128"}, 16), ({"number_of_bytes": 1024}, 1024)):
        made = kms("generate_data_key", key_id=aes, **options)
        assert len(base64.b64decode(made["Plaintext"])) == length
        assert kms("decrypt", ciphertext_blob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]


def test_a_data_key_is_exported_to_whoever_has_the_private_key(kms: Kms, aes: str) -> None:
    private = rsa.generate_private_key(65537, 2048)
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    export = {
        "public_key_blob": base64.b64encode(spki).decode(),
        "wrapping_algorithm": "RSAES_OAEP_SHA_256",
        "wrapping_key_spec": "RSA_2048",
    }
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    made = kms("generate_data_key", key_id=aes)
    exported = kms("export_data_key", ciphertext_blob=made["CiphertextBlob"], **export)
    opened = private.decrypt(base64.b64decode(exported["ExportedDataKey"]), oaep)
    assert base64.b64encode(opened).decode() == made["Plaintext"]
    both = kms("generate_and_export_data_key", key_id=aes, **export)
    opened = private.decrypt(base64.b64decode(both["ExportedDataKey"]), oaep)
    assert kms("decrypt", ciphertext_blob=both["CiphertextBlob"])["Plaintext"] == base64.b64encode(opened).decode()


def test_re_encryption_moves_a_ciphertext_to_another_key(kms: Kms, aes: str) -> None:
    other = kms.key()
    blob = kms("encrypt", key_id=aes, plaintext="x", encryption_context={"a": "b"})["CiphertextBlob"]
    moved = kms(
        "re_encrypt",
        ciphertext_blob=blob,
        source_encryption_context={"a": "b"},
        destination_key_id=other,
        destination_encryption_context={"c": "d"},
    )
    assert moved["KeyId"] == other
    opened = kms("decrypt", ciphertext_blob=moved["CiphertextBlob"], encryption_context={"c": "d"})
    assert opened["Plaintext"] == "x"


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [("EC_P256", "ECDSA_SHA_256"), ("EC_P256K", "ECDSA_SHA_256"), ("RSA_2048", "RSA_PKCS1_SHA_256")],
)
def test_signatures_hold_here_and_outside(kms: Kms, spec: str, algorithm: str) -> None:
    key = kms.key(key_spec=spec, key_usage="SIGN/VERIFY")
    named = {"key_id": key, "key_version_id": kms.version(key)}
    signature = kms("asymmetric_sign", **named, algorithm=algorithm, digest=DIGEST)["Value"]
    for value, holds in ((signature, True), (base64.b64encode(b"x" * 64).decode(), False)):
        answer = kms("asymmetric_verify", **named, algorithm=algorithm, digest=DIGEST, value=value)
        assert answer["Value"] is holds
    pem = kms("get_public_key", **named)["PublicKey"].encode()
    public: Any = serialization.load_pem_public_key(pem)
    prehashed = utils.Prehashed(hashes.SHA256())
    scheme = (ec.ECDSA(prehashed),) if spec.startswith("EC") else (padding.PKCS1v15(), prehashed)
    public.verify(base64.b64decode(signature), base64.b64decode(DIGEST), *scheme)


def test_rsa_keys_decrypt_what_anybody_encrypts(kms: Kms) -> None:
    key = kms.key(key_spec="RSA_2048", key_usage="ENCRYPT/DECRYPT")
    named = {"key_id": key, "key_version_id": kms.version(key), "algorithm": "RSAES_OAEP_SHA_256"}
    text = base64.b64encode(b"secret").decode()
    blob = kms("asymmetric_encrypt", **named, plaintext=text)["CiphertextBlob"]
    assert kms("asymmetric_decrypt", **named, ciphertext_blob=blob)["Plaintext"] == text


def test_macs_are_the_messages(kms: Kms) -> None:
    key = kms.key(key_spec="HMAC_SHA_256", key_usage="GENERATE_MAC/VERIFY_MAC")
    message = base64.b64encode(b"message").decode()
    made = kms("generate_mac", key_id=key, algorithm="HMAC_SHA_256", message=message)
    assert made.keys() == {"Algorithm", "KeyId", "Mac"}
    for mac, holds in ((made["Mac"], True), (base64.b64encode(bytes(32)).decode(), False)):
        answer = kms("verify_mac", key_id=key, algorithm="HMAC_SHA_256", message=message, mac=mac)
        assert answer["Value"] is holds


def test_passwords_keep_to_the_rules(kms: Kms) -> None:
    password = kms("get_random_password", password_length="40", exclude_punctuation="true", exclude_characters="abc")[
        "RandomPassword"
    ]
    assert len(password) == 40
    assert password.isalnum()
    assert not set(password) & set("abc")


def test_a_dry_run_says_that_it_was_one(kms: Kms, aes: str) -> None:
    assert kms.refused("encrypt", key_id=aes, plaintext="x", dry_run="true") == (400, "DryRunOperationError")


def test_a_life_of_a_key(kms: Kms) -> None:
    key = kms.key()

    def state() -> Any:
        return kms("describe_key", key_id=key)["KeyMetadata"]["KeyState"]

    kms("disable_key", key_id=key)
    assert state() == "Disabled"
    assert kms.refused("encrypt", key_id=key, plaintext="x") == (409, "Rejected.Disabled")
    kms("enable_key", key_id=key)
    kms("set_deletion_protection", key_id=key, enable_deletion_protection=True, deletion_protection_description="why")
    seen = kms("describe_key", key_id=key)["KeyMetadata"]
    assert (seen["DeletionProtection"], seen["DeletionProtectionDescription"]) == ("Enabled", "why")
    assert kms.refused("schedule_key_deletion", key_id=key, pending_window_in_days=7)[0] == 403
    arn = seen["Arn"]
    kms("set_deletion_protection", protected_resource_arn=arn, enable_deletion_protection=False)
    kms("schedule_key_deletion", key_id=key, pending_window_in_days=7)
    assert state() == "PendingDeletion"
    assert kms("describe_key", key_id=key)["KeyMetadata"]["DeleteDate"]
    assert kms.refused("encrypt", key_id=key, plaintext="x") == (409, "Rejected.PendingDeletion")
    assert kms.refused("enable_key", key_id=key) == (409, "Rejected.StateModifiedFailed")
    kms("cancel_key_deletion", key_id=key)
    assert state() == "Enabled"
    kms("update_key_description", key_id=key, description="")
    kms("update_rotation_policy", key_id=key, enable_automatic_rotation=True, rotation_interval="7d")
    assert kms("describe_key", key_id=key)["KeyMetadata"]["RotationInterval"] == "604800s"


def test_a_context_is_in_force_as_soon_as_a_change_is_answered(kms: Kms, aes: str) -> None:
    other = kms.key()
    kms("create_alias", alias_name="alias/moving", key_id=aes)
    assert kms("encrypt", key_id="alias/moving", plaintext="x")["KeyId"] == aes
    kms("update_alias", alias_name="alias/moving", key_id=other)
    assert kms("encrypt", key_id="alias/moving", plaintext="x")["KeyId"] == other
    listed = kms("list_aliases_by_key_id", key_id=other)
    assert [row["AliasName"] for row in listed["Aliases"]["Alias"]] == ["alias/moving"]
    kms("delete_alias", alias_name="alias/moving")
    assert kms.refused("encrypt", key_id="alias/moving", plaintext="x") == (404, "Forbidden.AliasNotFound")
    assert kms("list_aliases", page_number=1, page_size=1)["PageSize"] == 1


def test_tags_old_and_new(kms: Kms) -> None:
    key, region = kms.key(), kms.served.region
    kms("tag_resource", key_id=key, tags='[{"TagKey":"a","TagValue":"b"}]')
    resource = {"region_id": region, "resource_type": "key", "resource_id": [key]}
    tag = models.TagResourcesRequestTag
    kms("tag_resources", **resource, tag=[tag(key="c d", value="e:+"), tag(key="f", value="")])
    rows = kms("list_resource_tags", key_id=key)["Tags"]["Tag"]
    assert {row["TagKey"]: row["TagValue"] for row in rows} == {"a": "b", "c d": "e:+", "f": ""}
    listed = kms("list_tag_resources", **resource, tag=[models.ListTagResourcesRequestTag(key="a", value="b")])
    assert listed["NextToken"] == ""
    assert {row["TagKey"] for row in listed["TagResources"]["TagResource"]} == {"a", "c d", "f"}
    kms("untag_resource", key_id=key, tag_keys='["a"]')
    kms("untag_resources", **resource, tag_key=["f"])
    assert len(kms("list_resource_tags", key_id=key)["Tags"]["Tag"]) == 1
    kms("untag_resources", **resource, all=True)
    assert kms("list_resource_tags", key_id=key)["Tags"]["Tag"] == []


def test_filters_and_pages(kms: Kms) -> None:
    mine = {kms.key(tags='[{"TagKey":"only","TagValue":"these"}]') for _ in range(3)}
    filters = json.dumps([{"Key": "TagKey", "Values": ["only"]}, {"Key": "KeyState", "Values": ["Enabled"]}])
    found = set()
    for page in (1, 2):
        answer = kms("list_keys", filters=filters, page_number=page, page_size=2)
        assert (answer["PageNumber"], answer["PageSize"], answer["TotalCount"]) == (page, 2, 3)
        found |= {row["KeyId"] for row in answer["Keys"]["Key"]}
    assert found == mine
    assert kms.refused("list_keys", filters='[{"Key":"Colour","Values":["red"]}]') == (400, "InvalidParameter")
    assert kms.refused("list_keys", page_size=101) == (400, "InvalidParameter")


def test_policies_are_kept_and_obeyed(kms: Kms) -> None:
    key = kms.key()
    policy = json.loads(kms("get_key_policy", key_id=key)["Policy"])
    assert policy["Statement"][0]["Effect"] == "Allow"
    policy["Statement"][0]["Sid"] = "mine"
    kms("set_key_policy", key_id=key, policy=json.dumps(policy), policy_name="default")
    assert json.loads(kms("get_key_policy", key_id=key, policy_name="default")["Policy"]) == policy


def test_versions_of_an_asymmetric_key(kms: Kms) -> None:
    key = kms.key(key_spec="EC_P256")
    first = kms.version(key)
    seen = kms("describe_key_version", key_id=key, key_version_id=first)["KeyVersion"]
    assert (seen["KeyId"], seen["KeyVersionId"]) == (key, first)
    listed = kms("list_key_versions", key_id=key, page_number=1, page_size=10)
    assert (listed["KeyVersions"]["KeyVersion"], listed["TotalCount"]) == ([seen], 1)
    # A second one is due seven days after the first.
    assert kms.refused("create_key_version", key_id=key) == (400, "Rejected.UnsupportedOperation")
    missing = kms.refused("describe_key_version", key_id=key, key_version_id=f"{key}-0000000000")
    assert missing == (404, "Forbidden.KeyVersionNotFound")


def test_own_material_is_imported_deleted_and_imported_again(kms: Kms) -> None:
    key, material = kms.key(origin="EXTERNAL"), bytes(range(32))
    assert kms("describe_key", key_id=key)["KeyMetadata"]["KeyState"] == "PendingImport"

    def bring(content: bytes) -> dict[str, Any]:
        given = kms(
            "get_parameters_for_import",
            key_id=key,
            wrapping_algorithm="RSAES_OAEP_SHA_256",
            wrapping_key_spec="RSA_2048",
        )
        public = base64.b64decode(given["PublicKey"])
        wrapped = wrapping.wrap("RSAES_OAEP_SHA_256", public, SecretBytes(content))
        return {"import_token": given["ImportToken"], "encrypted_key_material": base64.b64encode(wrapped).decode()}

    kms("import_key_material", key_id=key, key_material_expire_unix=0, **bring(material))
    blob = kms("encrypt", key_id=key, plaintext="x")["CiphertextBlob"]
    kms("delete_key_material", key_id=key)
    assert kms.refused("decrypt", ciphertext_blob=blob) == (409, "Rejected.PendingImport")
    assert kms.refused("import_key_material", key_id=key, **bring(bytes(32))) == (400, "InvalidKeyMaterial")
    kms("import_key_material", key_id=key, **bring(material))
    assert kms("decrypt", ciphertext_blob=blob)["Plaintext"] == "x"


def test_instances_and_the_service(kms: Kms) -> None:
    instance = kms.instance
    seen = kms("get_kms_instance", kms_instance_id=instance)["KmsInstance"]
    assert (seen["InstanceId"], seen["Status"], seen["ProductVersion"]) == (instance, "Connected", "3")
    assert (seen["Spec"], seen["KeyNum"], seen["SecretNum"]) == (4000, 1000, "0")
    quotas = kms("get_kms_instance_quota_infos", kms_instance_id=instance, resource_type="key")
    assert quotas["KmsInstanceQuotaInfos"][0]["ResourceQuota"] == 1000
    kms(
        "connect_kms_instance",
        kms_instance_id=instance,
        kmprovider="Aliyun",
        vpc_id="vpc-1",
        v_switch_ids="vsw-1",
        zone_ids="z-1,z-2",
    )
    assert kms("get_kms_instance", kms_instance_id=instance)["KmsInstance"]["ZoneIds"] == ["z-1", "z-2"]
    assert kms("describe_regions")["Regions"]["Region"] == [{"RegionId": kms.served.region}]
    assert kms("describe_account_kms_status") == {"AccountStatus": "Enabled"}
    assert kms("get_default_kms_instance") == {"DefaultKmsInstanceId": ""}
    assert kms.refused("open_kms_service") == (400, "Forbidden.Opened")
    assert kms.refused("get_kms_instance", kms_instance_id="kst-none")[1] == "Forbidden.DKMSInstanceNotFound"


@pytest.mark.parametrize(
    ("method", "fields", "refusal"),
    [
        ("describe_key", {"key_id": "key-none"}, (404, "Forbidden.KeyNotFound")),
        ("describe_key", {}, (400, "MissingParameter")),
        ("encrypt", {"key_id": "key-none", "plaintext": "x"}, (404, "Forbidden.KeyNotFound")),
        ("encrypt", {"key_id": "alias/none", "plaintext": "x"}, (404, "Forbidden.AliasNotFound")),
        ("encrypt", {"plaintext": "x"}, (400, "MissingParameter")),
        ("decrypt", {"ciphertext_blob": "!"}, (400, "InvalidParameter")),
        ("decrypt", {"ciphertext_blob": "AAAA"}, (400, "InvalidParameter")),
        ("decrypt", {"ciphertext_blob": "AAAA", "recipient": "x"}, (400, "UnsupportedOperation")),
        ("create_secret", {"secret_name": "x", "version_id": "1", "secret_data": "x"}, (400, "UnsupportedOperation")),
        ("get_client_key", {"client_key_id": "KAAP.x"}, (400, "UnsupportedOperation")),
        ("create_key", {"dkmsinstance_id": "kst-none"}, (404, "Forbidden.DKMSInstanceNotFound")),
        ("create_key", {"key_spec": "Aliyun_AES_257"}, (400, "InvalidParameter")),
        ("create_key", {"enable_automatic_rotation": True}, (400, "MissingParameter")),
        ("delete_alias", {"alias_name": "alias/none"}, (404, "Forbidden.AliasNotFound")),
    ],
)
def test_refusals_have_the_references_status_and_code(
    kms: Kms, method: str, fields: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert kms.refused(method, **fields) == refusal


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"access_key_secret": "wrong"}, (400, "SignatureDoesNotMatch")),
        ({"access_key_id": "LTAInobody"}, (404, "InvalidAccessKeyId.NotFound")),
        ({"security_token": "token"}, (400, "InvalidSecurityToken.NotSupported")),
    ],
)
def test_strangers_are_refused(kms: Kms, options: dict[str, str], refusal: tuple[int, str]) -> None:
    assert Kms(kms.served, **options).refused("list_keys") == refusal


def test_the_sdks_older_signature_works_too(kms: Kms, aes: str) -> None:
    old = Kms(kms.served, signature_algorithm="v2")
    blob = old("encrypt", key_id=aes, plaintext="ü *~+", encryption_context={"a": "b c"})["CiphertextBlob"]
    assert old("decrypt", ciphertext_blob=blob, encryption_context={"a": "b c"})["Plaintext"] == "ü *~+"


def test_a_disabled_access_key_is_refused_at_once(kms: Kms, aes: str) -> None:
    made = kms.served.project.run("engine", "access-key", "create", "--role", "user", "--json").json()
    user = Kms(kms.served, access_key_id=made["access_key_id"], access_key_secret=made["access_key_secret"])
    user("encrypt", key_id=aes, plaintext="x")
    assert user.refused("create_key", dkmsinstance_id=kms.instance) == (403, "Forbidden.NoPermission")
    kms.served.project.run("engine", "access-key", "disable", made["access_key_id"])
    assert user.refused("encrypt", key_id=aes, plaintext="x") == (403, "InvalidAccessKeyId.Inactive")
    assert user.refused("describe_key", key_id=aes) == (403, "InvalidAccessKeyId.Inactive")
