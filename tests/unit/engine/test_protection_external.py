from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.protection.external import ExternalHandle, ExternalProtection
from kmsplan.engine.protection.protocol import (
    Encrypter,
    InvalidCiphertextError,
    NotOfferedError,
    ProtectionUnavailableError,
)
from kmsplan.engine.xks.client import ProxyClient
from kmsplan.engine.xks.signature import Credential
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.xks import KeyManager, ScriptedProxy

MESSAGE, AAD = b"the message", b"what it is bound to"


@pytest.fixture
def protection(proxy: ScriptedProxy) -> Iterator[ExternalProtection]:
    credential = Credential(access_key_id="AKIDEXAMPLE234567ABC", secret=SecretBytes(b"secret"))
    client = ProxyClient(proxy.address, lambda: credential, clock=lambda: datetime.now(UTC), budget=30.0)
    protection = ExternalProtection(client, os.urandom)
    yield protection
    protection.close()


@pytest.fixture
def handle(protection: ExternalProtection) -> ExternalHandle:
    return protection.open(KeySpec.AES_256, b"theirs", None)


def test_a_handle_encrypts_and_nothing_else(handle: ExternalHandle) -> None:
    assert isinstance(handle, Encrypter)


@pytest.mark.parametrize("size", [0, 1, 32, 4096, 6144])
def test_what_was_encrypted_opens(handle: ExternalHandle, size: int) -> None:
    plaintext = os.urandom(size)
    assert handle.decrypt(handle.encrypt(plaintext, AAD), AAD) == plaintext


def test_a_ciphertext_opens_with_its_own_key_and_associated_data_alone(
    protection: ExternalProtection, handle: ExternalHandle
) -> None:
    sealed = handle.encrypt(MESSAGE, AAD)
    with pytest.raises(InvalidCiphertextError):
        handle.decrypt(sealed, AAD + b"x")
    with pytest.raises(InvalidCiphertextError):
        protection.open(KeySpec.AES_256, b"other", None).decrypt(sealed, AAD)


def test_each_byte_of_a_ciphertext_counts(handle: ExternalHandle) -> None:
    sealed = handle.encrypt(MESSAGE, AAD)
    for at in range(len(sealed)):
        with pytest.raises(InvalidCiphertextError):
            handle.decrypt(sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :], AAD)


def test_a_ciphertext_cut_short_or_made_longer_does_not_open(handle: ExternalHandle) -> None:
    sealed = handle.encrypt(b"", AAD)
    for length in range(len(sealed)):
        with pytest.raises(InvalidCiphertextError):
            handle.decrypt(sealed[:length], AAD)
    with pytest.raises(InvalidCiphertextError):
        handle.decrypt(sealed + b"\0", AAD)


def test_associated_data_of_any_length_fits_into_what_proxies_take(handle: ExternalHandle, manager: KeyManager) -> None:
    long = os.urandom(40_000)
    assert handle.decrypt(handle.encrypt(MESSAGE, long), long) == MESSAGE
    assert {len(base64.b64decode(sent["additionalAuthenticatedData"])) for _, sent in manager.calls} == {32}


def test_the_plaintext_of_another_ciphertext_is_not_taken(handle: ExternalHandle, manager: KeyManager) -> None:
    first, second = handle.encrypt(MESSAGE, AAD), handle.encrypt(b"the MESSAGE", AAD)
    answers: list[dict[str, Any]] = []

    def first_again(answer: dict[str, Any]) -> dict[str, Any]:
        answers.append(answer)
        return answers[0]

    manager.alter = first_again
    assert handle.decrypt(first, AAD) == MESSAGE
    with pytest.raises(ProtectionUnavailableError, match="mixes answers up"):
        handle.decrypt(second, AAD)


def test_a_plaintext_damaged_on_its_way_is_not_taken(handle: ExternalHandle, manager: KeyManager) -> None:
    sealed = handle.encrypt(MESSAGE, AAD)

    def damage(answer: dict[str, Any]) -> dict[str, Any]:
        content = base64.b64decode(answer["plaintext"])
        return {"plaintext": base64.b64encode(content[:-1] + bytes((content[-1] ^ 1,))).decode()}

    manager.alter = damage
    with pytest.raises(ProtectionUnavailableError, match="another plaintext than was encrypted"):
        handle.decrypt(sealed, AAD)


