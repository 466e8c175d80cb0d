"""What every client of a served engine must be able to do, in the API's own names."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from kmsplan.engine import wrapping
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients import ApiClient

DIGEST: Final = base64.b64encode(hashlib.sha256(b"message").digest()).decode()
TEXTS: Final = ("hello", "hällo wörld", "a+b c*~/=&?%!'()", "{}", "A" * 6144)
REFUSALS: Final = (
    ("DescribeKey", {"KeyId": "key-none"}, (404, "Forbidden.KeyNotFound")),
    ("Encrypt", {"KeyId": "key-none", "Plaintext": "x"}, (404, "Forbidden.KeyNotFound")),
    ("Encrypt", {"KeyId": "alias/none", "Plaintext": "x"}, (404, "Forbidden.AliasNotFound")),
    ("Decrypt", {"CiphertextBlob": "AAAA"}, (400, "InvalidParameter")),
    ("CreateKey", {"KeySpec": "Aliyun_AES_257"}, (400, "InvalidParameter")),
    ("CreateKey", {"EnableAutomaticRotation": True}, (400, "MissingParameter")),
    ("ListKeys", {"PageSize": 101}, (400, "InvalidParameter")),
    ("DeleteAlias", {"AliasName": "alias/none"}, (404, "Forbidden.AliasNotFound")),
    ("DeleteSecret", {"SecretName": "x"}, (400, "UnsupportedOperation")),
)


def a_created_key_is_described_and_listed(kms: ApiClient) -> None:
    options = {"Description": "für alle*~ +", "EnableAutomaticRotation": True, "RotationInterval": "30d"}
    made = kms("CreateKey", **kms.placed, **options)["KeyMetadata"]
    mine = {made["KeyId"], kms.key(), kms.key()}
    assert (made["Description"], made["KeyState"], made["AutomaticRotation"]) == ("für alle*~ +", "Enabled", "Enabled")
    seen = kms.metadata(made["KeyId"])
    shared = made.keys() & seen.keys()  # an old SDK leaves out what it does not know
    assert {"Arn", "CreationDate", "Creator", "KeySpec", "KeyUsage", "Origin", "RotationInterval"} <= shared
    assert {name: made[name] for name in shared} == {name: seen[name] for name in shared}
    found, total = set[str](), kms("ListKeys", PageNumber=1, PageSize=1)["TotalCount"]
    for page in range(1, (total + 1) // 2 + 1):
        answer = kms("ListKeys", PageNumber=page, PageSize=2)
        assert (answer["PageNumber"], answer["PageSize"]) == (page, 2)
        found |= {row["KeyId"] for row in answer["Keys"]["Key"]}
    assert len(found) == total
    assert mine <= found


def a_key_is_disabled_enabled_scheduled_for_deletion_and_kept(kms: ApiClient) -> None:
    key = kms.key()
    kms("DisableKey", KeyId=key)
    assert kms.metadata(key)["KeyState"] == "Disabled"
    assert kms.refused("Encrypt", KeyId=key, Plaintext="x") == (409, "Rejected.Disabled")
    kms("EnableKey", KeyId=key)
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    seen = kms.metadata(key)
    assert seen["KeyState"] == "PendingDeletion"
    assert seen["DeleteDate"]
    assert kms.refused("EnableKey", KeyId=key) == (409, "Rejected.StateModifiedFailed")
    kms("CancelKeyDeletion", KeyId=key)
    kms("UpdateKeyDescription", KeyId=key, Description="kept")
    seen = kms.metadata(key)
    assert (seen["KeyState"], seen["Description"]) == ("Enabled", "kept")


def an_alias_moves_from_key_to_key(kms: ApiClient) -> None:
    first, second = kms.key(), kms.key()
    kms("CreateAlias", AliasName="alias/moving", KeyId=first)
    assert kms("Encrypt", KeyId="alias/moving", Plaintext="x")["KeyId"] == first
    kms("UpdateAlias", AliasName="alias/moving", KeyId=second)
    assert kms("Encrypt", KeyId="alias/moving", Plaintext="x")["KeyId"] == second
    listed = kms("ListAliasesByKeyId", KeyId=second)["Aliases"]["Alias"]
    assert [row["AliasName"] for row in listed] == ["alias/moving"]
    kms("DeleteAlias", AliasName="alias/moving")
    assert kms.refused("DescribeKey", KeyId="alias/moving") == (404, "Forbidden.AliasNotFound")


def tags_are_set_and_taken_away(kms: ApiClient) -> None:
    key = kms.key()
    tags = [{"TagKey": "team", "TagValue": "pay"}, {"TagKey": "c d", "TagValue": "e:+"}]
    kms("TagResource", KeyId=key, Tags=json.dumps(tags))
    rows = kms("ListResourceTags", KeyId=key)["Tags"]["Tag"]
    assert {row["TagKey"]: row["TagValue"] for row in rows} == {"team": "pay", "c d": "e:+"}
    kms("UntagResource", KeyId=key, TagKeys='["team"]')
    assert [row["TagKey"] for row in kms("ListResourceTags", KeyId=key)["Tags"]["Tag"]] == ["c d"]


def a_key_is_rotated_by_its_policy_and_its_versions_are_listed(kms: ApiClient) -> None:
    key = kms.key()
    kms("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation=True, RotationInterval="7d")
    assert kms.metadata(key)["RotationInterval"] == "604800s"
    kms("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation=False)
    assert kms.metadata(key)["AutomaticRotation"] == "Disabled"
    listed = kms("ListKeyVersions", KeyId=key, PageNumber=1, PageSize=10)
    (version,) = listed["KeyVersions"]["KeyVersion"]
    seen = kms("DescribeKeyVersion", KeyId=key, KeyVersionId=version["KeyVersionId"])["KeyVersion"]
    assert (seen["KeyId"], listed["TotalCount"]) == (key, 1)
    missing = kms.refused("DescribeKeyVersion", KeyId=key, KeyVersionId=f"{key}-0000000000")
    assert missing == (404, "Forbidden.KeyVersionNotFound")


def a_text_comes_back_as_it_was_and_only_under_its_context(kms: ApiClient) -> None:
    key, context = kms.key(), {"purpose": "ü b", "b": "*~+"}
    for text in TEXTS:
        blob = kms("Encrypt", KeyId=key, Plaintext=text)["CiphertextBlob"]
        assert kms("Decrypt", CiphertextBlob=blob)["Plaintext"] == text
        blob = kms("Encrypt", KeyId=key, Plaintext=text, EncryptionContext=context)["CiphertextBlob"]
        opened = kms("Decrypt", CiphertextBlob=blob, EncryptionContext=context)
        assert (opened["Plaintext"], opened["KeyId"]) == (text, key)
        assert kms.refused("Decrypt", CiphertextBlob=blob) == (400, "InvalidParameter")
        other = {**context, "b": "other"}
        assert kms.refused("Decrypt", CiphertextBlob=blob, EncryptionContext=other) == (400, "InvalidParameter")


def a_data_key_opens_to_what_was_given_out(kms: ApiClient) -> None:
    key, context = kms.key(), {"a": "b"}
    for options, length in (({}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)):
        made = kms("GenerateDataKey", KeyId=key, EncryptionContext=context, **options)
        assert len(base64.b64decode(made["Plaintext"])) == length
        opened = kms("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
        assert opened["Plaintext"] == made["Plaintext"]
    kept = kms("GenerateDataKeyWithoutPlaintext", KeyId=key)
    assert "Plaintext" not in kept
    assert kms("Decrypt", CiphertextBlob=kept["CiphertextBlob"])["KeyId"] == key


def signatures_hold_here_and_outside(kms: ApiClient) -> None:
    prehashed = utils.Prehashed(hashes.SHA256())
    schemes: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("EC_P256", "ECDSA_SHA_256", (ec.ECDSA(prehashed),)),
        ("RSA_2048", "RSA_PKCS1_SHA_256", (padding.PKCS1v15(), prehashed)),
    )
    for spec, algorithm, scheme in schemes:
        key = kms.key(KeySpec=spec, KeyUsage="SIGN/VERIFY")
        named = {"KeyId": key, "KeyVersionId": kms.version(key)}
        signed = named | {"Algorithm": algorithm, "Digest": DIGEST}
        value = kms("AsymmetricSign", **signed)["Value"]
        assert kms("AsymmetricVerify", **signed, Value=value)["Value"] is True
        forged = base64.b64encode(b"x" * 64).decode()
        assert kms("AsymmetricVerify", **signed, Value=forged)["Value"] is False
        public: Any = serialization.load_pem_public_key(kms("GetPublicKey", **named)["PublicKey"].encode())
        public.verify(base64.b64decode(value), base64.b64decode(DIGEST), *scheme)


def an_rsa_key_decrypts_what_it_encrypted(kms: ApiClient) -> None:
    key = kms.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT/DECRYPT")
    named = {"KeyId": key, "KeyVersionId": kms.version(key), "Algorithm": "RSAES_OAEP_SHA_256"}
    text = base64.b64encode(b"secret").decode()
    blob = kms("AsymmetricEncrypt", **named, Plaintext=text)["CiphertextBlob"]
    assert kms("AsymmetricDecrypt", **named, CiphertextBlob=blob)["Plaintext"] == text


def own_material_is_imported_deleted_and_imported_again(kms: ApiClient) -> None:
    key, material = kms.key(Origin="EXTERNAL"), bytes(range(32))
    assert kms.metadata(key)["KeyState"] == "PendingImport"

    def bring(content: bytes) -> dict[str, Any]:
        wrapping_options = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
        given = kms("GetParametersForImport", KeyId=key, **wrapping_options)
        wrapped = wrapping.wrap("RSAES_OAEP_SHA_256", base64.b64decode(given["PublicKey"]), SecretBytes(content))
        encoded = base64.b64encode(wrapped).decode()
        return {"ImportToken": given["ImportToken"], "EncryptedKeyMaterial": encoded, "KeyMaterialExpireUnix": 0}

    kms("ImportKeyMaterial", KeyId=key, **bring(material))
    blob = kms("Encrypt", KeyId=key, Plaintext="x")["CiphertextBlob"]
    kms("DeleteKeyMaterial", KeyId=key)
    assert kms.refused("Decrypt", CiphertextBlob=blob) == (409, "Rejected.PendingImport")
    assert kms.refused("ImportKeyMaterial", KeyId=key, **bring(bytes(32))) == (400, "InvalidKeyMaterial")
    kms("ImportKeyMaterial", KeyId=key, **bring(material))
    assert kms("Decrypt", CiphertextBlob=blob)["Plaintext"] == "x"


def refusals_have_the_references_status_and_code(kms: ApiClient) -> None:
    assert {action: kms.refused(action, **fields) for action, fields, _ in REFUSALS} == {
        action: refusal for action, _, refusal in REFUSALS
    }


STORIES: Final[tuple[Callable[[ApiClient], None], ...]] = (
    a_created_key_is_described_and_listed,
    a_key_is_disabled_enabled_scheduled_for_deletion_and_kept,
    an_alias_moves_from_key_to_key,
    tags_are_set_and_taken_away,
    a_key_is_rotated_by_its_policy_and_its_versions_are_listed,
    a_text_comes_back_as_it_was_and_only_under_its_context,
    a_data_key_opens_to_what_was_given_out,
    signatures_hold_here_and_outside,
    an_rsa_key_decrypts_what_it_encrypted,
    own_material_is_imported_deleted_and_imported_again,
    refusals_have_the_references_status_and_code,
)
