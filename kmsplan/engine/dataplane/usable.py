"""The data plane as methods of the engine, for callers that wait in their thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kmsplan.engine.facet import Facet

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.dataplane import datakey, symmetric
    from kmsplan.engine.dataplane.crypto import Context, Crypto


class Usable(Facet):
    """Cryptography. An id, an alias or an ARN names a key; all return once the audit entry is on disk.

    All raise KmsError: there is no such key, it does not go with the call, or the caller may not use it.
    """

    __slots__ = ()

    @property
    def begin(self) -> Crypto:
        """The data plane, for callers that do not wait in a thread: what is below, each call up to its commit."""
        return self.beginning()(self._caller)

    def beginning(self, *, hurried: bool = False) -> Callable[[Caller], Crypto]:
        """Return what makes the same for whatever caller; see `Crypto` for who is in a hurry."""
        self._require_writable()
        from kmsplan.engine.dataplane.crypto import Crypto  # noqa: PLC0415 - imports cryptography; planning does not need it

        return partial(Crypto, self._core, hurried=hurried)

    def encrypt(
        self, key: str, plaintext: bytes, context: Context = None, *, dry_run: bool = False
    ) -> symmetric.Encrypted:
        """Encrypt with a symmetric key's primary version.

        The plaintext has at most 6,144 bytes. The ciphertext opens under an equal context only, in any order.
        """
        return self.begin.encrypt(key, plaintext, context, dry_run=dry_run).wait()

    def decrypt(self, blob: bytes, context: Context = None, *, dry_run: bool = False) -> symmetric.Decrypted:
        """Decrypt what `encrypt` returned.

        Raises:
            InvalidCiphertextError: anything about the ciphertext or the context is wrong.
        """
        return self.begin.decrypt(blob, context, dry_run=dry_run).wait()

    def generate_data_key(
        self, key: str, length: int, context: Context = None, *, export: bool = True, dry_run: bool = False
    ) -> datakey.DataKey:
        """Make a data key of so many bytes, encrypted by a symmetric key; the ciphertext holds its Base64 text.

        Args:
            key: what encrypts it.
            length: 1 to 1,024 bytes.
            context: see `encrypt`.
            export: whether the caller will see the data key (GenerateDataKey) or not (...WithoutPlaintext).
            dry_run: check everything, then refuse with DryRunOperationError.
        """
        return self.begin.generate_data_key(key, length, context, export=export, dry_run=dry_run).wait()

    def sign(
        self, key: str, version: str | None, algorithm: str | None, digest: bytes, *, dry_run: bool = False
    ) -> bytes:
        """Sign a digest; the newest version and the spec's first algorithm, unless others are named."""
        return self.begin.sign(key, version, algorithm, digest, dry_run=dry_run).wait().signature

    def verify(
        self,
        key: str,
        version: str | None,
        algorithm: str | None,
        digest: bytes,
        signature: bytes,
        *,
        dry_run: bool = False,
    ) -> bool:
        """Return whether a signature over a digest holds."""
        return self.begin.verify(key, version, algorithm, digest, signature, dry_run=dry_run).wait().holds

    def asymmetric_encrypt(
        self, key: str, version: str | None, algorithm: str | None, plaintext: bytes, *, dry_run: bool = False
    ) -> bytes:
        """Encrypt with the public half of an RSA (OAEP) or SM2 key."""
        return self.begin.asymmetric_encrypt(key, version, algorithm, plaintext, dry_run=dry_run).wait().blob

    def asymmetric_decrypt(
        self, key: str, version: str | None, algorithm: str | None, blob: bytes, *, dry_run: bool = False
    ) -> bytes:
        """Decrypt with an RSA (OAEP) or SM2 key.

        Raises:
            InvalidCiphertextError: anything about the ciphertext is wrong.
        """
        return self.begin.asymmetric_decrypt(key, version, algorithm, blob, dry_run=dry_run).wait().plaintext

    def public_key(self, key: str, version: str | None = None, *, dry_run: bool = False) -> str:
        """Return an asymmetric key's public half as PEM (SubjectPublicKeyInfo)."""
        return self.begin.public_key(key, version, dry_run=dry_run).wait().pem

    def generate_mac(self, key: str, algorithm: str | None, message: bytes, *, dry_run: bool = False) -> bytes:
        """Return a message's authentication code (HMAC)."""
        return self.begin.generate_mac(key, algorithm, message, dry_run=dry_run).wait().mac

    def verify_mac(
        self, key: str, algorithm: str | None, message: bytes, code: bytes, *, dry_run: bool = False
    ) -> bool:
        """Return whether a code is the message's."""
        return self.begin.verify_mac(key, algorithm, message, code, dry_run=dry_run).wait().holds