def test_one_plaintext_gives_two_ciphertexts(handle: ExternalHandle) -> None:
    assert handle.encrypt(MESSAGE, AAD) != handle.encrypt(MESSAGE, AAD)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("ValidationException", ProtectionUnavailableError, "could not understand"),
        ("InvalidStateException", ProtectionUnavailableError, "disabled there; enable it there"),
        ("AuthenticationFailedException", ProtectionUnavailableError, "compare `access_key`"),
        ("KeyNotFoundException", ProtectionUnavailableError, "does not know the key"),
        ("InvalidUriPathException", ProtectionUnavailableError, "compare `path`"),
        ("DependencyTimeoutException", ProtectionUnavailableError, "did not answer its proxy"),
        ("InternalException", ProtectionUnavailableError, "answered that it failed"),
        ("InvalidKeyUsageException", NotOfferedError, "cannot do this"),
        ("UnsupportedOperationException", NotOfferedError, "cannot do this"),
        ("InvalidCiphertextException", InvalidCiphertextError, "does not open"),
        ("AccessDeniedException", KmsError, "Forbidden.NoPermission"),
        ("ThrottlingException", KmsError, "Rejected.Throttling"),
    ],
)
def test_each_answer_of_a_proxy_has_its_meaning_here(
    handle: ExternalHandle, manager: KeyManager, name: str, error: type[Exception], words: str
) -> None:
    manager.error = name
    with pytest.raises(error, match=words):
        handle.encrypt(MESSAGE, AAD)


def test_a_proxy_that_is_gone_makes_its_keys_unavailable(handle: ExternalHandle, proxy: ScriptedProxy) -> None:
    proxy.close()
    with pytest.raises(ProtectionUnavailableError, match=r"external key 'theirs': the proxy .* cannot be reached"):
        handle.encrypt(MESSAGE, AAD)


def test_specs_are_those_of_the_api_once_a_key_manager_serves(
    protection: ExternalProtection, manager: KeyManager
) -> None:
    assert protection.specs() == {KeySpec.AES_256}
    manager.health = "DEGRADED"
    assert protection.specs() == {KeySpec.AES_256}
    manager.health = "UNAVAILABLE"
    with pytest.raises(ProtectionUnavailableError, match="no key manager behind it does"):
        protection.specs()


def test_no_key_is_made_and_none_destroyed_here(protection: ExternalProtection, manager: KeyManager) -> None:
    with pytest.raises(NotOfferedError, match="made at its key manager"):
        protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, b"theirs")
    protection.destroy(b"theirs")
    assert manager.calls == []


def test_a_key_that_can_be_used_is_accepted(protection: ExternalProtection, manager: KeyManager) -> None:
    protection.require("theirs")
    manager.usages = ["WRAP", "DECRYPT", "ENCRYPT"]
    protection.require("theirs")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": "AES_128"}, "only AES_256"),
        ({"usages": ["ENCRYPT"]}, "must be for ENCRYPT and DECRYPT"),
        ({"usages": []}, "is for nothing"),
        ({"status": "DISABLED"}, "enable it there"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_and_says_why(
    protection: ExternalProtection, manager: KeyManager, change: dict[str, Any], words: str
) -> None:
    for name, value in change.items():
        setattr(manager, name, value)
    with pytest.raises(NotOfferedError, match=words):
        protection.require("theirs")


def test_a_key_that_the_key_manager_does_not_have_is_refused(protection: ExternalProtection) -> None:
    with pytest.raises(ProtectionUnavailableError, match="'nobodys': the key manager does not know the key"):
        protection.require("nobodys")


def test_keys_are_missing_that_the_key_manager_does_not_know_or_has_disabled(
    protection: ExternalProtection, manager: KeyManager
) -> None:
    references = [b"theirs", b"other", b"nobodys"]
    assert protection.missing(references) == {b"nobodys"}
    manager.status = "DISABLED"
    assert protection.missing(references) == set(references)
    assert protection.missing([]) == frozenset()


@pytest.mark.parametrize(
    "name", ["InternalException", "AccessDeniedException", "ThrottlingException", "ValidationException"]
)
def test_an_answer_that_says_nothing_of_a_key_is_never_taken_for_missing(
    protection: ExternalProtection, manager: KeyManager, name: str
) -> None:
    manager.error = name
    with pytest.raises(ProtectionUnavailableError):
        protection.missing([b"theirs"])


def test_a_proxy_that_is_gone_is_never_taken_for_missing(protection: ExternalProtection, proxy: ScriptedProxy) -> None:
    proxy.close()
    with pytest.raises(ProtectionUnavailableError):
        protection.missing([b"theirs"])
