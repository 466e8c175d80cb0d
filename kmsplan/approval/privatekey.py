"""Ed25519 keys in files: made with mode 0600, refused where others could have read them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kmsplan.approval import publickey
from kmsplan.approval.error import SigningKeyError
from kmsplan.kms.ownfile import open_to_others

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.approval.publickey import PublicKey
    from kmsplan.kms.secret import SecretBytes

KEY_BYTES: Final = 32
_SIZE_LIMIT: Final = 64 * 1024
_ENCRYPTED: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


class SigningKey:
    """A private key that signs plans."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.public: PublicKey = publickey.from_der(key.public_key().public_bytes(*form))

    def sign(self, message: bytes) -> bytes:
        """Sign (RFC 8032, 5.1.6)."""
        return self._key.sign(message)


def create(path: Path, passphrase: SecretBytes | None, entropy: Callable[[int], bytes]) -> SigningKey:
    """Make a key and its file, PKCS#8 as PEM (RFC 7468, 10 and 11); a file that is there is never written over.

    Raises:
        SigningKeyError: there is a file of that name.
        OSError: it cannot be written.
    """
    key = Ed25519PrivateKey.from_private_bytes(entropy(KEY_BYTES))
    lock = serialization.BestAvailableEncryption(passphrase.reveal()) if passphrase else serialization.NoEncryption()
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise SigningKeyError(
            f"{path} is there already, and keys are never written over. Name another file."
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return SigningKey(key)


def read(path: Path, passphrase: SecretBytes | None) -> SigningKey:
    """Read a key file.

    Raises:
        SigningKeyError: others than its owner can read it, it holds no Ed25519 key, or the passphrase does not open it.
        OSError: it cannot be read.
    """
    content = _private_content(path)
    if content.startswith(_ENCRYPTED) and passphrase is None:
        raise SigningKeyError(f"the key in {path} is encrypted. Name its passphrase's variable: --passphrase-env NAME.")
    try:
        key = serialization.load_pem_private_key(
            content, passphrase.reveal() if passphrase and content.startswith(_ENCRYPTED) else None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What the library says may tell more of a secret than that it is wrong.
        what = "the passphrase does not open it, or it is" if passphrase else "it is"
        raise SigningKeyError(
            f"the key in {path} cannot be used: {what} no private key in PKCS#8 PEM. kmsplan plan keygen makes one."
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"the key in {path} is no Ed25519 key. kmsplan plan keygen makes one.")
    return SigningKey(key)


def _private_content(path: Path) -> bytes:
    """Return the content of a file that its owner alone can read: whoever has a copy can approve in its owner's name.

    Raises:
        SigningKeyError: others can read it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        problem = open_to_others(file)
        if problem is not None:
            raise SigningKeyError(
                f"the key file {path} {problem}, who may have a copy. Have the key replaced where it is trusted, or, "
                f"if nobody else was here: chmod 600 {path}"
            )
        return file.read(_SIZE_LIMIT)
