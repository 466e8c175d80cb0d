"""Whose request it is: the signatures ACS3-HMAC-SHA256 (version 3) and HMAC-SHA1 (RPC version 1).

Both are HMACs over a canonical form of the request. `read` takes out what was signed and by whom, `Signed.verify`
checks it against a secret, in constant time; nothing here knows a key, a clock or a network.

Clients encode the query in their own ways and sign it in RFC 3986's. As a rule both are the same but for spaces, so
that the query as it came is tried first; decoding and encoding it again, which takes ten times as long, is for the
rest. Every form that is tried can be read back in one way only, so that what verifies is what was signed.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from kmsplan.engine.access.nonce import WINDOW
from kmsplan.kms.error import KmsError
from kmsplan.server.call import decode, form, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.kms.secret import SecretBytes
    from kmsplan.server.call import Call, Pair

VERSION: Final = "2016-01-20"
ALGORITHM: Final = b"ACS3-HMAC-SHA256"
_EMPTY_HASH: Final = hashlib.sha256(b"").hexdigest().encode()
_BLOCK: Final = 64
"""Bytes that SHA-256 works on at a time."""
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_NONCE_LENGTH: Final = 128
_ID_LENGTH: Final = 128
_REQUIRED: Final = frozenset(
    {b"host", b"x-acs-action", b"x-acs-content-sha256", b"x-acs-date", b"x-acs-signature-nonce", b"x-acs-version"}
)
"""Headers that mean something here: unsigned, anybody on the way could change them."""


class Secret:
    """An access key's secret, ready to sign.

    Version 3 signs with HMAC-SHA256 (RFC 2104), of which the part that is the same for all requests is hashed once;
    `hmac.digest` also looks its algorithm up anew each time, which takes several times as long as the rest.
    """

    __slots__ = ("_content", "_inner", "_outer")

    def __init__(self, content: SecretBytes) -> None:
        self._content = content
        block = content.reveal()
        block = (hashlib.sha256(block).digest() if len(block) > _BLOCK else block).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER_PAD) + ALGORITHM + b"\n")
        self._outer = hashlib.sha256(block.translate(_OUTER_PAD))

    def third(self, digest: bytes) -> bytes:
        """Return the signature of version 3 over a canonical request's hash, both in hexadecimal digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(digest)
        outer.update(inner.digest())
        return outer.hexdigest().encode()

    def first(self, text: bytes) -> bytes:
        """Return the signature of version 1 over a canonical request, in Base64."""
        return b64encode(hmac.digest(self._content.reveal() + b"&", text, "sha1"))


class Signed:
    """A request's parameters, and who is said to have signed it; true only once `verify` says so."""

    __slots__ = ("_pairs", "_signature", "access_key_id", "action", "nonce", "parameters", "time")

    def __init__(
        self,
        access_key_id: str,
        action: str,
        nonce: str,
        time: int,
        parameters: dict[str, str],
        signature: bytes,
        found: list[Pair],
    ) -> None:
        self.access_key_id = access_key_id
        self.action = action
        self.nonce = nonce
        self.time = time
        """Seconds since 1970."""
        self.parameters = parameters
        self._signature = signature
        self._pairs = found
        """Those whose canonical form was signed; see the module."""

    def verify(self, secret: Secret) -> None:
        """Check the signature.

        Raises:
            KmsError: SignatureDoesNotMatch.
        """
        for query in canonical_queries(self._pairs):
            if hmac.compare_digest(self._expected(query, secret), self._signature):
                return
        # The older Python SDK reads what stands behind a colon, and raises IndexError where there is none. There the
        # cloud has the text that it signed, parameters and all, which the client would log.
        raise KmsError(
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation: check the access key's secret, and that nothing "
            "between client and server changes the request.",
        )

    def _expected(self, query: bytes, secret: Secret) -> bytes:
        """Return the signature over a canonical query."""
        raise NotImplementedError


