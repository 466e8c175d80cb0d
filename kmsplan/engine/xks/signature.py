"""AWS Signature Version 4 for the service `kms-xks-proxy` (specification, appendix A): made, and verified."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE: Final = "kms-xks-proxy"
WINDOW: Final = timedelta(minutes=5)
"""How far the time of a request may lie in the past or in the future."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_TERMINATOR: Final = "aws4_request"
_TIME: Final = "%Y%m%dT%H%M%SZ"
_SIGNED: Final = "host;x-amz-date"
_NOBODY: Final = SecretBytes(bytes(32))
"""Stands in for the secret of an unknown access key, so that its refusal takes as long as any other."""
_AUTHORIZATION: Final = re.compile(
    rf"{_ALGORITHM} +Credential=(?P<id>[A-Za-z0-9]{{1,128}})/(?P<date>[0-9]{{8}})/(?P<region>[A-Za-z0-9-]{{1,64}})"
    rf"/{SERVICE}/{_TERMINATOR}, *SignedHeaders=(?P<headers>[a-z0-9;-]{{1,1000}}), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


class SignatureError(Exception):
    """A request is not signed as it should be. The message is for the log; it tells nothing that was secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An access key that client and proxy share; it has nothing to do with any cloud account."""

    access_key_id: str
    secret: SecretBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signable:
    """What a signature covers of a request."""

    method: str
    path: str
    """As it is sent, percent-encoded, without a query: the API has none."""
    headers: Mapping[str, str]
    """By name in lower case; values of a repeated one joined by commas."""
    body: bytes


def sign(credential: Credential, region: str, *, host: str, path: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers that sign a POST.

    Args:
        credential: the access key.
        region: of the KMS that makes the call.
        host: as in the header `Host`, with the port where it is not the scheme's own.
        path: of the URL.
        body: the whole body.
        now: UTC.
    """
    time = now.astimezone(UTC).strftime(_TIME)
    headers = {"host": host, "x-amz-date": time}
    request = Signable(method="POST", path=path, headers=headers, body=body)
    scope = f"{time[:8]}/{region}/{SERVICE}/{_TERMINATOR}"
    signature = _signature(credential.secret, region, time, _canonical(request, _SIGNED))
    return {
        "Host": host,
        "X-Amz-Date": time,
        "Authorization": f"{_ALGORITHM} Credential={credential.access_key_id}/{scope}, SignedHeaders={_SIGNED}, "
        f"Signature={signature}",
    }


def verify(request: Signable, secrets: Mapping[str, SecretBytes], now: datetime, region: str | None = None) -> str:
    """Return the id of the access key that signed a request.

    The time is looked at last, so that only who knows a secret learns how the clocks differ.

    Args:
        request: as it was received.
        secrets: by access key id.
        now: UTC.
        region: the one region that may call; None for any.

    Raises:
        SignatureError: it was not signed by one of them, or not lately.
    """
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise SignatureError("the header Authorization is missing or not that of an AWS4-HMAC-SHA256 signature")
    time, signed = request.headers.get("x-amz-date", ""), match["headers"].split(";")
    if not {"host", "x-amz-date"} <= set(signed) or not request.headers.keys() >= set(signed):
        raise SignatureError("the signature does not cover Host and X-Amz-Date, or covers a header that is not there")
    secret = secrets.get(match["id"])
    canonical = _canonical(request, match["headers"])
    signature = _signature(secret or _NOBODY, match["region"], time, canonical, match["date"])
    if not hmac.compare_digest(signature, match["signature"]) or secret is None:
        raise SignatureError("the access key is unknown, or the signature is not its own")
    if region is not None and match["region"] != region:
        raise SignatureError(f"the region is {match['region']}, and {region} alone may call")
    _check_time(time, match["date"], now)
    return match["id"]


def _check_time(time: str, date: str, now: datetime) -> None:
    try:
        sent = datetime.strptime(time, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureError("X-Amz-Date is not of the form YYYYMMDDTHHMMSSZ") from error
    if not time.startswith(date):
        raise SignatureError("X-Amz-Date and the date of the credential differ")
    if abs(now - sent) > WINDOW:
        raise SignatureError(f"the request was signed at {time}, more than 5 minutes from now; compare the clocks")


def _canonical(request: Signable, signed: str) -> bytes:
    """Return the canonical request (task 1); the path is encoded once more, as all services but S3 do."""
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed.split(";"))
    path, digest = quote(request.path, safe="/-_.~"), hashlib.sha256(request.body).hexdigest()
    return f"{request.method}\n{path}\n\n{headers}\n{signed}\n{digest}".encode()


def _signature(secret: SecretBytes, region: str, time: str, canonical: bytes, date: str | None = None) -> str:
    """Return the signature over the string to sign (tasks 2 and 3), in hexadecimal."""
    date = date or time[:8]
    key = b"AWS4" + secret.reveal()
    for part in (date, region, SERVICE, _TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical).hexdigest()
    text = f"{_ALGORITHM}\n{time}\n{date}/{region}/{SERVICE}/{_TERMINATOR}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()
