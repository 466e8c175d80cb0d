"""The calls of the API, as a KMS makes them to a customer's proxy."""

from __future__ import annotations

import hmac
import time
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.engine.xks import fault
from kmsplan.engine.xks.breaker import Breaker
from kmsplan.engine.xks.connection import Connections, PinError
from kmsplan.engine.xks.fault import STATUS, XksError, plain
from kmsplan.engine.xks.field import FieldError, binary, encoded, read_object
from kmsplan.engine.xks.message import (
    AES_GCM,
    PLAINTEXT_BYTES,
    SHA_256,
    KeyMetadata,
    Manager,
    Metadata,
    Sealed,
    read_health,
    read_key_metadata,
    read_sealed,
)
from kmsplan.engine.xks.signature import Credential, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from kmsplan.engine.xks.address import ProxyAddress

BUDGET: Final = 0.25
"""Seconds for a whole call, the connection included (specification, "KMS considerations")."""
_TROUBLE: Final = frozenset({fault.INTERNAL, fault.DEPENDENCY_TIMEOUT})
"""Answers that count as none for the circuit breaker: the proxy is there, and can do nothing."""


class ProxyUnreachableError(Exception):
    """The proxy does not answer in time, or not with anything that can be believed. Nothing is known of its keys."""


class ProxyClient:
    """One proxy; threads share it.

    Args:
        address: of the proxy.
        credential: returns the access key; asked at the first call, and again after the proxy refused it.
        clock: UTC now, for signatures.
        budget: seconds for a whole call.
        monotonic: seconds, for the circuit breaker.
    """

    def __init__(
        self,
        address: ProxyAddress,
        credential: Callable[[], Credential],
        *,
        clock: Callable[[], datetime],
        budget: float = BUDGET,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._ask = credential
        self._credential: Credential | None = None
        self._clock = clock
        self._budget = budget
        self._breaker = Breaker(monotonic)
        self._connections = Connections(address)

    def health(self, metadata: Metadata, region: str) -> tuple[Manager, ...]:
        """Return the key managers behind the proxy; GetHealthStatus.

        Raises:
            XksError: the proxy refused.
            ProxyUnreachableError: see there.
        """
        with self._believing():
            return read_health(self._call("/health", {}, metadata, region))

    def key_metadata(self, key: str, metadata: Metadata, region: str) -> KeyMetadata:
        """Return what the key manager says of a key; GetKeyMetadata. Raises as `health`."""
        with self._believing():
            return read_key_metadata(self._call(f"/keys/{key}/metadata", {}, metadata, region))

    def encrypt(self, key: str, plaintext: bytes, aad: bytes, metadata: Metadata, region: str) -> Sealed:
        """Return a ciphertext, whose integrity value was checked: it will open. Raises as `health`."""
        request = {
            "plaintext": encoded(plaintext),
            "additionalAuthenticatedData": encoded(aad),
            "encryptionAlgorithm": AES_GCM,
            "ciphertextDataIntegrityValueAlgorithm": SHA_256,
        }
        with self._believing():
            answer = self._call(f"/keys/{key}/encrypt", request, metadata, region)
            sealed = read_sealed(answer)
            integrity = binary(answer, "ciphertextDataIntegrityValue", limit=32)
            if len(sealed.ciphertext) != len(plaintext):
                raise FieldError("ciphertext is not as long as the plaintext")
            if not hmac.compare_digest(integrity, sealed.integrity(aad)):
                raise FieldError("ciphertextDataIntegrityValue is not that of the answer: something was altered")
        return sealed

    def decrypt(self, key: str, sealed: Sealed, aad: bytes, metadata: Metadata, region: str) -> bytes:
        """Return the plaintext of what `encrypt` returned. Raises as `health`."""
        request = {
            **sealed.fields(),
            "additionalAuthenticatedData": encoded(aad),
            "encryptionAlgorithm": AES_GCM,
        }
        with self._believing():
            answer = self._call(f"/keys/{key}/decrypt", request, metadata, region)
            plaintext = binary(answer, "plaintext", limit=PLAINTEXT_BYTES)
            if len(plaintext) != len(sealed.ciphertext):
                raise FieldError("plaintext is not as long as the ciphertext")
        return plaintext

    def close(self) -> None:
        """Close connections that are idle."""
        self._connections.close()

    @contextmanager
    def _believing(self) -> Iterator[None]:
        """Take an answer that is not what the API says for none; tell the circuit breaker of both kinds."""
        try:
            yield
            self._breaker.answered()
        except FieldError as error:
            self._breaker.failed()
            raise ProxyUnreachableError(f"the proxy {self._address} answered what the API does not: {error}") from error

    def _call(self, path: str, request: dict[str, Any], metadata: Metadata, region: str) -> dict[str, Any]:
        wait = self._breaker.wait()
        if wait:
            raise ProxyUnreachableError(
                f"the proxy {self._address} did not answer several times in a row; it is asked again in {wait:.0f} s"
            )
        body = orjson.dumps({"requestMetadata": metadata.fields(), **request})
        status, content = self._send(self._address.path + path, body, region)
        if status == 200:  # noqa: PLR2004 - HTTP OK
            return read_object(content)
        raise self._refusal(status, content)

    def _send(self, path: str, body: bytes, region: str) -> tuple[int, bytes]:
        self._credential = credential = self._credential or self._ask()
        signed = sign(credential, region, host=self._address.authority, path=path, body=body, now=self._clock())
        headers = {**signed, "Content-Type": "application/json"}
        try:
            return self._connections.exchange(self._budget, path, headers, body)
        except TimeoutError:
            reason = f"it did not answer within {self._budget * 1000:.0f} ms"
        except PinError as error:
            reason = f"{error}. If the certificate was renewed, change `fingerprint`; if not, somebody is in between"
        except OSError as error:
            reason = plain(str(error) or type(error).__name__)
        except HTTPException as error:
            # Its text would repeat what came, which may be a plaintext that is not where it belongs.
            reason = f"what it sends is no HTTP, or too long for an answer of the API ({type(error).__name__})"
        self._breaker.failed()
        raise ProxyUnreachableError(f"the proxy {self._address} cannot be reached: {reason}")

    def _refusal(self, status: int, content: bytes) -> Exception:
        """Return the error that an answer means."""
        try:
            body = read_object(content)
        except FieldError:
            body = {}
        name, message = body.get("errorName"), body.get("errorMessage")
        if not isinstance(name, str) or STATUS.get(name) != status:
            self._breaker.failed()
            return ProxyUnreachableError(f"the proxy {self._address} answered with HTTP {status}, as the API does not")
        if name in _TROUBLE:
            self._breaker.failed()
        else:
            self._breaker.answered()
        if name == fault.AUTHENTICATION_FAILED:
            self._credential = None
        return XksError(name, plain(message) if isinstance(message, str) else "no reason was given")