class _Version3(Signed):
    """With the rest of the canonical request: what comes before the query, and after it."""

    __slots__ = ("after", "before")
    before: bytes
    after: bytes

    def _expected(self, query: bytes, secret: Secret) -> bytes:
        return secret.third(hashlib.sha256(b"%b%b%b" % (self.before, query, self.after)).hexdigest().encode())


class _Version1(Signed):
    __slots__ = ("before",)
    before: bytes

    def _expected(self, query: bytes, secret: Secret) -> bytes:
        # What is left to encode in a canonical query.
        return secret.first(self.before + query.replace(b"%", b"%25").replace(b"=", b"%3D").replace(b"&", b"%26"))


def canonical_queries(found: list[Pair]) -> Iterator[bytes]:
    """Yield ways to write a query: as it came, with its values encoded anew, with its names encoded anew as well.

    Python's SDK does not encode names. A name that was encoded on the way is never taken without: decoded, it may hold
    `=` and `&`, and swallow a parameter that was signed.
    """
    yield b"&".join([b"%b=%b" % pair for pair in sorted(found)])
    decoded = sorted((unquote_to_bytes(name), unquote_to_bytes(value)) for name, value in found)
    if not any(b"%" in name for name, _ in found):
        yield b"&".join([b"%b=%b" % (name, _encode(value)) for name, value in decoded])
    yield b"&".join([b"%b=%b" % (_encode(name), _encode(value)) for name, value in decoded])


def _encode(text: bytes) -> bytes:
    return quote_from_bytes(text, safe="~").encode()


def read(call: Call) -> Signed:
    """Take out of a request who signed what.

    Raises:
        KmsError: IncompleteSignature, IllegalTimestamp, ParseRequestParameterException and others: it was not signed in
            a way that is known here. Nothing of it is believed yet.
    """
    authorization = call.headers.get(b"authorization")
    if authorization is not None:
        return _read_3(call, authorization)
    return _read_1(call)


def _read_3(call: Call, authorization: bytes) -> Signed:
    headers = call.headers
    if b"x-acs-security-token" in headers:
        raise _no_sts()
    start, found, signature = authorization.rpartition(b"Signature=")
    access_key_id, names, of_signed, form_of = _credential(start if found else authorization)
    try:
        signed = form_of % tuple(map(bytes.strip, of_signed(headers)))
        action, nonce = headers[b"x-acs-action"].decode("ascii"), headers[b"x-acs-signature-nonce"].decode("ascii")
        version, date = headers[b"x-acs-version"].decode("ascii"), headers[b"x-acs-date"].decode("ascii")
    except KeyError as error:
        raise incomplete(f"the header {error.args[0].decode('ascii', 'replace')} is missing") from error
    except UnicodeDecodeError as error:
        raise incomplete("the x-acs headers are ASCII") from error
    digest = hashlib.sha256(call.body).hexdigest().encode() if call.body else _EMPTY_HASH
    if not hmac.compare_digest(digest, headers[b"x-acs-content-sha256"]):
        raise incomplete("x-acs-content-sha256 is not the hash of the body")
    query = given = pairs(call.query)
    if call.body:
        given = query + form(call)
        if len(given) > len(query) and b"content-type" not in names.split(b";"):
            raise incomplete("content-type must be among the signed headers of a request with a body")
    if version != VERSION:
        raise _other_version()
    read = _Version3(access_key_id, action, _checked_nonce(nonce), _checked_time(date), decode(given), signature, query)
    read.before, read.after = b"%b\n%b\n" % (call.method, call.path), b"\n%b\n%b\n%b" % (signed, names, digest)
    return read


