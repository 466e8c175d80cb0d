from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from kmsplan.engine.xks.field import FieldError, TooLongError, encoded, read_object
from kmsplan.engine.xks.message import (
    KeyMetadata,
    Manager,
    Metadata,
    Sealed,
    health_fields,
    read_decrypt,
    read_encrypt,
    read_health,
    read_key_metadata,
    read_metadata,
    read_sealed,
)

CALLER = {"awsPrincipalArn": "arn:a", "kmsKeyArn": "arn:k", "kmsOperation": "Encrypt", "kmsRequestId": "r"}
ENCRYPT = {"requestMetadata": CALLER, "plaintext": "SGVsbG8gV29ybGQh", "encryptionAlgorithm": "AES_GCM"}
# Request and answer of the specification, with the integrity value that its appendix C computes.
AAD = b"project=nile,department=marketing"
ANSWER = {
    "authenticationTag": "vBxN2ncH1oEkR8WVXpmyYQ==",
    "ciphertext": "ghxkK1txeDNn3q8Y",
    "ciphertextDataIntegrityValue": "qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc=",
    "ciphertextMetadata": "a2V5X3ZlcnNpb249MQ==",
    "initializationVector": "HMrlRw85cAJUd5Ax",
}


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def test_the_integrity_value_is_that_of_the_specifications_example() -> None:
    assert encoded(read_sealed(ANSWER).integrity(AAD)) == ANSWER["ciphertextDataIntegrityValue"]


def test_a_ciphertext_is_written_as_it_was_read() -> None:
    assert read_sealed(ANSWER).fields() == without(ANSWER, "ciphertextDataIntegrityValue")
    assert "ciphertextMetadata" not in read_sealed(without(ANSWER, "ciphertextMetadata")).fields()


@pytest.mark.parametrize(
    ("name", "size"),
    [("initializationVector", 11), ("initializationVector", 13), ("authenticationTag", 15), ("ciphertextMetadata", 21)],
)
def test_parts_of_a_ciphertext_of_another_size_are_refused(name: str, size: int) -> None:
    with pytest.raises(FieldError, match=name):
        read_sealed({**ANSWER, name: encoded(bytes(size))})


def test_an_iv_of_16_bytes_is_one_too() -> None:
    assert read_sealed({**ANSWER, "initializationVector": encoded(bytes(16))}).iv == bytes(16)


@pytest.mark.parametrize("name", ["ciphertext", "initializationVector", "authenticationTag"])
@pytest.mark.parametrize("value", [None, 1, ["AAAA"], "not base64", "AAA", "AA==\n", "Ä", "\uff21" * 4])
def test_parts_that_are_missing_or_no_base64_are_refused_and_not_repeated(name: str, value: Any) -> None:
    with pytest.raises(FieldError, match=name) as caught:
        read_sealed({**ANSWER, name: value})
    assert "not base64" not in str(caught.value)


def test_a_request_to_encrypt_is_read_with_and_without_what_is_optional() -> None:
    found = read_encrypt(ENCRYPT)
    assert (found.plaintext, found.aad, found.integrity) == (b"Hello World!", b"", False)
    more = {**ENCRYPT, "additionalAuthenticatedData": encoded(AAD), "ciphertextDataIntegrityValueAlgorithm": "SHA_256"}
    found = read_encrypt(more)
    assert (found.aad, found.integrity) == (AAD, True)
    assert read_encrypt({**ENCRYPT, "additionalAuthenticatedData": None, "future": 1}).aad == b""


def test_a_plaintext_does_not_show() -> None:
    assert "Hello" not in repr(read_encrypt(ENCRYPT))


@pytest.mark.parametrize("name", sorted(ENCRYPT))
def test_a_request_to_encrypt_without_a_required_field_is_refused(name: str) -> None:
    with pytest.raises(FieldError, match=name):
        read_encrypt(without(ENCRYPT, name))


@pytest.mark.parametrize("name", sorted(CALLER))
def test_a_request_to_use_a_key_says_on_whose_behalf(name: str) -> None:
    with pytest.raises(FieldError, match=name):
        read_encrypt({**ENCRYPT, "requestMetadata": without(CALLER, name)})


