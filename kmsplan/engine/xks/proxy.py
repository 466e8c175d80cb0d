"""The proxy's side of the API: an engine's AES-256 keys offered to another KMS.

A ciphertext's metadata is a format byte and the end of the key version's id, so that old versions still open what they
made. What binds metadata and associated data to the ciphertext is the engine's own encryption: it authenticates the
version's id, and, as an encryption context, the hash of the associated data. Each has its length there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.engine.caller import Caller
from kmsplan.engine.ciphertext import KEY_ID_LENGTH, VERSION_ID_LENGTH
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.xks import fault
from kmsplan.engine.xks.fault import STATUS, XksError, plain
from kmsplan.engine.xks.field import FieldError, TooLongError, encoded, read_object
from kmsplan.engine.xks.message import (
    AES_256,
    CHECK_BYTES,
    TAG_BYTES,
    UNAVAILABLE,
    KeyMetadata,
    Metadata,
    Sealed,
    health_fields,
    read_decrypt,
    read_encrypt,
    read_metadata,
)
from kmsplan.engine.xks.signature import Signable, SignatureError, verify
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState

if TYPE_CHECKING:
    from datetime import datetime

    from kmsplan.engine.service import Engine
    from kmsplan.engine.xks.health import Health
    from kmsplan.kms.secret import SecretBytes

VENDOR: Final = "kmsplan"
PING: Final = "/ping"
"""Answers a GET of load balancers, which cannot sign."""
_FORMAT: Final = b"\x01"
_VERSION_END: Final = VERSION_ID_LENGTH - KEY_ID_LENGTH - 1
_IV_BYTES: Final = 12
_CONTEXT: Final = "kmsplan:xks-aad"
_ROUTE: Final = re.compile(r"/(?:health|keys/(?P<key>[A-Za-z0-9._-]{1,128})/(?P<operation>metadata|encrypt|decrypt))")
_REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")
_NOT_ALLOWED: Final = 405

_ERRORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Rejected.Disabled": fault.INVALID_STATE,
        "Rejected.PendingDeletion": fault.INVALID_STATE,
        "Rejected.PendingImport": fault.INVALID_STATE,
        "Rejected.LimitExceeded": fault.INVALID_STATE,
        "Rejected.Sealed": fault.INVALID_STATE,
        "Rejected.Unavailable": fault.DEPENDENCY_TIMEOUT,
        "Rejected.Throttling": fault.THROTTLING,
        "Forbidden.KeyNotFound": fault.KEY_NOT_FOUND,
        "Forbidden.KeyVersionNotFound": fault.INVALID_CIPHERTEXT,
        "Forbidden.NoPermission": fault.ACCESS_DENIED,
        "UnsupportedOperation": fault.INVALID_KEY_USAGE,
        "InvalidParameter": fault.UNSUPPORTED_OPERATION,
    }
)
"""What the engine answers, in the API's names; all else is a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back, and what the log says of it: never plaintext, ciphertext or associated data."""

    status: int
    body: bytes
    log: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Turn:
    """One request on its way."""

    request: Signable
    peer: str
    log: dict[str, Any]
    access_key_id: str = ""

    def note(self, metadata: Metadata) -> None:
        """Note on whose behalf it was sent."""
        said = {
            "kms_request_id": metadata.request_id,
            "kms_operation": metadata.operation,
            "principal": metadata.principal,
            "kms_key": metadata.key_arn,
        }
        self.log |= {name: plain(value) for name, value in said.items() if value is not None}