@lru_cache(maxsize=256)
def _credential(start: bytes) -> tuple[str, bytes, Callable[[dict[bytes, bytes]], tuple[bytes, ...]], bytes]:
    """Return access key id, the names of the signed headers as they stand, what picks those, and their canonical form.

    Args:
        start: of the Authorization header, up to the signature; the requests of one client all have the same.
    """
    algorithm, _, rest = start.partition(b" ")
    if algorithm != ALGORITHM:
        raise incomplete("this server takes ACS3-HMAC-SHA256, and HMAC-SHA1 with SignatureVersion 1.0")
    parts = [part.strip() for part in rest.split(b",")]
    if [part.partition(b"=")[0] for part in parts] != [b"Credential", b"SignedHeaders", b""]:
        raise incomplete("Authorization holds Credential, SignedHeaders and Signature")
    credential, names = (part.partition(b"=")[2] for part in parts[:2])
    access_key_id = _checked_id(credential.decode("ascii", "replace"))
    split = names.split(b";")
    missing = sorted(_REQUIRED.difference(split))
    if missing:
        raise incomplete(f"the header {missing[0].decode()} must be signed")
    form_of = b"".join([b"%b:%%b\n" % name.replace(b"%", b"%%") for name in split])
    return access_key_id, names, itemgetter(*split), form_of


def _read_1(call: Call) -> Signed:
    found = pairs(call.query) + form(call)
    given = decode(found)
    if "SecurityToken" in given:
        raise _no_sts()
    try:
        method, version, access_key_id = given["SignatureMethod"], given["SignatureVersion"], given["AccessKeyId"]
        nonce, signature, action = given["SignatureNonce"], given["Signature"], given["Action"]
    except KeyError as error:
        raise incomplete(f"the parameter {error.args[0]} is missing") from error
    if method != "HMAC-SHA1" or version != "1.0":
        raise incomplete("this server takes ACS3-HMAC-SHA256, and HMAC-SHA1 with SignatureVersion 1.0")
    if given.get("Version") != VERSION:
        raise _other_version()
    unsigned = [pair for pair in found if pair[0] != b"Signature"]
    read = _Version1(
        _checked_id(access_key_id),
        action,
        _checked_nonce(nonce),
        _checked_time(given.get("Timestamp", "")),
        given,
        signature.encode(),
        unsigned,
    )
    read.before = call.method + b"&%2F&"
    return read


def check_time(time: int, now: float) -> None:
    """Check a request's time against the server's.

    Raises:
        KmsError: InvalidTimeStamp.Expired.
    """
    if abs(now - time) > WINDOW:
        raise KmsError(
            "InvalidTimeStamp.Expired",
            f"Specified time stamp or date value is expired: the request was signed {abs(now - time):.0f} seconds "
            f"{'ago' if now > time else 'ahead'} by this server's clock, and {WINDOW} are allowed. Set the client's "
            "clock.",
        )


def _checked_time(text: str) -> int:
    seconds = _seconds(text)
    if seconds is None:
        raise KmsError(
            "IllegalTimestamp",
            "The request's time is missing or is not written as 2026-01-31T23:59:59Z (x-acs-date; Timestamp in version "
            "1), in UTC.",
        )
    return seconds


@lru_cache(maxsize=64)
def _seconds(text: str) -> int | None:
    """Return a time in seconds since 1970. The requests of one second all carry the same text."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _checked_nonce(nonce: str) -> str:
    if not nonce or len(nonce) > _NONCE_LENGTH:
        raise incomplete(f"a nonce has 1 to {_NONCE_LENGTH} characters")
    return nonce


def _checked_id(access_key_id: str) -> str:
    if not access_key_id or len(access_key_id) > _ID_LENGTH:
        raise incomplete(f"an access key id has 1 to {_ID_LENGTH} characters")
    return access_key_id


def _other_version() -> KmsError:
    return KmsError("InvalidVersion", f"Specified parameter Version is not valid: this API is {VERSION}.")


def _no_sts() -> KmsError:
    return KmsError(
        "InvalidSecurityToken.NotSupported",
        "This server has no security token service (STS). Use an access key of its own: kmsplan engine access-key.",
    )


def incomplete(problem: str) -> KmsError:
    """Return the error for a request that is not signed as it should be."""
    return KmsError(
        "IncompleteSignature", f"The request signature does not conform to Alibaba Cloud standards: {problem}."
    )
