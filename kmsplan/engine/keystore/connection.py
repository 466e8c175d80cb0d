"""What the engine asks of a database and of a connection to it, whichever database it is.

The engine's SQL is what SQLite and PostgreSQL both take, with `?` for parameters, not `?N`, of which Python 3.12.0 to
3.12.3 warn; `dialect` knows the few words in which they differ. A `sqlite3.Connection` is a `Connection` as it is.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol

from kmsplan.engine.error import EngineMissingError, KeystoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from kmsplan.engine.keystore.nonce import SharedNonces
    from kmsplan.engine.keystore.recorder import Recorder
    from kmsplan.engine.presence import Presence


class Cursor(Protocol):
    """The answer to a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""


class Connection(Protocol):
    """A connection; one thread at a time uses it."""

    @property
    def total_changes(self) -> int:
        """Rows changed since it was opened; it also grows when a transaction cannot go on after an error."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement; `BEGIN IMMEDIATE` begins a transaction that writes, `BEGIN` one that reads."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Run one statement for each set of parameters."""

    def close(self) -> None:
        """Close it; an open transaction is undone."""


class PostgresError(Exception):
    """PostgreSQL refused or failed.

    Args:
        message: the server's or the client library's own words.
        sqlstate: the error code (PostgreSQL manual, appendix A); empty where the server said nothing.
        in_doubt: whether a commit was on its way whose end is not known.
    """

    def __init__(self, message: str, sqlstate: str = "", *, in_doubt: bool = False) -> None:
        self.sqlstate = sqlstate
        self.in_doubt = in_doubt
        super().__init__(message)


class PostgresConstraintError(PostgresError):
    """A row breaks a constraint of its table."""


FAILURES: Final = (sqlite3.Error, PostgresError)
"""What statements raise."""
CONSTRAINTS: Final = (sqlite3.IntegrityError, PostgresConstraintError)
"""Those of them that one statement has to answer for, not the database."""


class Crowd(NamedTuple):
    """Who has an engine open for writing."""

    nodes: int
    """Processes."""
    machines: int
    """How many folders they work in: each machine has one, or more where it runs several nodes."""
    led: bool
    """Whether one of them keeps the schedule."""


class Database(Protocol):
    """Where a keystore is, or is to be."""

    kind: ClassVar[str]
    """Which database it is: sqlite or postgresql."""
    near: ClassVar[bool]
    """Whether a commit waits for this machine's disk, and for no network."""
    nonces: ClassVar[SharedNonces | None]
    """Where nonces are used up for all nodes; None where they are on one machine, which knows its nonces."""

    @property
    def name(self) -> str:
        """What messages call it; no secret is in it."""

    def exists(self) -> bool:
        """Return whether there is a keystore."""

    def create(self, fill: Callable[[Connection], None]) -> None:
        """Make a keystore; it appears whole or not at all, however many processes try at once.

        Args:
            fill: writes the first rows. Nobody else's runs at the same time, nor where there is a keystore by then.

        Raises:
            EngineExistsError: there is one.
            KeystoreError: it cannot be written.
        """

    def check(self, db: Connection) -> None:
        """Check that it is a keystore of ours, in the format that we know.

        Raises:
            EngineMissingError, KeystoreCorruptError, EngineVersionError: it is not.
        """

    def connect(self, *, writes: bool) -> Connection:
        """Open a connection, for the one that writes or for a reader.

        Raises:
            EngineMissingError: there is no keystore.
        """

    def turn(self, *, wait: bool) -> AbstractContextManager[object]:
        """Wait for this process's turn to write, where processes have to take turns before they begin.

        Args:
            wait: False to wait for next to nothing; only where the database is near.

        Raises:
            BlockingIOError: somebody else has it.
        """

    def turn_beside(self) -> AbstractContextManager[object]:
        """Wait for this process's turn to bring spools in, while others go on filling theirs."""

    def begin(self, db: Connection, *, wait: bool) -> None:
        """Begin a transaction that writes, after those of whoever takes no turns; `wait` as in `turn`.

        Raises:
            sqlite3.Error, PostgresError: somebody else has one for too long.
        """

    def bring_in(self, db: Connection) -> list[bytes]:
        """Return the audit entries that wait in spools, and note in the transaction that they were brought in.

        Raises:
            KeystoreError: they cannot be read.
        """

    def waiting(self, db: Connection) -> bool:
        """Return whether any audit entries wait in spools; raises as `bring_in`."""

    def recorder(self, draft: Callable[[Any], bytes], fold: Callable[[], None]) -> Recorder | None:
        """Return what records answers without a transaction; None where that cannot be had.

        Args:
            draft: see `Recorder`.
            fold: see `Recorder`.

        Raises:
            KeystoreError: what a spool holds cannot be brought in.
        """

    def presence(self, entropy: Callable[[int], bytes]) -> Presence:
        """Mark this process as one that has the engine open.

        Args:
            entropy: source of the mark's name.
        """

    def crowd(self, db: Connection) -> Crowd:
        """Return who has the engine open for writing."""

    def translate(self, error: Exception) -> KeystoreError:
        """Return the error for people that a database error stands for."""

    def close(self) -> None:
        """Give back what is not a connection's."""


def missing(place: object) -> EngineMissingError:
    """Return the error of a place without a keystore."""
    return EngineMissingError(
        f"there is no engine in {place}. Correct the path, or make an engine there: kmsplan engine init"
    )
