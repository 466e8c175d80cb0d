from __future__ import annotations

import base64
import dataclasses
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from kmsplan.engine.caller import Caller
from kmsplan.engine.dataplane.crypto import Crypto
from kmsplan.engine.xks.health import FRESH, Health
from kmsplan.engine.xks.message import Sealed
from kmsplan.engine.xks.proxy import Proxy, Reply
from kmsplan.engine.xks.signature import Credential, Signable, sign
from kmsplan.kms.operation import (
    CreateAlias,
    DisableKey,
    EnableKey,
    ScheduleKeyDeletion,
    UpdateAlias,
    UpdateRotationPolicy,
)
from tests.engines import DAY, Lab, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.service import Engine

PATH = "/tenant-1/kms/xks/v1"
CALLER = {
    "awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice",
    "kmsKeyArn": "arn:aws:kms:us-east-2:123456789012:key/1234abcd",
    "kmsOperation": "Encrypt",
    "kmsRequestId": "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
}
AAD = base64.b64encode(b"project=nile,department=marketing").decode()


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclasses.dataclass
class Offer:
    """A proxy, and a client of it that signs."""

    lab: Lab
    engine: Engine
    key: str
    proxy: Proxy
    credential: Credential
    seconds: Seconds

    def signed(self, path: str, body: bytes, **changes: Any) -> Signable:
        headers = sign(self.credential, "us-east-1", host="proxy", path=path, body=body, now=self.lab.clock())
        named = {name.lower(): value for name, value in headers.items()}
        return dataclasses.replace(Signable(method="POST", path=path, headers=named, body=body), **changes)

    def reply(self, path: str, fields: Any = None, **changes: Any) -> Reply:
        body = orjson.dumps({"requestMetadata": CALLER} if fields is None else fields)
        return self.proxy.answer(self.signed(PATH + path, body, **changes), "", "192.0.2.1:4711")

    def ask(self, path: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        reply = self.reply(path, {"requestMetadata": CALLER, **fields})
        return reply.status, orjson.loads(reply.body)

    def encrypt(self, plaintext: bytes = b"hello", **fields: Any) -> tuple[int, dict[str, Any]]:
        written = base64.b64encode(plaintext).decode()
        return self.ask("/keys/theirs/encrypt", plaintext=written, encryptionAlgorithm="AES_GCM", **fields)

    def decrypt(self, sealed: dict[str, Any], **fields: Any) -> tuple[int, dict[str, Any]]:
        return self.ask("/keys/theirs/decrypt", encryptionAlgorithm="AES_GCM", **{**sealed, **fields})

    def refusal(self, path: str, **fields: Any) -> tuple[int, str]:
        status, answer = self.ask(path, **fields)
        return status, answer["errorName"]


@pytest.fixture
def offer(tmp_path: Path, credential: Credential) -> Iterator[Offer]:
    lab = Lab(tmp_path / "engine")
    lab.create()
    engine = lab.open()
    instance = new_instance(engine)
    key = new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/theirs", key=key))
    seconds = Seconds()
    health = Health(engine.acting(Caller(actor="xks-proxy/health")), {instance: key}, "kmsplan 1", seconds)
    proxy = Proxy(
        engine,
        {"theirs": key, "other": new_key(engine, instance)},
        {credential.access_key_id: credential.secret},
        health=health,
        path=PATH,
        clock=lab.clock,
        region=None,
        version="1",
    )
    yield Offer(lab, engine, key, proxy, credential, seconds)
    lab.close()


def test_what_was_encrypted_is_decrypted(offer: Offer) -> None:
    status, sealed = offer.encrypt(additionalAuthenticatedData=AAD)
    assert status == 200
    assert sorted(sealed) == ["authenticationTag", "ciphertext", "ciphertextMetadata", "initializationVector"]
    assert len(base64.b64decode(sealed["ciphertext"])) == len(b"hello")
    assert len(base64.b64decode(sealed["ciphertextMetadata"])) <= 20
    assert offer.decrypt(sealed, additionalAuthenticatedData=AAD) == (200, {"plaintext": "aGVsbG8="})


def test_an_integrity_value_is_given_where_it_is_asked_for(offer: Offer) -> None:
    _, sealed = offer.encrypt(additionalAuthenticatedData=AAD, ciphertextDataIntegrityValueAlgorithm="SHA_256")
    integrity = base64.b64decode(sealed.pop("ciphertextDataIntegrityValue"))
    parts = {name: base64.b64decode(value) for name, value in sealed.items()}
    made = Sealed(
        ciphertext=parts["ciphertext"],
        iv=parts["initializationVector"],
        tag=parts["authenticationTag"],
        metadata=parts["ciphertextMetadata"],
    )
    assert integrity == made.integrity(base64.b64decode(AAD))


@pytest.mark.parametrize(
    ("first", "then"),
    [(AAD, None), (None, AAD), (AAD, "b3RoZXI="), (AAD, AAD[:-4]), ("", "AA==")],
)
def test_other_associated_data_do_not_open_a_ciphertext(offer: Offer, first: str | None, then: str | None) -> None:
    _, sealed = offer.encrypt(additionalAuthenticatedData=first)
    status, answer = offer.decrypt(sealed, additionalAuthenticatedData=then)
    assert (status, answer["errorName"]) == (400, "InvalidCiphertextException")


def test_metadata_cannot_be_moved_into_the_associated_data(offer: Offer) -> None:
    _, sealed = offer.encrypt()
    moved = sealed.pop("ciphertextMetadata")
    status, answer = offer.decrypt(sealed, additionalAuthenticatedData=moved)
    assert (status, answer["errorName"]) == (400, "InvalidCiphertextException")


@pytest.mark.parametrize("name", ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"])
def test_each_byte_of_a_ciphertext_counts(offer: Offer, name: str) -> None:
    _, sealed = offer.encrypt()
    content = base64.b64decode(sealed[name])
    for at in range(len(content)):
        altered = content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :]
        status, answer = offer.decrypt({**sealed, name: base64.b64encode(altered).decode()})
        assert (status, answer["errorName"]) == (400, "InvalidCiphertextException")


def test_another_key_does_not_open_a_ciphertext(offer: Offer) -> None:
    _, sealed = offer.encrypt()
    status, name = offer.refusal("/keys/other/decrypt", encryptionAlgorithm="AES_GCM", **sealed)
    assert (status, name) == (400, "InvalidCiphertextException")


def test_an_iv_of_16_bytes_is_no_error_of_form(offer: Offer) -> None:
    _, sealed = offer.encrypt()
    status, answer = offer.decrypt({**sealed, "initializationVector": base64.b64encode(bytes(16)).decode()})
    assert (status, answer["errorName"]) == (400, "InvalidCiphertextException")


def test_metadata_longer_than_any_is_an_error_of_form(offer: Offer) -> None:
    _, sealed = offer.encrypt()
    status, answer = offer.decrypt({**sealed, "ciphertextMetadata": base64.b64encode(bytes(21)).decode()})
    assert (status, answer["errorName"]) == (400, "ValidationException")


def test_plaintext_and_associated_data_of_the_sizes_that_must_be_taken(offer: Offer) -> None:
    plaintext, aad = os.urandom(4300), base64.b64encode(os.urandom(8192)).decode()
    _, sealed = offer.encrypt(plaintext, additionalAuthenticatedData=aad)
    _, answer = offer.decrypt(sealed, additionalAuthenticatedData=aad)
    assert base64.b64decode(answer["plaintext"]) == plaintext


def test_the_longest_plaintext_of_this_kms_fits_with_the_check_value_that_its_own_client_adds(offer: Offer) -> None:
    plaintext = os.urandom(6144 + 16)
    for integrity in ({}, {"ciphertextDataIntegrityValueAlgorithm": "SHA_256"}):
        status, sealed = offer.encrypt(plaintext, **integrity)
        assert status == 200
        assert base64.b64decode(offer.decrypt(sealed)[1]["plaintext"]) == plaintext


def test_what_is_larger_is_not_supported(offer: Offer) -> None:
    status, answer = offer.encrypt(bytes(6161))
    assert (status, answer["errorName"]) == (501, "UnsupportedOperationException")
    status, answer = offer.encrypt(additionalAuthenticatedData=base64.b64encode(bytes(8193)).decode())
    assert (status, answer["errorName"]) == (501, "UnsupportedOperationException")


def test_an_old_version_still_opens_what_it_made(offer: Offer) -> None:
    offer.engine.execute(UpdateRotationPolicy(key=offer.key, rotation=7 * 86400))
    _, old = offer.encrypt()
    offer.lab.clock.move(8 * DAY)
    offer.engine.tick()
    _, new = offer.encrypt()
    assert old["ciphertextMetadata"] != new["ciphertextMetadata"]
    assert [offer.decrypt(sealed)[0] for sealed in (old, new)] == [200, 200]


def test_a_name_stays_with_its_key_when_the_alias_moves_on(offer: Offer) -> None:
    _, sealed = offer.encrypt()
    (row,) = offer.engine.describe([offer.key]).keys
    offer.engine.execute(UpdateAlias(alias="alias/theirs", key=new_key(offer.engine, row["instance_id"])))
    assert offer.decrypt(sealed)[0] == 200


def test_metadata_says_what_a_key_is_for_and_whether_it_is_enabled(offer: Offer) -> None:
    said = {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}
    assert offer.ask("/keys/theirs/metadata") == (200, said)
    offer.engine.execute(DisableKey(key=offer.key))
    assert offer.ask("/keys/theirs/metadata") == (200, {**said, "keyStatus": "DISABLED"})


def test_metadata_needs_no_key_arn(offer: Offer) -> None:
    caller = {name: value for name, value in CALLER.items() if name != "kmsKeyArn"}
    assert offer.reply("/keys/theirs/metadata", {"requestMetadata": caller}).status == 200


def test_a_disabled_key_says_so_and_works_again_once_enabled(offer: Offer) -> None:
    _, sealed = offer.encrypt()
    offer.engine.execute(DisableKey(key=offer.key))
    assert [offer.encrypt()[0], offer.decrypt(sealed)[0]] == [400, 400]
    assert offer.encrypt()[1]["errorName"] == "InvalidStateException"
    offer.engine.execute(EnableKey(key=offer.key))
    assert offer.decrypt(sealed)[0] == 200


def test_a_key_that_is_going_and_a_sealed_engine_are_states(offer: Offer) -> None:
    offer.engine.execute(ScheduleKeyDeletion(key=offer.key, window_days=7))
    assert offer.encrypt()[1]["errorName"] == "InvalidStateException"
    offer.engine.seal()
    _, answer = offer.ask("/keys/other/encrypt", plaintext="", encryptionAlgorithm="AES_GCM")
    assert answer["errorName"] == "InvalidStateException"


def test_a_key_that_is_gone_is_not_found(offer: Offer) -> None:
    offer.engine.execute(ScheduleKeyDeletion(key=offer.key, window_days=7))
    offer.lab.clock.move(8 * DAY)
    offer.engine.tick()
    assert offer.encrypt()[1]["errorName"] == "KeyNotFoundException"
    assert offer.refusal("/keys/theirs/metadata") == (404, "KeyNotFoundException")


def test_a_key_that_is_not_offered_is_not_found_though_it_exists(offer: Offer) -> None:
    assert offer.refusal(f"/keys/{offer.key}/metadata") == (404, "KeyNotFoundException")


@pytest.mark.parametrize(
    "path",
    [
        "/kms/xks/v1/health",
        f"{PATH}",
        f"{PATH}/",
        f"{PATH}/keys",
        f"{PATH}/keys/theirs",
        f"{PATH}/keys/theirs/sign",
        f"{PATH}/keys/a%2Fb/encrypt",
        f"{PATH}/keys/theirs/encrypt/",
        f"/x{PATH}/health",
        f"{PATH}/health/",
    ],
)
def test_other_paths_are_invalid(offer: Offer, path: str) -> None:
    reply = offer.proxy.answer(offer.signed(path, b"{}"), "", "peer")
    assert (reply.status, orjson.loads(reply.body)["errorName"]) == (404, "InvalidUriPathException")


def test_a_query_is_invalid(offer: Offer) -> None:
    reply = offer.proxy.answer(offer.signed(f"{PATH}/health", b"{}"), "a=b", "peer")
    assert reply.status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
@pytest.mark.parametrize("path", ["/health", "/keys/theirs/metadata", "/keys/theirs/encrypt", "/keys/nobodys/decrypt"])
def test_other_methods_than_post_are_not_allowed(offer: Offer, method: str, path: str) -> None:
    assert offer.reply(path, method=method).status == 405


def test_load_balancers_ask_without_a_signature(offer: Offer) -> None:
    reply = offer.proxy.answer(Signable(method="GET", path="/ping", headers={}, body=b""), "", "peer")
    assert (reply.status, reply.body) == (200, b"pong")


@pytest.mark.parametrize("path", ["/health", "/keys/theirs/metadata", "/keys/theirs/encrypt", "/keys/nobodys/decrypt"])
def test_whoever_does_not_sign_learns_nothing_of_any_key(offer: Offer, path: str) -> None:
    reply = offer.reply(path, headers={"host": "proxy"})
    answer = orjson.loads(reply.body)
    assert (reply.status, answer["errorName"]) == (401, "AuthenticationFailedException")
    assert "missing, wrong, or too old or new" in answer["errorMessage"]


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_request_of_another_time_is_refused_and_the_log_says_why(offer: Offer, minutes: int) -> None:
    body = orjson.dumps({"requestMetadata": CALLER})
    request = offer.signed(f"{PATH}/health", body)
    offer.lab.clock.move(timedelta(minutes=minutes))
    reply = offer.proxy.answer(request, "", "peer")
    assert reply.status == 401
    assert "compare the clocks" in reply.log["reason"]


@pytest.mark.parametrize(
    "fields",
    [
        {"plaintext": "AAAA"},
        {"encryptionAlgorithm": "AES_GCM"},
        {"plaintext": "AAAA", "encryptionAlgorithm": "AES_CBC"},
        {"plaintext": "!", "encryptionAlgorithm": "AES_GCM"},
        {"plaintext": "AAAA", "encryptionAlgorithm": "AES_GCM", "additionalAuthenticatedData": 1},
        {"plaintext": "AAAA", "encryptionAlgorithm": "AES_GCM", "ciphertextDataIntegrityValueAlgorithm": "MD5"},
        {"plaintext": "AAAA", "encryptionAlgorithm": "AES_GCM", "requestMetadata": {}},
    ],
)
def test_fields_that_are_missing_or_wrong_are_invalid(offer: Offer, fields: dict[str, Any]) -> None:
    assert offer.refusal("/keys/theirs/encrypt", **fields) == (400, "ValidationException")


def test_a_body_that_is_no_object_is_invalid_but_for_health(offer: Offer) -> None:
    assert offer.reply("/keys/theirs/encrypt", []).status == 400
    assert offer.reply("/health", []).status == 200


def test_an_operation_to_come_is_let_pass(offer: Offer) -> None:
    caller = {**CALLER, "kmsOperation": "BulkEncrypt", "somethingNew": {"a": 1}}
    fields = {"requestMetadata": caller, "plaintext": "AAAA", "encryptionAlgorithm": "AES_GCM"}
    assert offer.reply("/keys/theirs/encrypt", fields).status == 200


def test_uses_are_audited_with_the_request_id_of_the_kms_and_its_access_key(offer: Offer) -> None:
    offer.encrypt()
    entry = list(offer.engine.audit_entries())[-1]
    assert (entry["action"], entry["resource"], entry["result"]) == ("Encrypt", offer.key, "OK")
    assert entry["actor"] == f"xks-proxy/{offer.credential.access_key_id}"
    assert (entry["request_id"], entry["source"]) == (CALLER["kmsRequestId"], "192.0.2.1:4711")


@pytest.mark.parametrize("request_id", ["with space", "ä", "a" * 129, "line\nfeed"])
def test_a_request_id_that_does_not_belong_into_a_trail_gets_another(offer: Offer, request_id: str) -> None:
    caller = {**CALLER, "kmsRequestId": request_id}
    fields = {"requestMetadata": caller, "plaintext": "AAAA", "encryptionAlgorithm": "AES_GCM"}
    assert offer.reply("/keys/theirs/encrypt", fields).status == 200
    assert list(offer.engine.audit_entries())[-1]["request_id"] != request_id


def test_the_log_tells_who_and_what_and_nothing_secret(offer: Offer) -> None:
    fields = {"requestMetadata": CALLER, "plaintext": "c2VjcmV0cw==", "encryptionAlgorithm": "AES_GCM"}
    log = offer.reply("/keys/theirs/encrypt", fields).log
    assert log["operation"] == "encrypt"
    assert (log["key"], log["kms_request_id"]) == ("theirs", CALLER["kmsRequestId"])
    assert (log["principal"], log["kms_operation"]) == (CALLER["awsPrincipalArn"], "Encrypt")
    assert "c2VjcmV0cw==" not in str(log)
    assert "secrets" not in str(log)


def test_health_is_a_real_use_of_a_key_now_and_then(offer: Offer) -> None:
    def uses() -> int:
        return sum(entry["actor"] == "xks-proxy/health" for entry in offer.engine.audit_entries())

    for _ in range(3):
        status, answer = offer.ask("/health")
        assert status == 200
    assert uses() == 2
    (manager,) = answer["ekmFleetDetails"]
    assert (manager["healthStatus"], answer["xksProxyFleetSize"]) == ("ACTIVE", 1)
    offer.seconds.now += FRESH
    offer.ask("/health")
    assert uses() == 4


def test_health_fails_while_no_key_can_be_used(offer: Offer) -> None:
    offer.engine.execute(DisableKey(key=offer.key))
    assert offer.refusal("/health") == (503, "DependencyTimeoutException")
    offer.engine.execute(EnableKey(key=offer.key))
    assert offer.refusal("/health") == (503, "DependencyTimeoutException")
    offer.seconds.now += FRESH
    assert offer.ask("/health")[0] == 200


def test_an_unforeseen_failure_tells_nothing(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the inner workings")

    monkeypatch.setattr(Crypto, "encrypt", broken)
    status, answer = offer.encrypt()
    assert (status, answer["errorName"]) == (500, "InternalException")
    assert "inner" not in str(answer)
