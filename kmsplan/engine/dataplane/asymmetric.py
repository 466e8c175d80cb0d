"""AsymmetricSign, AsymmetricVerify, AsymmetricEncrypt, AsymmetricDecrypt and GetPublicKey."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kmsplan.engine.dataplane.target import check_digest
from kmsplan.engine.protection import publickey
from kmsplan.kms.spec import KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.dataplane.call import Call
    from kmsplan.engine.dataplane.target import Target


class Signed(NamedTuple):
    """A signature, and what made it."""

    signature: bytes
    key_id: str
    version_id: str


class Verified(NamedTuple):
    """Whether a signature holds, and under what."""

    holds: bool
    key_id: str
    version_id: str


class Opened(NamedTuple):
    """A plaintext or a ciphertext, and what made it."""

    plaintext: bytes
    key_id: str
    version_id: str


class Locked(NamedTuple):
    """A ciphertext, and what made it."""

    blob: bytes
    key_id: str
    version_id: str


class PublicKey(NamedTuple):
    """A public key as PEM (SubjectPublicKeyInfo), and whose it is."""

    pem: str
    key_id: str
    version_id: str


def sign(call: Call, key: str, version: str | None, algorithm: str | None, digest: bytes) -> Signed:
    """Sign a digest."""
    target, chosen = _find(call, key, version, algorithm, KeyUsage.SIGN)
    check_digest(chosen, digest)
    return Signed(target.signer(call.core).sign(chosen, digest), target.key_id, target.version_id)


def verify(
    call: Call, key: str, version: str | None, algorithm: str | None, digest: bytes, signature: bytes
) -> Verified:
    """Check a signature over a digest; a wrong one is an answer, no error."""
    target, chosen = _find(call, key, version, algorithm, KeyUsage.SIGN)
    check_digest(chosen, digest)
    holds = publickey.verify(target.public_key(call.core), chosen, digest, signature)
    return Verified(holds, target.key_id, target.version_id)


def encrypt(call: Call, key: str, version: str | None, algorithm: str | None, plaintext: bytes) -> Locked:
    """Encrypt with the public half."""
    target, chosen = _find(call, key, version, algorithm, KeyUsage.ENCRYPT)
    target.check_plaintext(chosen, plaintext)
    target.prove_decryption(call.core, chosen)
    blob = publickey.encrypt(target.public_key(call.core), chosen, plaintext)
    return Locked(blob, target.key_id, target.version_id)


def decrypt(
    call: Call, key: str, version: str | None, algorithm: str | None, blob: bytes, *, action: str | None = None
) -> Opened:
    """Decrypt with the private half.

    Raises:
        InvalidCiphertextError: anything about the ciphertext is wrong.
    """
    target, chosen = _find(call, key, version, algorithm, KeyUsage.ENCRYPT, action)
    plaintext = target.decrypter(call.core).asymmetric_decrypt(chosen, blob)
    return Opened(plaintext, target.key_id, target.version_id)


def public_key(call: Call, key: str, version: str | None) -> PublicKey:
    """Return the public half."""
    target = call.find(key, version=version, usage=None, symmetric=False)
    return PublicKey(publickey.pem(target.public_key(call.core)), target.key_id, target.version_id)


def _find(
    call: Call, key: str, version: str | None, algorithm: str | None, usage: KeyUsage, action: str | None = None
) -> tuple[Target, str]:
    """Return the key version and the algorithm, each the default unless named."""
    target = call.find(key, version=version, usage=usage, symmetric=False, action=action)
    chosen = target.algorithm(algorithm)
    call.request.parameters = {"Algorithm": chosen}
    return target, chosen
