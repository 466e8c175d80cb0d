"""The snapshot's text: deterministic JSON, one line per value, sorted, with a digest over all the rest.

The digest is the first member, so that it covers the bytes behind it as they stand: checking 20,000 records costs one
hash. A file that was only laid out anew (line ends, indentation) is accepted by the digest of its canonical form.

Where the state is encrypted, all of this is sealed inside another JSON object, which says whose it is and which serial.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.collector import collector_paused
from kmsplan.resource.step import Status
from kmsplan.state.cipher import PLAIN, unwrap, wrap
from kmsplan.state.entry import decode_deletions, decode_effect
from kmsplan.state.error import StateCorruptError, StateVersionError
from kmsplan.state.plain import plain
from kmsplan.state.record import Made, Pending, Record, Recorded
from kmsplan.state.upgrade import FORMAT_VERSION, Document, upgraded

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Effect
    from kmsplan.state.cipher import Codec
    from kmsplan.state.record import Deletions

_OPTIONS: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_OPEN: Final = b"{\n"
_DIGEST_LINE: Final = re.compile(rb'\{\n  "digest": "([0-9a-f]{64})",\n')
_SET_ADDRESS, _SET_IDENTITY, _SET_ATTRIBUTES, _SET_STATUS = (
    vars(Record)[name].__set__ for name in ("address", "identity", "attributes", "status")
)
_STATUSES: Final = {status.value: status for status in Status}
_KIND: Final = "snapshot"
HEAD_SIZE: Final = 4096
"""A file's first so many bytes hold all that stands before its records."""
_LINEAGE: Final = re.compile(rb'"lineage": ?"([0-9A-Za-z]+)"')
_HEAD: Final = re.compile(rb'\{\n  "digest": .*?"made": (.*?),\n  "pending": ', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state, and how far its journal has been folded into it."""

    recorded: Recorded
    journal_sequence: int
    """Sequence number of the last entry that is part of it."""


def encode(snapshot: Snapshot, codec: Codec = PLAIN) -> bytes:
    """Return a snapshot's file content."""
    return wrap(codec, _encode(snapshot), _header(snapshot.recorded), kind=_KIND)


def _header(recorded: Recorded) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, "lineage": recorded.lineage, "serial": recorded.serial}


def _encode(snapshot: Snapshot) -> bytes:
    recorded = snapshot.recorded
    content = _canonical(
        {
            "environment": recorded.environment,
            "format_version": FORMAT_VERSION,
            "journal_sequence": snapshot.journal_sequence,
            "lineage": recorded.lineage,
            "made": recorded.made and _members(recorded.made),
            "pending": [_pending_json(pending) for pending in recorded.pending],
            "records": {
                address: {"attributes": record.attributes, "identity": record.identity, "status": record.status}
                for address, record in recorded.records.items()
            },
            "serial": recorded.serial,
            **({} if recorded.unfinished is None else {"unfinished": _members(recorded.unfinished)}),
        }
    )
    return b'{\n  "digest": "%b",\n%b' % (_digest(content).encode(), content[len(_OPEN) :])


