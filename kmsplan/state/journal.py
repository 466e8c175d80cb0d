"""The journal's text: one line of JSON per entry, each chained to the one before by a short digest.

1. The check of a line is taken over the check before it and the line's own text, so that an edited, removed or swapped
   line shows. It finds accidents and hand edits; it is no signature.
2. A line without its newline, or a last line that is no JSON, is a write that was cut off: nobody was told that it is
   there, so it is left out. Any other bad line is an error.
3. Where the state is encrypted, a line's text is the sealed entry. The chain is over what the line says, so that a
   journal is checked, and cut, the same way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.state.cipher import PLAIN, SEALED, unwrap, wrap
from kmsplan.state.entry import Entry, UnknownEntryError, decode
from kmsplan.state.error import StateCorruptError, StateLineageError, StateVersionError
from kmsplan.state.plain import plain

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.state.cipher import Codec

CHECK_LENGTH: Final = 16
_SUFFIX_START: Final = b',"check":"'
_SUFFIX_END: Final = b'"}'
_KIND: Final = "entry"
_SUFFIX_LENGTH: Final = len(_SUFFIX_START) + CHECK_LENGTH + len(_SUFFIX_END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a journal file holds."""

    entries: tuple[Entry, ...]
    length: int
    """Bytes of whole lines; what follows them is a write that was cut off."""
    check: str
    """The last line's check, or the lineage where there is none."""


def encode(entry: Entry, *, lineage: str = "", codec: Codec = PLAIN) -> bytes:
    """Return an entry's JSON, which `seal` makes a line of."""
    body = orjson.dumps(entry, default=plain)
    return wrap(codec, body, {"sequence": entry.sequence}, lineage=lineage, kind=_KIND)


def seal(body: bytes, previous: str) -> tuple[bytes, str]:
    """Return the line of an entry, and its check. The first line's `previous` is the lineage."""
    check = _check(body[:-1], previous)
    return b"%b%b%b%b\n" % (body[:-1], _SUFFIX_START, check.encode(), _SUFFIX_END), check


def _check(text: bytes, previous: str) -> str:
    return hashlib.sha256(previous.encode() + text).hexdigest()[:CHECK_LENGTH]


def read(content: bytes, *, path: Path, lineage: str, codec: Codec = PLAIN) -> Reading:
    """Read a journal's content.

    Raises:
        StateKeyError: it is not encrypted with the codec's key.
        StateCorruptError: a line was edited, removed or damaged; names file and line.
        StateLineageError: the journal belongs to another state.
        StateVersionError: a newer kmsplan wrote it.
    """
    entries: list[Entry] = []
    check, length = lineage, 0
    lines = content.split(b"\n")
    lines.pop()  # what stands behind the last newline: nothing, or a write that was cut off
    for number, line in enumerate(lines, 1):
        text, stated = line[:-_SUFFIX_LENGTH], line[-CHECK_LENGTH - len(_SUFFIX_END) : -len(_SUFFIX_END)]
        expected = _check(text, check)
        if stated != expected.encode() or not line.endswith(_SUFFIX_END):
            if number == len(lines) and not _is_json(line):
                break
            raise _bad_line(line, path, number, lineage)
        entries.append(_entry(text + b"}", path, number, lineage, codec))
        check = expected
        length += len(line) + 1
    return Reading(entries=tuple(entries), length=length, check=check)


def recode(content: bytes, *, path: Path, lineage: str, before: Codec, after: Codec) -> bytes:
    """Return the same entries under another codec, without a write that was cut off; raises as `read` does."""
    check, lines = lineage, []
    for entry in read(content, path=path, lineage=lineage, codec=before).entries:
        line, check = seal(encode(entry, lineage=lineage, codec=after), check)
        lines.append(line)
    return b"".join(lines)


def _entry(body: bytes, path: Path, number: int, lineage: str, codec: Codec) -> Entry:
    try:
        values = orjson.loads(body)
        if codec.key_id is not None or SEALED in values:
            place, remedy = f"{path}:{number}", _remedy(path)
            values = orjson.loads(unwrap(codec, body, values, place=place, remedy=remedy, lineage=lineage, kind=_KIND))
        return decode(values)
    except UnknownEntryError as error:
        raise StateVersionError(
            f"{path}:{number}: this version of kmsplan does not know {error}",
            "A newer kmsplan wrote it. Use that version; nothing was changed.",
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise StateCorruptError(f"{path}:{number}: the entry has an unknown form: {error}", _remedy(path)) from error


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _bad_line(line: bytes, path: Path, number: int, lineage: str) -> StateCorruptError | StateLineageError:
    other = _lineage_of(line)
    if number == 1 and other not in (None, lineage):
        return StateLineageError(
            f"{path} belongs to another state: its lineage is {other}, this state's is {lineage}",
            "Put the journal of this state back, or move the file away if this state has none.",
        )
    return StateCorruptError(
        f"{path}:{number}: the line does not fit its check: it, or a line before it, was edited, removed or damaged",
        _remedy(path),
    )


def _lineage_of(line: bytes) -> Any:
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return values.get("lineage") if isinstance(values, dict) and values.get("event") == "run" else None


def _remedy(path: Path) -> str:
    return (
        "The journal holds what an interrupted run did, so kmsplan does not go on without it. Put the unedited file "
        f"back; or keep a copy of {path.name}, cut it before that line, and run `kmsplan plan`: owner tags at the KMS "
        "show what the cut entries had made."
    )
