"""Keys that stay with a customer's own key manager (XKI): asked for through its proxy, never seen here.

A sealed text is `format (1) | nonce (16) | IV length (1) | IV | metadata length (1) | metadata | tag (16) |
ciphertext`. With the lengths, no byte can move from one part to the next; the key manager authenticates metadata and
associated data, in which the nonce is.

What it encrypts is a check value and the plaintext. The API has nothing that ties an answer to its request: an answer
that was duplicated on a kept connection would be taken for that to the next request, and a Decrypt would return the
plaintext of another. The check value, a hash of nonce and plaintext, tells a wrong or damaged plaintext.
"""

from __future__ import annotations

import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kmsplan.engine.framing import framed
from kmsplan.engine.offer import EXTERNAL_SPECS
from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError, ProtectionUnavailableError
from kmsplan.engine.xks import behalf, fault
from kmsplan.engine.xks.client import ProxyClient, ProxyUnreachableError
from kmsplan.engine.xks.fault import XksError
from kmsplan.engine.xks.message import (
    AES_256,
    CHECK_BYTES,
    IV_SIZES,
    METADATA_BYTES,
    TAG_BYTES,
    UNAVAILABLE,
    Metadata,
    Sealed,
)
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from kmsplan.engine.protection.protocol import Generated
    from kmsplan.engine.xks.message import KeyMetadata
    from kmsplan.kms.secret import SecretBytes
    from kmsplan.kms.spec import KeySpec, KeyUsage

_FORMAT: Final = 1
_NONCE_BYTES: Final = 16
_PREFIX: Final = 1 + _NONCE_BYTES
_ASKING: Final = 8
"""Keys that are asked for at a time."""
_NEEDED: Final = frozenset({"ENCRYPT", "DECRYPT"})