class Proxy:
    """Answers requests; threads share it.

    Args:
        engine: whose keys they are.
        keys: by the name under which a key is offered, its id.
        secrets: of the access keys that may call, by id.
        health: the deep health check.
        path: of the API, with its prefix.
        clock: UTC now.
        region: the only one that may call; None for any.
        version: of this program.
    """

    def __init__(
        self,
        engine: Engine,
        keys: Mapping[str, str],
        secrets: Mapping[str, SecretBytes],
        *,
        health: Health,
        path: str,
        clock: Callable[[], datetime],
        region: str | None,
        version: str,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._secrets = secrets
        self._health = health
        self._path = path
        self._clock = clock
        self._region = region
        self._model = f"{VENDOR} {version}"

    def answer(self, request: Signable, query: str, peer: str) -> Reply:
        """Answer a request; never raises."""
        if request.path == PING and request.method in ("GET", "HEAD"):
            return Reply(status=200, body=b"pong")
        turn = _Turn(request=request, peer=peer, log={})
        try:
            return Reply(status=200, body=self._answered(turn, query), log=turn.log)
        except _MethodError:
            return Reply(status=_NOT_ALLOWED, body=_body("MethodNotAllowed", "the API takes POST only"), log=turn.log)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets one of the API's answers
            refusal = _refusal(error)
            turn.log |= {"error": refusal.name, "reason": plain(str(error) or type(error).__name__)}
            return Reply(status=STATUS[refusal.name], body=_body(refusal.name, refusal.message), log=turn.log)

    def _answered(self, turn: _Turn, query: str) -> bytes:
        path = turn.request.path
        route = _ROUTE.fullmatch(path.removeprefix(self._path)) if path.startswith(self._path) else None
        if route is None or query:
            raise XksError(fault.INVALID_URI_PATH, "there is no such path")
        if turn.request.method != "POST":
            raise _MethodError
        turn.log["operation"] = route["operation"] or "health"
        turn.access_key_id = verify(turn.request, self._secrets, self._clock(), self._region)
        turn.log["access_key_id"] = turn.access_key_id
        if route["key"] is None:
            return orjson.dumps(self._healthy(turn))
        turn.log["key"] = route["key"]
        body = read_object(turn.request.body)
        return orjson.dumps(_OPERATIONS[route["operation"]](self, turn, route["key"], body))

    def _healthy(self, turn: _Turn) -> dict[str, Any]:
        """GetHealthStatus; its request says nothing that matters, so nothing about it is refused."""
        try:
            turn.note(read_metadata(read_object(turn.request.body)))
        except FieldError as error:
            turn.log["reason"] = str(error)
        managers = self._health.check()
        if all(manager.health == UNAVAILABLE for manager in managers):
            raise XksError(fault.DEPENDENCY_TIMEOUT, "no key can be used now")
        return health_fields(VENDOR, self._model, managers)

    def metadata(self, turn: _Turn, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """GetKeyMetadata."""
        turn.note(read_metadata(body, required=("awsPrincipalArn",)))
        rows = self._engine.describe([self._key(name)], check_material=True)
        if rows.unreadable:
            raise XksError(fault.DEPENDENCY_TIMEOUT, "the HSM of the key does not answer")
        if not rows.keys:
            raise XksError(fault.KEY_NOT_FOUND, "there is no such key")
        enabled = rows.keys[0]["state"] == KeyState.ENABLED
        return KeyMetadata(spec=AES_256, usages=frozenset({"ENCRYPT", "DECRYPT"}), enabled=enabled).fields()

    def encrypt(self, turn: _Turn, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Encrypt. The integrity value is computed before the ciphertext is opened to prove it (appendix C)."""
        request = read_encrypt(body)
        turn.note(request.metadata)
        engine = self._acting(turn, request.metadata)
        key_id = self._key(name)
        made = engine.begin.encrypt(key_id, request.plaintext, _context(request.aad), spare=CHECK_BYTES).wait()
        sealed = _sealed(made.blob)
        answer: dict[str, Any] = sealed.fields()
        if request.integrity:
            answer["ciphertextDataIntegrityValue"] = encoded(sealed.integrity(request.aad))
            if engine.decrypt(_blob(key_id, sealed), _context(request.aad)).plaintext != request.plaintext:
                raise XksError(fault.INTERNAL, "the ciphertext does not open")
        return answer

    def decrypt(self, turn: _Turn, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Decrypt."""
        request = read_decrypt(body)
        turn.note(request.metadata)
        blob = _blob(self._key(name), request.sealed)
        opened = self._acting(turn, request.metadata).decrypt(blob, _context(request.aad))
        return {"plaintext": encoded(opened.plaintext)}

    def _key(self, name: str) -> str:
        key_id = self._keys.get(name)
        if key_id is None:
            raise XksError(fault.KEY_NOT_FOUND, "there is no such key")
        return key_id

    def _acting(self, turn: _Turn, metadata: Metadata) -> Engine:
        """Return the engine for the caller, who is named in the audit trail with the KMS's own request id."""
        request_id = metadata.request_id if _REQUEST_ID.fullmatch(metadata.request_id) else None
        caller = Caller(actor=f"xks-proxy/{turn.access_key_id}", source=turn.peer, request_id=request_id)
        return self._engine.acting(caller)


_OPERATIONS: Final[Mapping[str, Callable[[Proxy, _Turn, str, Mapping[str, Any]], dict[str, Any]]]] = MappingProxyType(
    {"metadata": Proxy.metadata, "encrypt": Proxy.encrypt, "decrypt": Proxy.decrypt}
)


class _MethodError(Exception):
    """Another method than POST."""


def _context(aad: bytes) -> dict[str, str]:
    """Return the encryption context that stands for associated data, which may be longer than contexts may."""
    return {_CONTEXT: hashlib.sha256(aad).hexdigest()}


def _sealed(blob: bytes) -> Sealed:
    """Take the engine's ciphertext apart."""
    version, content = blob[:VERSION_ID_LENGTH], blob[VERSION_ID_LENGTH:]
    return Sealed(
        iv=content[:_IV_BYTES],
        ciphertext=content[_IV_BYTES:-TAG_BYTES],
        tag=content[-TAG_BYTES:],
        metadata=_FORMAT + version[-_VERSION_END:],
    )


def _blob(key_id: str, sealed: Sealed) -> bytes:
    """Put the engine's ciphertext together again.

    Raises:
        InvalidCiphertextError: its metadata is none of ours.
    """
    if sealed.metadata[:1] != _FORMAT or len(sealed.metadata) != 1 + _VERSION_END:
        raise InvalidCiphertextError
    return key_id.encode() + b"-" + sealed.metadata[1:] + sealed.iv + sealed.ciphertext + sealed.tag


def _refusal(error: Exception) -> XksError:
    """Return the answer that an error becomes; what the caller cannot use is not told."""
    if isinstance(error, XksError):
        return error
    if isinstance(error, SignatureError):
        return XksError(fault.AUTHENTICATION_FAILED, "the signature is missing, wrong, or too old or new")
    if isinstance(error, TooLongError):
        return XksError(fault.UNSUPPORTED_OPERATION, str(error))
    if isinstance(error, FieldError):
        return XksError(fault.VALIDATION, str(error))
    if isinstance(error, InvalidCiphertextError):
        return XksError(fault.INVALID_CIPHERTEXT, "the ciphertext does not open under this key and associated data")
    name = _ERRORS.get(error.code, fault.INTERNAL) if isinstance(error, KmsError) else fault.INTERNAL
    return XksError(name, "the key manager failed" if name == fault.INTERNAL else f"the key manager refused ({name})")


def _body(name: str, message: str) -> bytes:
    return orjson.dumps({"errorName": name, "errorMessage": plain(message)})
