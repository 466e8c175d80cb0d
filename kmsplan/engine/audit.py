"""The audit trail: who did what with which key, and how that ended.

An entry is canonical JSON. It holds the SHA-256 hash of the entry before it, so that the entries are a chain. Entries
are appended in the transaction of the change that they tell of: neither is there without the other. What they hold is
named here; material, plaintext, digests, signatures and encryption contexts are not among it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.engine import checkpoint
from kmsplan.engine.keystore import trail
from kmsplan.engine.keystore.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.keystore.connection import Connection

OK: Final = "OK"
ACCEPTED: Final = "Accepted"
"""Begun outside the database (in an HSM); how it ended, another entry tells."""
_RESOURCE_LENGTH: Final = 300
"""Longer than any id, alias or ARN: callers may name a key by anything, and the trail does not keep all of it."""
_LONG: Final = ("Policy", "Description", "DeletionProtectionDescription")
"""Parameters that are kept as their hash: they are long, and free text may hold anything."""


_NO_PREVIOUS: Final = b',"previous":"",'
_NO_SEQ: Final = b',"seq":0,'
_TIME_LENGTH: Final = len('2000-01-01T00:00:00Z"}')
"""What an entry ends with."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One call, or one thing that the engine does by itself."""

    action: str
    resource: str | None
    """The id, alias or ARN that it is about; what it makes, once that has an id."""
    time: str
    request_id: str
    caller: Caller
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Set once they are checked: what is no JSON, or too long, is not to be kept either."""
    intent: Callable[[], None] | None = None
    """Called before anything of it is committed (see `keystore.transaction.Ticket`)."""

    def entry(self, result: str) -> dict[str, Any]:
        """Return the entry that tells of it; its place in the chain is filled in when it is appended."""
        entry: dict[str, Any] = {
            "action": self.action,
            "actor": self.caller.actor,
            "request_id": self.request_id,
            "resource": self.resource and self.resource[:_RESOURCE_LENGTH].encode("ascii", "replace").decode(),
            "result": result,
            "source": self.caller.source,
            "time": self.time,
        }
        if self.parameters:
            entry["parameters"] = {name: _shown(name, value) for name, value in self.parameters.items()}
        return entry


def _shown(name: str, value: Any) -> Any:
    if name in _LONG and value:
        return {"sha256": hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()}
    return value


class Trail:
    """Appends entries and makes checkpoints.

    Args:
        folder: where the newest checkpoint is kept beside the database.
        engine_id: named in every checkpoint.
        begins: whether the engine is being made or restored, so that the folder's checkpoint is not true any more.
    """

    def __init__(self, folder: Path, engine_id: str, *, begins: bool = False) -> None:
        self.key: Ed25519PrivateKey | None = None
        """Signs checkpoints; None while the engine is sealed, and then they wait."""
        self._folder = folder
        self._engine_id = engine_id
        self._begins = begins

    def conclude(self, transaction: Transaction) -> Callable[[], None] | None:
        """Append a transaction's entries, and a checkpoint where one is due; return what writes that to its file."""
        if not transaction.entries and not transaction.wants_checkpoint:
            return None
        head = trail.head(transaction.db)
        rows = list(_chain(_in_order(transaction.entries), head.seq, head.hash))
        trail.append(transaction.db, rows)
        seq, _, entry_hash = rows[-1] if rows else (head.seq, b"", head.hash)
        gap = seq - head.checkpoint
        due = gap >= checkpoint.EVERY or (gap > 0 and transaction.wants_checkpoint)
        if self.key is None or not due:
            return None
        signed = checkpoint.sign(self.key, self._engine_id, seq, entry_hash, _time(transaction.db, seq))
        trail.add_checkpoint(transaction.db, seq, signed.body, signed.signature)
        if not (self._begins or self._agrees(transaction.db, seq)):
            return None
        return lambda: checkpoint.write(self._folder, signed)

    def _agrees(self, db: Connection, newest: int) -> bool:
        """Return whether the folder's checkpoint is true; one that is not is evidence, and stays.

        Written over, it would hide that the trail was cut off, written anew, or replaced by an older one.
        """
        kept = checkpoint.read(self._folder)
        if kept is None:
            return True
        seq, said = kept.statement["seq"], kept.statement["hash"]
        # Who can edit the file must not be able to stop the engine by it.
        found = trail.hash_of(db, seq) if isinstance(seq, int) and 0 < seq <= newest else None
        return found is not None and found.hex() == said


def begin(folder: Path, engine_id: str, signer: Ed25519PrivateKey, db: Connection, request: Request) -> None:
    """Append what an engine begins with here, and write its checkpoint's file, which is there before the engine is.

    Args:
        folder: as for `Trail`.
        engine_id: as for `Trail`.
        signer: signs the checkpoint.
        db: the keystore, in an open transaction.
        request: what made or restored the engine.
    """
    begun, transaction = Trail(folder, engine_id, begins=True), Transaction(db)
    begun.key = signer
    transaction.entries.append(request.entry(OK))
    transaction.wants_checkpoint = True
    write_file = begun.conclude(transaction)
    if write_file is not None:
        write_file()


def _time(db: Connection, seq: int) -> str:
    """Return the time of an entry: a checkpoint says how things stood then."""
    time: str = orjson.loads(trail.entry(db, seq))["time"]
    return time


def draft(entry: dict[str, Any]) -> bytes:
    """Return the canonical bytes of an entry whose place in the chain is not known yet."""
    return orjson.dumps({**entry, "previous": "", "seq": 0}, option=orjson.OPT_SORT_KEYS)


def _in_order(entries: list[bytes | dict[str, Any]]) -> list[bytes]:
    """Return drafts of a transaction's entries: first those that served engines answered before, by their times."""
    earlier = [entry for entry in entries if isinstance(entry, bytes)]
    earlier.sort(key=lambda entry: entry[-_TIME_LENGTH:])  # they come process by process
    return earlier + [draft(entry) for entry in entries if isinstance(entry, dict)]


def _chain(drafts: list[bytes], seq: int, previous: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    for number, entry in enumerate(drafts, seq + 1):
        # From behind: parameters may be named as anything, but they come first, and within text a quote is escaped.
        head, _, rest = entry.rpartition(_NO_PREVIOUS)
        middle, _, tail = rest.rpartition(_NO_SEQ)
        content = b'%b,"previous":"%b",%b,"seq":%d,%b' % (head, previous.hex().encode(), middle, number, tail)
        previous = hashlib.sha256(content).digest()
        yield number, content, previous


def entries(db: Connection) -> Iterator[dict[str, Any]]:
    """Yield every entry with its hash, oldest first."""
    for _, content, entry_hash in trail.entries(db):
        yield {**orjson.loads(content), "hash": entry_hash.hex()}


def newest(db: Connection, actions: Collection[str], limit: int) -> Iterator[dict[str, Any]]:
    """Yield the successful ones among the newest `limit` entries that are of these actions, the newest first."""
    for content in trail.newest(db, actions, limit):
        entry = orjson.loads(content)
        if entry["result"] == OK and entry["action"] in actions:
            yield entry
