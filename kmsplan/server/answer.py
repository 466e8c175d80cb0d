"""Errors as the API answers them, in one table; what must stay inside is only logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from kmsplan.engine.error import EngineError, KeystoreError, SealingError
from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError, ProtectionUnavailableError
from kmsplan.kms.error import ERRORS, KmsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

RETRY_AFTER: Final = 1000
"""Milliseconds after which a throttled client is told to try again."""
_UNSAID: Final = frozenset({"InternalFailure", "Rejected.Unavailable", "ServiceUnavailableTemporary"})
"""Their messages name what is behind the API, which is nobody's business but the operator's."""


class Failure(NamedTuple):
    """An error on the wire."""

    status: int
    code: str
    message: str
    retry_after: int | None = None
    """Milliseconds."""
    detail: str = ""
    """For the log alone; empty where the message says all."""
    unexpected: bool = False
    """Whether the operator has to look at it."""


def failure(error: BaseException) -> Failure:
    """Return what is answered to a call that raised."""
    if isinstance(error, KmsError):
        return _kms(error)
    if isinstance(error, InvalidCiphertextError):
        # One answer for everything that can be wrong with a ciphertext or its context: a reason would be an oracle.
        return Failure(400, "InvalidParameter", 'The specified parameter "CiphertextBlob" is not valid.')
    if isinstance(error, ProtectionUnavailableError):
        return _plain("Rejected.Unavailable", error)
    if isinstance(error, NotOfferedError):
        return _plain("UnsupportedOperation", error)
    if isinstance(error, KeystoreError | SealingError):
        return _plain("ServiceUnavailableTemporary", error, unexpected=True)
    if isinstance(error, EngineError):
        return _plain("InternalFailure", error, unexpected=True)
    return _plain("InternalFailure", error, unexpected=True)


def _kms(error: KmsError) -> Failure:
    facts = error.facts
    retry_after = RETRY_AFTER if error.code in {"Rejected.Throttling", "Throttling"} else None
    if error.code in _UNSAID:
        return Failure(facts.status, error.code, ERRORS[error.code].message, retry_after, error.message)
    return Failure(facts.status, error.code, error.message, retry_after)


def _plain(code: str, error: BaseException, *, unexpected: bool = False) -> Failure:
    facts = ERRORS[code]
    return Failure(facts.status, code, facts.message, None, f"{type(error).__name__}: {error}", unexpected)


def error_body(status: int, code: str, message: str, request_id: str) -> bytes:
    """Return an error as JSON; the SDKs read Code, Message and RequestId."""
    # What a caller sent stands in messages, and half a surrogate pair can be in it.
    text = message.encode("utf-8", "replace").decode()
    return orjson.dumps({"RequestId": request_id, "HttpStatus": status, "Code": code, "Message": text})


def body(shape: Mapping[str, Any], request_id: str) -> bytes:
    """Return an answer as JSON."""
    return orjson.dumps({"RequestId": request_id, **shape})
