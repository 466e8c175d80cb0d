"""Signed statements of how far the audit trail reached: "entry N has this hash", signed with Ed25519 (RFC 8032).

A hash chain shows that an entry was changed, but not that its tail was cut off or the whole chain written anew. A
checkpoint shows both, relative to itself. The newest one is kept in a file of its own too, `audit.checkpoint`; copies
of it in another place are worth what that place is worth.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.engine.keystore.drafts import drafted
from kmsplan.engine.keystore.folder import flush_folder

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE: Final = "audit.checkpoint"
EVERY: Final = 1000
"""Entries between two checkpoints, at most; closing the engine makes one too."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement about one entry."""

    body: bytes
    """Canonical JSON: engine_id, seq, hash (hex), time."""
    signature: bytes

    @property
    def statement(self) -> dict[str, Any]:
        """What it says."""
        statement: dict[str, Any] = orjson.loads(self.body)
        return statement

    def holds(self, public_key: bytes) -> bool:
        """Return whether the signature is good under a raw Ed25519 public key."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - planning verifies nothing
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(self.signature, self.body)
        except InvalidSignature:
            return False
        return True


def sign(key: Ed25519PrivateKey, engine_id: str, seq: int, entry_hash: bytes, now: str) -> Checkpoint:
    """Return a checkpoint at entry `seq`."""
    statement = {"engine_id": engine_id, "seq": seq, "hash": entry_hash.hex(), "time": now}
    body = orjson.dumps(statement, option=orjson.OPT_SORT_KEYS)
    return Checkpoint(body, key.sign(body))


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the file, atomically.

    Raises:
        OSError: it cannot be written; the older checkpoint is still there, and still true.
    """
    content = orjson.dumps({"body": checkpoint.body.decode(), "signature": checkpoint.signature.hex()})
    with drafted(folder / FILE) as draft:
        with draft.open("wb") as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / FILE)
    flush_folder(folder)


def read(folder: Path) -> Checkpoint | None:
    """Return the checkpoint in the file; None where it is missing, no checkpoint, or cannot be read."""
    with suppress(OSError):
        return look(folder)
    return None


def look(folder: Path) -> Checkpoint | None:
    """Return the checkpoint in the file; None where it is missing or no checkpoint.

    Raises:
        OSError: it cannot be read, which says nothing about what is in it.
    """
    try:
        content = orjson.loads((folder / FILE).read_bytes())
        found = Checkpoint(content["body"].encode(), bytes.fromhex(content["signature"]))
        return found if {"seq", "hash"} <= found.statement.keys() else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
