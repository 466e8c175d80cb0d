"""Proof that a key just made works: no key becomes ready without it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import AsymmetricDecrypter, Encrypter, InvalidCiphertextError, Signer
from kmsplan.kms.spec import ALGORITHMS, KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.hsm.handle import Handle

_MESSAGE: Final = b"kmsplan: proof that a key works"


def works(handle: Handle, algorithm: str, public_key: bytes | None) -> bool:
    """Use the handle once and check the result, with the public key where there is one.

    Raises:
        HsmError: the token does not answer.
    """
    try:
        if ALGORITHMS[algorithm].usage is KeyUsage.SIGN:
            return isinstance(handle, Signer) and _signs(handle, algorithm, public_key)
        if public_key is None:
            return isinstance(handle, Encrypter) and handle.decrypt(handle.encrypt(_MESSAGE, b""), b"") == _MESSAGE
        return isinstance(handle, AsymmetricDecrypter) and _opens(handle, algorithm, public_key)
    except InvalidCiphertextError:
        return False


def _signs(handle: Signer, algorithm: str, public_key: bytes | None) -> bool:
    digest = hashlib.sha256(_MESSAGE).digest()
    return public_key is not None and publickey.verify(public_key, algorithm, digest, handle.sign(algorithm, digest))


def _opens(handle: AsymmetricDecrypter, algorithm: str, public_key: bytes) -> bool:
    return handle.asymmetric_decrypt(algorithm, publickey.encrypt(public_key, algorithm, _MESSAGE)) == _MESSAGE