@pytest.mark.parametrize(
    "change",
    [
        {"encryptionAlgorithm": "AES_CBC"},
        {"ciphertextDataIntegrityValueAlgorithm": "MD5"},
        {"requestMetadata": []},
        {"requestMetadata": {**CALLER, "kmsKeyArn": "a" * 2049}},
        {"requestMetadata": {**CALLER, "kmsOperation": 7}},
        {"requestMetadata": {**CALLER, "kmsRequestId": ""}},
    ],
)
def test_fields_of_another_form_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        read_encrypt({**ENCRYPT, **change})


def test_arns_of_2048_characters_and_operations_to_come_are_taken() -> None:
    caller = {**CALLER, "kmsKeyArn": "a" * 2048, "kmsOperation": "BulkEncrypt", "sourceIdentity": "x"}
    assert read_encrypt({**ENCRYPT, "requestMetadata": caller}).metadata.operation == "BulkEncrypt"


@pytest.mark.parametrize(("name", "limit"), [("plaintext", 6160), ("additionalAuthenticatedData", 8192)])
def test_what_is_longer_than_is_processed_is_told_from_what_is_wrong(name: str, limit: int) -> None:
    read_encrypt({**ENCRYPT, name: encoded(bytes(limit))})
    with pytest.raises(TooLongError, match=name):
        read_encrypt({**ENCRYPT, name: encoded(bytes(limit + 1))})


def test_a_request_to_decrypt_is_read() -> None:
    request = {**ENCRYPT, **without(ANSWER, "plaintext"), "additionalAuthenticatedData": encoded(AAD)}
    found = read_decrypt(request)
    assert (found.sealed, found.aad) == (read_sealed(ANSWER), AAD)


def test_metadata_is_written_as_it_was_read() -> None:
    assert read_metadata({"requestMetadata": CALLER}).fields() == CALLER
    bare = {"kmsOperation": "KmsHealthCheck", "kmsRequestId": "r"}
    assert read_metadata({"requestMetadata": bare}) == Metadata(operation="KmsHealthCheck", request_id="r")


def test_what_is_said_of_a_key_is_read_as_it_was_written() -> None:
    said = KeyMetadata(spec="AES_256", usages=frozenset({"ENCRYPT", "DECRYPT"}), enabled=False)
    assert said.fields() == {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "DISABLED"}
    assert read_key_metadata(said.fields()) == said


@pytest.mark.parametrize(
    "change",
    [
        {"keySpec": None},
        {"keyUsage": "ENCRYPT"},
        {"keyUsage": [1]},
        {"keyUsage": ["A"] * 11},
        {"keyStatus": "enabled"},
        {"keyStatus": None},
    ],
)
def test_a_key_of_which_something_else_is_said_is_refused(change: dict[str, Any]) -> None:
    fields = KeyMetadata(spec="AES_256", usages=frozenset({"ENCRYPT"}), enabled=True).fields()
    with pytest.raises(FieldError):
        read_key_metadata({**fields, **change})


def test_the_health_of_key_managers_is_read_as_it_was_written() -> None:
    managers = (
        Manager(manager_id="a", model="m", health="ACTIVE"),
        Manager(manager_id="b", model="m", health="UNAVAILABLE"),
    )
    fields = health_fields("kmsplan", "kmsplan 1", managers)
    assert read_health(fields) == managers
    assert fields["xksProxyFleetSize"] == 1


@pytest.mark.parametrize(
    "details",
    [None, [], [1], [{"id": "a", "model": "m"}], [{"id": "a", "model": "m", "healthStatus": "FINE"}], [{}] * 11],
)
def test_a_health_of_another_form_is_refused(details: Any) -> None:
    with pytest.raises(FieldError):
        read_health({"ekmFleetDetails": details})


def test_more_key_managers_than_may_be_named_are_cut_off() -> None:
    managers = tuple(Manager(manager_id=str(each), model="m", health="ACTIVE") for each in range(12))
    assert len(health_fields("v", "m", managers)["ekmFleetDetails"]) == 10


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"null", b'"a"', b"\xff", b"{" * 5000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(FieldError, match=r"not a JSON object|not JSON"):
        read_object(body)


def test_the_parts_of_an_integrity_value_are_in_the_specifications_order() -> None:
    parts = Sealed(ciphertext=b"c", iv=b"i", tag=b"t", metadata=b"m")
    assert parts.integrity(b"a") == hashlib.sha256(b"amict").digest()
    assert base64.b64decode(encoded(b"\x00\xff")) == b"\x00\xff"
