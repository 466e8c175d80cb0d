"""Encrypt, Decrypt and ReEncrypt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kmsplan.engine import ciphertext
from kmsplan.engine.dataplane import asymmetric
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.dataplane.call import Call
    from kmsplan.engine.dataplane.target import Target


class Encrypted(NamedTuple):
    """A ciphertext, and what made it."""

    blob: bytes
    key_id: str
    version_id: str


class Decrypted(NamedTuple):
    """A plaintext, and what the ciphertext was made with."""

    plaintext: bytes
    key_id: str
    version_id: str


def encrypt(call: Call, key: str, plaintext: bytes, context: Mapping[str, str] | None, spare: int = 0) -> Encrypted:
    """Encrypt with the primary version."""
    return seal(call, for_encryption(call, key), plaintext, context, spare)


def for_encryption(call: Call, key: str, action: str | None = None) -> Target:
    """Find a symmetric key that encrypts."""
    return call.find(key, usage=KeyUsage.ENCRYPT, symmetric=True, action=action)


def seal(call: Call, target: Target, plaintext: bytes, context: Mapping[str, str] | None, spare: int = 0) -> Encrypted:
    """Encrypt with a key that was found; the plaintext may be so many bytes longer than the API's longest."""
    if len(plaintext) > target.longest + spare:
        target.check_plaintext(target.facts.algorithms[0], plaintext)
    version_id = target.version_id
    sealed = target.encrypter(call.core).encrypt(plaintext, ciphertext.associated_data(version_id, context))
    call.will_encrypt(target)
    return Encrypted(ciphertext.join(version_id, sealed), target.key_id, version_id)


def decrypt(call: Call, blob: bytes, context: Mapping[str, str] | None, *, action: str | None = None) -> Decrypted:
    """Decrypt with the version that the ciphertext names.

    Raises:
        InvalidCiphertextError: anything about the ciphertext or the context is wrong.
        KmsError: its key is not there, as in the cloud, or cannot be used.
    """
    key_id, version_id, sealed = ciphertext.split(blob)
    name = call.home(key_id)
    try:
        target = call.find(name, version=version_id, usage=KeyUsage.ENCRYPT, symmetric=True, action=action)
    except KmsError as error:
        if error.code == "Forbidden.KeyVersionNotFound":  # no version of this key has made it
            raise InvalidCiphertextError from error
        raise
    plaintext = target.encrypter(call.core).decrypt(sealed, ciphertext.associated_data(version_id, context))
    return Decrypted(plaintext, key_id, version_id)


class Source(NamedTuple):
    """How a ciphertext of a public key was made; a symmetric key's ciphertext says it itself."""

    key: str | None = None
    version: str | None = None
    algorithm: str | None = None


def re_encrypt(
    call: Call,
    blob: bytes,
    key: str,
    source_context: Mapping[str, str] | None,
    context: Mapping[str, str] | None,
    source: Source,
) -> Encrypted:
    """Decrypt and encrypt anew; the plaintext does not leave.

    Raises:
        InvalidCiphertextError: anything about the ciphertext or its context is wrong.
    """
    target = for_encryption(call, key, "ReEncryptTo")
    if source.key is None:
        plaintext = decrypt(call, blob, source_context, action="ReEncryptFrom").plaintext
    elif source_context:
        raise KmsError(
            "InvalidParameter",
            "SourceEncryptionContext does not go with SourceKeyId: a public key's ciphertext has no context.",
        )
    else:
        plaintext = asymmetric.decrypt(
            call, source.key, source.version, source.algorithm, blob, action="ReEncryptFrom"
        ).plaintext
    return seal(call, target, plaintext, context)
