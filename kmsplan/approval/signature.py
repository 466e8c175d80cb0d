"""Signatures of a plan, and the file beside it: one line of JSON for each, in one spelling.

A line carries the statement, the public key and the signature over the statement. So every line can be checked by
itself, also where nobody trusts the key, and a file in which a single byte was edited is told from one that a stranger
signed. Lines are independent: what several people signed on several machines is joined with `cat`.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.approval import publickey
from kmsplan.approval.error import SignatureFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.approval.publickey import PublicKey

FORMAT_VERSION: Final = 1
# In front of what is signed, so that no signature that the key made for another purpose is ever an approval.
DOMAIN: Final = b"kmsplan plan signature\n"
SUFFIX: Final = ".sig"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,127}")
"""Of signers: nothing in it steers a terminal or matches more than itself."""
_INSTANT: Final = "%Y-%m-%dT%H:%M:%SZ"
_SIZE_LIMIT: Final = 1024 * 1024
_FIELDS: Final = ("author", "key", "lineage", "plan", "signer")
_REMEDY: Final = "Remove the file and have the plan signed again with kmsplan plan sign."


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signer says."""

    plan: str
    """The plan's digest, sha256 hex."""
    lineage: str
    author: str
    """Who made the plan, as its file says: the digest leaves that out, the signature does not."""
    signer: str
    key: str
    """Fingerprint of the signer's key."""
    signed: datetime
    expires: datetime

    def message(self) -> bytes:
        """Return the bytes that are signed."""
        return DOMAIN + orjson.dumps(_written(self), option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Signature:
    """A statement that holds under a key; whose key that is, it cannot tell."""

    statement: Statement
    key: PublicKey
    value: bytes

    def require(self) -> None:
        """Check that the key made the signature, over this very statement.

        Raises:
            SignatureFileError: it did not.
        """
        if self.statement.key != self.key.fingerprint:
            raise SignatureFileError("a statement names another key than the one beside it")
        self.key.verify(self.statement.message(), self.value)


def dump(signatures: Iterable[Signature]) -> bytes:
    """Return the file of these signatures."""
    return b"".join(map(_line, signatures))


def load(data: bytes, name: str) -> tuple[Signature, ...]:
    """Read what `dump` wrote; each signature is checked under its own key.

    Args:
        data: the file's content.
        name: the file's, for messages.

    Raises:
        SignatureFileError: anything about it is not as `dump` wrote it.
    """
    try:
        return tuple(_signature(line) for line in _lines(data))
    except SignatureFileError as error:
        raise SignatureFileError(f"{name} was edited or damaged: {error}. {_REMEDY}") from error


def _lines(data: bytes) -> list[bytes]:
    if len(data) > _SIZE_LIMIT:
        raise SignatureFileError("it is larger than any file of signatures")
    return data.splitlines(keepends=True)


def _line(signature: Signature) -> bytes:
    document = {
        "public_key": signature.key.text,
        "signature": base64.b64encode(signature.value).decode(),
        "statement": _written(signature.statement),
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _signature(line: bytes) -> Signature:
    try:
        document = orjson.loads(line)
        written = document["statement"]
        if written["format_version"] != FORMAT_VERSION:
            raise SignatureFileError(f"it has format version {written['format_version']!r}, not {FORMAT_VERSION}")
        key = publickey.from_der(base64.b64decode(document["public_key"], validate=True))
        found = Signature(_statement(written), key, base64.b64decode(document["signature"], validate=True))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SignatureFileError("a line is no signature") from error
    # Fields that are unknown or stand twice, unused bits of Base64, spaces: nothing unsigned rides along.
    if _line(found) != line:
        raise SignatureFileError("a line is not spelled as kmsplan writes it")
    found.require()
    return found


def _written(statement: Statement) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        **{name: getattr(statement, name) for name in _FIELDS},
        "signed": statement.signed.strftime(_INSTANT),
        "expires": statement.expires.strftime(_INSTANT),
    }


def _statement(written: dict[str, Any]) -> Statement:
    texts = {name: written[name] for name in _FIELDS}
    if not all(isinstance(text, str) for text in texts.values()) or not NAME.fullmatch(texts["signer"]):
        raise ValueError("a field is no text, or the signer's name no name")
    return Statement(**texts, signed=_instant(written["signed"]), expires=_instant(written["expires"]))


def _instant(text: str) -> datetime:
    return datetime.strptime(text, _INSTANT).replace(tzinfo=UTC)
