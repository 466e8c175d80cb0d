"""Whether the audit trail is whole: every hash, the chain, every checkpoint, and the checkpoint in its own file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from kmsplan.engine import checkpoint
from kmsplan.engine.checkpoint import Checkpoint
from kmsplan.engine.error import AuditError
from kmsplan.engine.keystore import trail

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection

_REMEDY: Final = (
    "Keep the engine's folder as evidence, find out who could write to it, and compare with a backup or an export of "
    "the trail"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A trail that is whole."""

    entries: int
    checkpoints: int
    head: str
    """Hash of the newest entry, hex: noted elsewhere, it proves later that nothing up to it was changed."""
    signer: str
    """The public key of the checkpoints, hex. It is in the same database as the trail: compare it with a noted one."""


def verify(db: Connection, folder: Path, newest: Checkpoint | None, public_key: bytes) -> Verified:
    """Check the whole trail, and the newest checkpoint in its own file.

    Args:
        db: the keystore.
        folder: the engine's.
        newest: what the file there said before this state of the keystore; others may have signed a later one since.
        public_key: of the checkpoints.

    Raises:
        AuditError: it was changed; names the first entry that is wrong.
    """
    hashes, signed = _check_database(db, public_key)
    _check_file(newest, folder / checkpoint.FILE, public_key, signed, hashes)
    return _verified(hashes, signed, public_key)


def verify_database(db: Connection, public_key: bytes) -> Verified:
    """Check the whole trail, without the checkpoint in its own file; raises as `verify`."""
    return _verified(*_check_database(db, public_key), public_key)


def _check_database(db: Connection, public_key: bytes) -> tuple[list[bytes], dict[int, Checkpoint]]:
    """Return the hashes of all entries, and the checkpoints by the entries that they sign."""
    hashes = _walk(db)
    signed = {seq: Checkpoint(body, signature) for seq, body, signature in trail.checkpoints(db)}
    for seq, found in signed.items():
        if not found.holds(public_key):
            raise AuditError(f"the checkpoint at audit entry {seq} has a bad signature. {_REMEDY}", seq)
        if found.statement["seq"] != seq:
            raise AuditError(f"the checkpoint at audit entry {seq} was moved from another. {_REMEDY}", seq)
        _compare(found, hashes)
    return hashes, signed


def _verified(hashes: list[bytes], signed: dict[int, Checkpoint], public_key: bytes) -> Verified:
    return Verified(
        entries=len(hashes),
        checkpoints=len(signed),
        head=hashes[-1].hex() if hashes else "",
        signer=public_key.hex(),
    )


def _walk(db: Connection) -> list[bytes]:
    """Return the hashes of all entries, each checked against its content and the one before it."""
    hashes: list[bytes] = []
    previous = b""
    for seq, content, stored in trail.entries(db):
        expected = len(hashes) + 1
        if seq != expected:
            raise AuditError(f"audit entry {expected} is missing: it was deleted. {_REMEDY}", expected)
        if hashlib.sha256(content).digest() != stored:
            raise AuditError(f"audit entry {seq} was changed: it does not match its hash. {_REMEDY}", seq)
        if not _in_place(content, seq, previous):
            raise AuditError(
                f"audit entry {seq} does not follow entry {seq - 1}: one of them was replaced or moved. {_REMEDY}", seq
            )
        previous = stored
        hashes.append(stored)
    return hashes


def _in_place(content: bytes, seq: int, previous: bytes) -> bool:
    try:
        entry = orjson.loads(content)
        return bool(entry["seq"] == seq and entry["previous"] == previous.hex())
    except (ValueError, KeyError, TypeError):
        return False


def _compare(found: Checkpoint, hashes: list[bytes]) -> None:
    """Compare what a checkpoint says with the trail."""
    seq, length = found.statement["seq"], len(hashes)
    if seq > length:
        raise AuditError(
            f"the audit trail ends at entry {length}, and a checkpoint was signed at entry {seq}: its end was cut off, "
            f"or an older database was put back. {_REMEDY}",
            length + 1,
        )
    if hashes[seq - 1].hex() != found.statement["hash"]:
        raise AuditError(
            f"audit entry {seq} is not the one that its checkpoint signed: the trail was written anew. {_REMEDY}", seq
        )


def _check_file(
    newest: Checkpoint | None, path: Path, public_key: bytes, signed: dict[int, Checkpoint], hashes: list[bytes]
) -> None:
    """Check the checkpoint in its own file; it may be older than the database's newest."""
    if newest is None:
        raise AuditError(f"{path} is missing or damaged; every engine has it from the start. {_REMEDY}", len(hashes))
    if not newest.holds(public_key):
        raise AuditError(f"the checkpoint in {path} has a bad signature. {_REMEDY}", len(hashes))
    _compare(newest, hashes)
    seq = newest.statement["seq"]
    if seq not in signed:
        raise AuditError(f"the checkpoint of audit entry {seq} was deleted from the database. {_REMEDY}", seq)
