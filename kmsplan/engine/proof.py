"""Proof that new material works: no version becomes ready without it (FIPS 140-3 IG 10.3.A asks it of key pairs)."""

from __future__ import annotations

import hashlib
from typing import Final

from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import (
    AsymmetricDecrypter,
    Encrypter,
    InvalidCiphertextError,
    NotOfferedError,
    ProtectionUnavailableError,
    Signer,
)
from kmsplan.kms.spec import SPECS, KeySpec, KeyUsage

_MESSAGE: Final = b"kmsplan: does this key work?"
_DIGEST: Final = hashlib.sha256(_MESSAGE).digest()

Handle = Encrypter | Signer | AsymmetricDecrypter


def prove(handle: Handle, spec: KeySpec, usage: KeyUsage, public_key: bytes | None) -> None:
    """Use a key once in the first way that its backend offers, and check the result.

    Raises:
        ProtectionUnavailableError: it does not work.
    """
    for algorithm in SPECS[spec].algorithms_for(usage):
        try:
            works = _works(handle, algorithm, public_key)
        except NotOfferedError:
            continue
        except InvalidCiphertextError:
            works = False
        if works:
            return
        break
    raise ProtectionUnavailableError(
        f"the new {spec} key failed its self-test for {usage} and is not used. Check the HSM; a software key that "
        "fails means that this machine computes wrongly"
    )


def _works(handle: Handle, algorithm: str, public_key: bytes | None) -> bool:
    if public_key is None:
        return isinstance(handle, Encrypter) and handle.decrypt(handle.encrypt(_MESSAGE, b""), b"") == _MESSAGE
    if algorithm in publickey.OAEP_PADDINGS:
        sealed = publickey.encrypt(public_key, algorithm, _MESSAGE)
        return isinstance(handle, AsymmetricDecrypter) and handle.asymmetric_decrypt(algorithm, sealed) == _MESSAGE
    return isinstance(handle, Signer) and publickey.verify(
        public_key, algorithm, _DIGEST, handle.sign(algorithm, _DIGEST)
    )
