"""Proof that new material works: no version becomes ready without it (FIPS 140-3 IG 10.3.A asks it of key pairs)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import (
    AsymmetricDecrypter,
    Encrypter,
    InvalidCiphertextError,
    Mac,
    NotOfferedError,
    ProtectionUnavailableError,
    Signer,
)
from kmsplan.kms.spec import ALGORITHMS, SPECS, KeySpec, KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.protection.protocol import Handle

_MESSAGE: Final = b"kmsplan: does this key work?"
_DIGEST: Final = hashlib.sha256(_MESSAGE).digest()


def prove(handle: Handle, spec: KeySpec, usage: KeyUsage, public_key: bytes | None) -> None:
    """Use a key once in the first way that its backend offers, and check the result.

    Raises:
        ProtectionUnavailableError: it does not work.
    """
    for algorithm in SPECS[spec].algorithms_for(usage):
        try:
            proven = works(handle, algorithm, public_key)
        except NotOfferedError:
            continue
        if proven:
            return
        break
    raise ProtectionUnavailableError(
        f"the new {spec} key failed its self-test for {usage} and is not used. Check the HSM; a software key that "
        "fails means that this machine computes wrongly"
    )


def works(handle: Handle, algorithm: str, public_key: bytes | None) -> bool:
    """Use a key once by one algorithm and check the result, with the public key where there is one.

    Raises:
        NotOfferedError: the backend does not know the algorithm.
        ProtectionUnavailableError: it does not answer.
    """
    usage = ALGORITHMS[algorithm].usage
    try:
        if usage is KeyUsage.MAC:
            return isinstance(handle, Mac) and _authenticates(handle, algorithm)
        if usage is KeyUsage.SIGN:
            return isinstance(handle, Signer) and _signs(handle, algorithm, public_key)
        if public_key is None:
            return isinstance(handle, Encrypter) and handle.decrypt(handle.encrypt(_MESSAGE, b""), b"") == _MESSAGE
        return isinstance(handle, AsymmetricDecrypter) and _opens(handle, algorithm, public_key)
    except InvalidCiphertextError:
        return False


def _authenticates(handle: Mac, algorithm: str) -> bool:
    code = handle.mac(algorithm, _MESSAGE)
    return handle.mac(algorithm, _MESSAGE) == code != handle.mac(algorithm, _DIGEST)


def _signs(handle: Signer, algorithm: str, public_key: bytes | None) -> bool:
    return public_key is not None and publickey.verify(public_key, algorithm, _DIGEST, handle.sign(algorithm, _DIGEST))


def _opens(handle: AsymmetricDecrypter, algorithm: str, public_key: bytes) -> bool:
    return handle.asymmetric_decrypt(algorithm, publickey.encrypt(public_key, algorithm, _MESSAGE)) == _MESSAGE