class ExternalHandle:
    """AES-256-GCM with a key of a key manager.

    Args:
        client: its proxy.
        key: the key's name there.
        entropy: for nonces and request ids.
    """

    def __init__(self, client: ProxyClient, key: str, entropy: Callable[[int], bytes]) -> None:
        self._client = client
        self._key = key
        self._entropy = entropy

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return the sealed text; see `protocol.Encrypter`.

        Raises:
            KmsError, NotOfferedError, ProtectionUnavailableError: see `_told`.
        """
        nonce = self._entropy(_NONCE_BYTES)
        with _told(self._key):
            caller = behalf.metadata("Encrypt", self._entropy)
            payload = _check(nonce, plaintext) + plaintext
            return _join(nonce, self._client.encrypt(self._key, payload, _fitted(aad, nonce), caller, behalf.region()))

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """Open what `encrypt` returned.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
            KmsError, NotOfferedError, ProtectionUnavailableError: see `_told`.
        """
        nonce, parts = _split(sealed)
        with _told(self._key):
            caller = behalf.metadata("Decrypt", self._entropy)
            payload = self._client.decrypt(self._key, parts, _fitted(aad, nonce), caller, behalf.region())
        check, plaintext = payload[:CHECK_BYTES], payload[CHECK_BYTES:]
        if not hmac.compare_digest(check, _check(nonce, plaintext)):
            raise ProtectionUnavailableError(
                f"external key {self._key!r}: the key manager answered with another plaintext than was encrypted. Its "
                "proxy, or something before it, mixes answers up; restart it and try again"
            )
        return plaintext


def _fitted(aad: bytes, nonce: bytes) -> bytes:
    """Return associated data that every proxy takes: at most 8,192 bytes, and here always the 32 of a digest."""
    return hashlib.sha256(framed(nonce, aad)).digest()


def _check(nonce: bytes, plaintext: bytes) -> bytes:
    return hashlib.sha256(framed(nonce, plaintext)).digest()[:CHECK_BYTES]


def _join(nonce: bytes, sealed: Sealed) -> bytes:
    return b"".join(
        (
            bytes((_FORMAT,)),
            nonce,
            bytes((len(sealed.iv),)),
            sealed.iv,
            bytes((len(sealed.metadata),)),
            sealed.metadata,
            sealed.tag,
            sealed.ciphertext,
        )
    )


def _split(sealed: bytes) -> tuple[bytes, Sealed]:
    """Take a sealed text apart: its nonce, and what the key manager made.

    Raises:
        InvalidCiphertextError: it is none.
    """
    if len(sealed) <= _PREFIX or sealed[0] != _FORMAT or sealed[_PREFIX] not in IV_SIZES:
        raise InvalidCiphertextError
    iv_end = _PREFIX + 1 + sealed[_PREFIX]
    metadata_length = sealed[iv_end] if len(sealed) > iv_end else METADATA_BYTES + 1
    metadata_end = iv_end + 1 + metadata_length
    tag_end = metadata_end + TAG_BYTES
    if metadata_length > METADATA_BYTES or len(sealed) < tag_end + CHECK_BYTES:
        raise InvalidCiphertextError
    parts = Sealed(
        iv=sealed[_PREFIX + 1 : iv_end],
        metadata=sealed[iv_end + 1 : metadata_end],
        tag=sealed[metadata_end:tag_end],
        ciphertext=sealed[tag_end:],
    )
    return sealed[1:_PREFIX], parts


_OTHERWISE: Final = "the key manager answered that it failed"
_UNAVAILABLE: Final = {
    fault.VALIDATION: "the proxy could not understand the request",
    fault.INVALID_STATE: "the key, or the whole key manager, is disabled there; enable it there",
    fault.AUTHENTICATION_FAILED: "the proxy refused the signature: compare `access_key` with its own, and the clocks",
    fault.ACCESS_DENIED: "the key manager does not allow the call",
    fault.KEY_NOT_FOUND: "the key manager does not know the key",
    fault.INVALID_URI_PATH: "the proxy does not know the path: compare `path` with its own",
    fault.THROTTLING: "the key manager gets more requests than it takes",
    fault.DEPENDENCY_TIMEOUT: "the key manager did not answer its proxy in time",
}
_CODES: Final = {fault.THROTTLING: "Rejected.Throttling", fault.ACCESS_DENIED: "Forbidden.NoPermission"}
_NOT_OFFERED: Final = frozenset({fault.UNSUPPORTED_OPERATION, fault.INVALID_KEY_USAGE})


def _meaning(error: XksError, subject: str) -> Exception:
    """Return what a refusal of the proxy is in the words of this KMS."""
    if error.name == fault.INVALID_CIPHERTEXT:
        return InvalidCiphertextError()
    said = f"{subject}{_UNAVAILABLE.get(error.name, _OTHERWISE)}. The proxy said: {error}."
    if error.name in _CODES:
        return KmsError(_CODES[error.name], said)
    if error.name in _NOT_OFFERED:
        return NotOfferedError(f"{subject}the key manager cannot do this. The proxy said: {error}.")
    return ProtectionUnavailableError(said)


@contextmanager
def _told(key: str) -> Iterator[None]:
    """Say what a proxy answers about a key in the words of this KMS.

    Raises:
        InvalidCiphertextError: it says that a ciphertext does not open.
        KmsError: it throttles, or does not allow the call.
        NotOfferedError: it works, and cannot do this.
        ProtectionUnavailableError: all else, above all that it does not answer.
    """
    subject = f"external key {key!r}: "
    try:
        yield
    except ProxyUnreachableError as error:
        raise ProtectionUnavailableError(f"{subject}{error}") from error
    except XksError as error:
        raise _meaning(error, subject) from error


class ExternalProtection:
    """The key manager of one external instance. A reference is the key's name there, in ASCII.

    Args:
        client: its proxy.
        entropy: for nonces and request ids.
    """

    def __init__(self, client: ProxyClient, entropy: Callable[[int], bytes]) -> None:
        self._client = client
        self._entropy = entropy

    def specs(self) -> frozenset[KeySpec]:
        """Return what the API offers, once the proxy said that a key manager behind it serves.

        Raises:
            ProtectionUnavailableError: none does, or the proxy does not answer.
        """
        with _without_verdict():
            caller = behalf.metadata("KmsHealthCheck", self._entropy)
            asked = Metadata(operation=caller.operation, request_id=caller.request_id)  # it is about no key
            managers = self._client.health(asked, behalf.region())
        if all(manager.health == UNAVAILABLE for manager in managers):
            raise ProtectionUnavailableError("the proxy answers, and says that no key manager behind it does")
        return frozenset(EXTERNAL_SPECS)

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> Generated:
        """Refuse: keys of a key manager are made there."""
        del spec, usage, reference
        raise NotOfferedError("a key in an external instance is made at its key manager, and named when it is created")

    def open(self, spec: KeySpec, reference: bytes, secret: SecretBytes | None) -> ExternalHandle:
        """Return a handle; whether the key manager has the key, its use shows."""
        del spec, secret
        return ExternalHandle(self._client, reference.decode("ascii"), self._entropy)

    def require(self, key: str) -> None:
        """Check that the key manager has a key that this KMS can use.

        Raises:
            KmsError: it does not allow the call.
            NotOfferedError: the key is of another kind, or disabled.
            ProtectionUnavailableError: the proxy does not answer, or does not know the key.
        """
        with _told(key):
            found = self._metadata(key, "CreateKey")
        if found.spec != AES_256:
            raise NotOfferedError(f"external key {key!r} is {found.spec}, and only {AES_256} keys can be used")
        if not found.usages >= _NEEDED:
            usages = ", ".join(sorted(found.usages)) or "nothing"
            raise NotOfferedError(f"external key {key!r} is for {usages}, and must be for ENCRYPT and DECRYPT")
        if not found.enabled:
            raise NotOfferedError(f"external key {key!r} is disabled at its key manager; enable it there")

    def missing(self, references: Collection[bytes]) -> frozenset[bytes]:
        """Return the references of keys that the key manager does not know, or has disabled.

        Raises:
            ProtectionUnavailableError: the proxy does not answer; never taken for "missing".
        """
        with ThreadPoolExecutor(_ASKING) as asking:
            usable = asking.map(self._is_usable, references)
            return frozenset(
                reference for reference, is_usable in zip(references, usable, strict=True) if not is_usable
            )

    def _is_usable(self, reference: bytes) -> bool:
        key = reference.decode("ascii")
        try:
            with _without_verdict():
                return self._metadata(key, "DescribeKey").enabled
        except _UnusableError:
            return False

    def _metadata(self, key: str, otherwise: str) -> KeyMetadata:
        return self._client.key_metadata(key, behalf.metadata(otherwise, self._entropy), behalf.region())

    def destroy(self, reference: bytes) -> None:
        """Do nothing: the key is the key manager's."""

    def close(self) -> None:
        """Close connections."""
        self._client.close()


class _UnusableError(Exception):
    """The key manager answered, and says that the key is not to be used."""


@contextmanager
def _without_verdict() -> Iterator[None]:
    """Take every answer that says nothing of a key for none."""
    try:
        yield
    except ProxyUnreachableError as error:
        raise ProtectionUnavailableError(str(error)) from error
    except XksError as error:
        if error.name in (fault.KEY_NOT_FOUND, fault.INVALID_STATE):
            raise _UnusableError from error
        reason = _UNAVAILABLE.get(error.name, _OTHERWISE)
        raise ProtectionUnavailableError(f"{reason}. The proxy said: {error}.") from error