def decode(content: bytes, *, path: Path, remedy: str, codec: Codec = PLAIN) -> Snapshot:
    """Read a snapshot's file content.

    Args:
        content: The file.
        path: Its path, for messages.
        remedy: What to do about a damaged one.
        codec: Opens what the store keeps.

    Raises:
        StateCorruptError: it is empty, truncated, no JSON, edited, or of another form.
        StateVersionError: a newer kmsplan wrote it.
        StateKeyError: it is not encrypted with the codec's key.
    """
    with collector_paused():
        document = _document(content, path, remedy)
        _check_version(document["format_version"], path)
        opened = unwrap(codec, content, document, place=str(path), remedy=remedy, kind=_KIND)
        if opened is not content:
            content, document = opened, _document(opened, path, remedy)
        _check_digest(content, document, path, remedy)
        try:
            return _snapshot(upgraded(document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateCorruptError(f"{path} has an unknown form: {type(error).__name__} {error}", remedy) from error


def recode(content: bytes, *, path: Path, remedy: str, before: Codec, after: Codec) -> bytes:
    """Return the same snapshot under another codec, to the last byte; raises as `decode` does."""
    recorded = decode(content, path=path, remedy=remedy, codec=before).recorded
    document = _document(content, path, remedy)
    text = unwrap(before, content, document, place=str(path), remedy=remedy, kind=_KIND)
    return wrap(after, text, _header(recorded), kind=_KIND)


def lineage(content: bytes) -> str | None:
    """Return whose a snapshot says it is, from its first `HEAD_SIZE` bytes; None where its layout is another one."""
    found = _LINEAGE.search(content[:HEAD_SIZE])
    return found[1].decode() if found else None


def has_head(content: bytes) -> bool:
    """Return whether a file's beginning, laid out as kmsplan writes it, tells how its serial came to be."""
    return _HEAD.match(content) is not None


def made(content: bytes, *, path: Path, remedy: str, codec: Codec = PLAIN) -> Made | None:
    """Return how a snapshot's serial came to be, without a look at its records where the layout allows that.

    Args:
        content: The file, or a beginning that has a head.
        path: Its path, for messages.
        remedy: What to do about a damaged one.
        codec: Opens what the store keeps.

    Raises:
        StateError: as `decode` does.
    """
    text = content
    if codec.key_id is not None:
        document = _document(content, path, remedy)
        text = unwrap(codec, content, document, place=str(path), remedy=remedy, kind=_KIND)
    if found := _HEAD.match(text[:HEAD_SIZE]):
        return _made(orjson.loads(found[1]))
    return decode(content, path=path, remedy=remedy, codec=codec).recorded.made


def _document(content: bytes, path: Path, remedy: str) -> Document:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if not content.strip(b" \r\n\t\0"):
            raise StateCorruptError(f"{path} is empty; a state never is, so something emptied it", remedy) from error
        raise StateCorruptError(f"{path}:{error.lineno}: truncated, or no JSON: {error.msg}", remedy) from error
    if not isinstance(document, dict) or not isinstance(document.get("format_version"), int):
        raise StateCorruptError(f"{path} is JSON, but no state of kmsplan: it has no format_version", remedy)
    return document


def _check_version(version: int, path: Path) -> None:
    if version > FORMAT_VERSION:
        raise StateVersionError(
            f"{path} has format version {version}; this version of kmsplan knows versions up to {FORMAT_VERSION}",
            "A newer kmsplan wrote it. Use that version; nothing was changed.",
        )


def _check_digest(content: bytes, document: Document, path: Path, remedy: str) -> None:
    stated = document.pop("digest", None)
    found = _DIGEST_LINE.match(content)
    if found and _digest(_OPEN, memoryview(content)[found.end() :]) == stated:
        return
    if _digest(_canonical(document)) != stated:
        raise StateCorruptError(
            f"{path} was edited: its digest does not fit its content, so nothing in it can be relied on", remedy
        )


def _digest(*parts: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _canonical(document: Document) -> bytes:
    return orjson.dumps(document, option=_OPTIONS, default=plain)


def _snapshot(document: Document) -> Snapshot:
    recorded = Recorded(
        lineage=document["lineage"],
        serial=document["serial"],
        environment=document["environment"],
        records={
            address: _record(address, values["identity"], values["attributes"], _STATUSES[values["status"]])
            for address, values in document["records"].items()
        },
        pending=tuple(_pending(values) for values in document["pending"]),
        made=_made(document["made"]),
        unfinished=decode_deletions(document.get("unfinished")),
    )
    return Snapshot(recorded, document["journal_sequence"])


def _made(values: dict[str, Any] | None) -> Made | None:
    return None if values is None else Made(**{**values, "at": datetime.fromisoformat(values["at"])})


def _record(address: Address, identity: str, attributes: dict[str, Any], status: Status) -> Record:
    """Return a record in half the time that its constructor takes, for there are tens of thousands."""
    record = object.__new__(Record)
    _SET_ADDRESS(record, address)
    _SET_IDENTITY(record, identity)
    _SET_ATTRIBUTES(record, attributes)
    _SET_STATUS(record, status)
    return record


def _pending_json(pending: Pending) -> dict[str, Any]:
    """Return dicts all the way down, for only their keys are sorted."""
    return {**_members(pending), "effect": _members(pending.effect)}


def _members(value: Pending | Effect | Made | Deletions) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}


def _pending(values: dict[str, Any]) -> Pending:
    return Pending(**{**values, "effect": decode_effect(values["effect"])})
