"""The data plane: what applications do with keys.

Each call finds the key and checks it, works outside any transaction, and answers after the commit that holds its audit
entry and its count. That transaction checks the key's state again, so that no answer leaves after the answer to a
DisableKey. An encryption that was not counted was never answered, so the count that limits AES-GCM is exact.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kmsplan.engine import ciphertext, target
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import NotOfferedError, ProtectionUnavailableError
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.target import Target

_GCM = "AES_GCM"


class Crypto:
    """Cryptography with the keys of an open engine; `Engine` has the same methods and says more of them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def encrypt(self, key: str, plaintext: bytes, context: Mapping[str, str] | None) -> tuple[bytes, str]:
        """Return ciphertext and version id."""
        core, request = self._core, self._core.request("Encrypt", key)
        with self._using(request):
            found = target.find(core, request, key, version=None, usage=KeyUsage.ENCRYPT, symmetric=True)
            found.check_plaintext(_GCM, plaintext)
            version_id = found.version.version_id
            sealed = found.encrypter(core).encrypt(plaintext, ciphertext.associated_data(version_id, context))
            self._commit(request, found, counted=True)
        return ciphertext.join(version_id, sealed), version_id

    def decrypt(self, blob: bytes, context: Mapping[str, str] | None) -> tuple[bytes, str, str]:
        """Return plaintext, key id and version id."""
        core, request = self._core, self._core.request("Decrypt", None)
        with self._using(request):
            key_id, version_id, sealed = ciphertext.split(blob)
            found = target.find(core, request, key_id, version=version_id, usage=KeyUsage.ENCRYPT, symmetric=True)
            plaintext = found.encrypter(core).decrypt(sealed, ciphertext.associated_data(version_id, context))
            self._commit(request, found)
        return plaintext, key_id, version_id

    def sign(self, key: str, version: str | None, algorithm: str | None, digest: bytes) -> bytes:
        """Return a signature."""
        core, request = self._core, self._core.request("AsymmetricSign", key)
        with self._using(request):
            found = target.find(core, request, key, version=version, usage=KeyUsage.SIGN, symmetric=False)
            chosen = found.algorithm(request, algorithm)
            target.check_digest(chosen, digest)
            signature = found.signer(core).sign(chosen, digest)
            self._commit(request, found)
        return signature

    def verify(self, key: str, version: str | None, algorithm: str | None, digest: bytes, signature: bytes) -> bool:
        """Return whether a signature holds."""
        request = self._core.request("AsymmetricVerify", key)
        with self._using(request):
            found = target.find(self._core, request, key, version=version, usage=KeyUsage.SIGN, symmetric=False)
            chosen = found.algorithm(request, algorithm)
            target.check_digest(chosen, digest)
            holds = publickey.verify(found.public_key(self._core), chosen, digest, signature)
            self._commit(request, found)
        return holds

    def asymmetric_encrypt(self, key: str, version: str | None, algorithm: str | None, plaintext: bytes) -> bytes:
        """Return a ciphertext."""
        request = self._core.request("AsymmetricEncrypt", key)
        with self._using(request):
            found = target.find(self._core, request, key, version=version, usage=KeyUsage.ENCRYPT, symmetric=False)
            chosen = found.algorithm(request, algorithm)
            found.check_plaintext(chosen, plaintext)
            found.prove_decryption(self._core, chosen)
            blob = publickey.encrypt(found.public_key(self._core), chosen, plaintext)
            self._commit(request, found)
        return blob

    def asymmetric_decrypt(self, key: str, version: str | None, algorithm: str | None, blob: bytes) -> bytes:
        """Return a plaintext."""
        core, request = self._core, self._core.request("AsymmetricDecrypt", key)
        with self._using(request):
            found = target.find(core, request, key, version=version, usage=KeyUsage.ENCRYPT, symmetric=False)
            chosen = found.algorithm(request, algorithm)
            plaintext = found.decrypter(core).asymmetric_decrypt(chosen, blob)
            self._commit(request, found)
        return plaintext

    def public_key(self, key: str, version: str | None) -> str:
        """Return a public key as PEM."""
        request = self._core.request("GetPublicKey", key)
        with self._using(request):
            found = target.find(self._core, request, key, version=version, usage=None, symmetric=False)
            pem = publickey.pem(found.public_key(self._core))
            self._commit(request, found)
        return pem

    @contextmanager
    def _using(self, request: Request) -> Iterator[None]:
        """Admit a request to use a key, and answer what a backend raises as the API would."""
        with admitted(self._core, request):
            self._core.opened()
            try:
                yield
            except NotOfferedError as error:
                raise KmsError("UnsupportedOperation", str(error)) from error
            except ProtectionUnavailableError as error:
                raise KmsError("Rejected.Unavailable", f"{request.action} was rejected: {error}") from error

    def _commit(self, request: Request, found: Target, *, counted: bool = False) -> None:
        """Check the key again, count and audit its use; return when that is on disk."""
        commit(
            self._core,
            request,
            lambda transaction: found.settle(transaction.db, request, counted=counted),
            uses_keys=True,
        )
