"""A database with one table and what writes to it, as the keystore has them."""

from __future__ import annotations

import sqlite3
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from kmsplan.engine.error import KeystoreLockedError
from kmsplan.engine.keystore.committer import Committer
from kmsplan.engine.keystore.transaction import Ticket, Transaction
from kmsplan.engine.keystore.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection

T = TypeVar("T")


class Kept:
    """The database, its committer and writing thread, and what their hooks saw."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.concluded: list[list[Any]] = []
        self.after: list[str] = []
        self.conclude: Callable[[Transaction], Callable[[], None] | None] = self._conclude
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
            db.execute("CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB)")
            db.execute("PRAGMA journal_mode = WAL")
        self.connections = 0
        self.taken = False
        """Whether another process has the turn."""
        self.nonces = None
        self.committer = Committer(self, self._concluding)
        self.writer = Writer(self.committer)

    def write(self, work: Callable[[Transaction], T]) -> T:
        job = Ticket(work, touches=True)
        self.writer.submit(job)
        return job.wait()

    def _concluding(self, transaction: Transaction) -> Callable[[], None] | None:
        return self.conclude(transaction)

    def connect(self, *, writes: bool) -> sqlite3.Connection:
        assert writes
        self.connections += 1
        return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)

    def turn(self, *, wait: bool) -> AbstractContextManager[object]:
        if not wait and self.taken:
            raise BlockingIOError
        return nullcontext()

    def turn_beside(self) -> AbstractContextManager[object]:
        return nullcontext()

    def bring_in(self, db: Connection) -> list[bytes]:
        del db
        return []

    def begin(self, db: Connection, *, wait: bool) -> None:
        db.execute(f"PRAGMA busy_timeout = {100 if wait else 0}")
        db.execute("BEGIN IMMEDIATE")

    def translate(self, error: Exception) -> Exception:
        return KeystoreLockedError(str(error)) if "locked" in str(error) else RuntimeError(str(error))

    def _conclude(self, transaction: Transaction) -> Callable[[], None] | None:
        self.concluded.append(list(transaction.entries))
        return lambda: self.after.append("then")

    def rows(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as db, db:
            return [row[0] for row in db.execute("SELECT a FROM t ORDER BY a")]


def insert(number: int) -> Callable[[Transaction], int]:
    def work(transaction: Transaction) -> int:
        transaction.db.execute("INSERT INTO t VALUES (?)", (number,))
        transaction.entries.append(number)
        return number

    return work
