"""SQLite as a place for the keystore: one file, for engines on one machine; see `connection.Database`."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from kmsplan.engine.error import EngineExistsError, EngineVersionError, KeystoreCorruptError, KeystoreError
from kmsplan.engine.keystore import schema
from kmsplan.engine.keystore.connection import Crowd, missing
from kmsplan.engine.keystore.drafts import drafted
from kmsplan.engine.keystore.fault import translate
from kmsplan.engine.keystore.folder import alone_in, flush, flush_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.nonce import SharedNonces
    from kmsplan.engine.keystore.recorder import Recorder
    from kmsplan.engine.keystore.turn import Turn
    from kmsplan.engine.presence import FolderPresence

FILE: Final = "keystore.db"
BUSY_SECONDS: Final = 10.0
"""How long a write waits for the transaction of somebody who takes no turns, such as a shell."""
_PATIENT: Final = f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}"
_AT_ONCE: Final = "PRAGMA busy_timeout = 0"


class SqliteDatabase:
    """A keystore's place in a folder.

    Args:
        folder: the engine's.
        read_only: whether nothing on disk may change.
    """

    kind: ClassVar[str] = "sqlite"
    near: ClassVar[bool] = True
    nonces: ClassVar[SharedNonces | None] = None

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._read_only = read_only
        self._turn: Turn | None = None

    @property
    def name(self) -> str:
        """The file."""
        return str(self._path)

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self._path.is_file()

    def create(self, fill: Callable[[Connection], None]) -> None:
        """Make a keystore; see `Database.create`."""
        # What fills it writes into the folder, too, and would take from another's engine what that has there.
        with alone_in(self._folder):
            if self.exists():
                raise self._taken()
            try:
                with drafted(self._path) as draft:
                    _fill(draft, fill)
                    os.link(draft, self._path)  # fails where the name is taken; a rename would put that keystore away
            except FileExistsError as error:
                raise self._taken() from error
            flush_folder(self._folder)

    def check(self, db: Connection) -> None:
        """Check that it is a keystore in our format; see `Database.check`."""
        names = ("application_id", "user_version")
        application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        if application != schema.APPLICATION_ID:
            raise KeystoreCorruptError(
                f"{self._path} is a database, but no keystore of kmsplan. Correct the engine's path, or restore its "
                "folder from a backup"
            )
        if version < schema.VERSION:
            raise EngineVersionError(
                f"the keystore {self._path} has format {version}, from before the first release, and this kmsplan "
                f"reads format {schema.VERSION}. Make a new engine"
            )
        if version > schema.VERSION:
            raise EngineVersionError(
                f"the keystore {self._path} has format {version}, and this kmsplan knows formats up to "
                f"{schema.VERSION}: a newer kmsplan has written it. Install that version"
            )

    def connect(self, *, writes: bool) -> sqlite3.Connection:
        """Open a connection; see `Database.connect`."""
        if not self.exists():
            raise missing(self._folder)
        base = self._path.absolute().as_uri()
        return _connect_untouching(self._path, base) if self._read_only else _connect(f"{base}?mode=rw", writes=writes)

    def turn(self, *, wait: bool = True) -> AbstractContextManager[object]:
        """Wait for this process's turn to write; see `Database.turn`.

        Raises:
            OSError: the folder cannot be written.
        """
        return self._place()(wait=wait)

    def turn_beside(self) -> AbstractContextManager[object]:
        """Wait for this process's turn to bring spools in; see `Database.turn_beside`. Raises as `turn`."""
        return self._place().beside()

    def begin(self, db: Connection, *, wait: bool = True) -> None:
        """Begin a transaction that writes; see `Database.begin`."""
        db.execute(_PATIENT if wait else _AT_ONCE)
        db.execute("BEGIN IMMEDIATE")

    def bring_in(self, db: Connection) -> list[bytes]:
        """Return the audit entries that wait in spools; see `Database.bring_in`."""
        from kmsplan.engine.keystore import spools  # noqa: PLC0415 - planning never writes

        return spools.bring_in(self._folder, db)

    def waiting(self, db: Connection) -> bool:
        """Return whether any audit entries wait in spools; see `Database.waiting`."""
        from kmsplan.engine.keystore import spools  # noqa: PLC0415 - planning never asks

        return spools.waiting(self._folder, db)

    def recorder(self, draft: Callable[[Any], bytes], fold: Callable[[], None]) -> Recorder | None:
        """Return what records answers in a spool; see `Database.recorder`."""
        from kmsplan.engine.keystore.recorder import Recorder  # noqa: PLC0415 - only servers have one

        db = self.connect(writes=False)
        try:
            return Recorder(self._folder, db, draft, fold)
        except OSError:  # all can be answered without, if not as fast
            db.close()
            return None

    def presence(self, entropy: Callable[[int], bytes]) -> FolderPresence:
        """Mark this process as one that has the engine open.

        Raises:
            OSError: the folder cannot be written.
        """
        from kmsplan.engine.presence import FolderPresence  # noqa: PLC0415 - planning writes nothing

        return FolderPresence(self._folder, entropy)

    def crowd(self, db: Connection) -> Crowd:
        """Return who has the engine open for writing: processes of this machine."""
        del db
        from kmsplan.engine.presence import is_led, marks  # noqa: PLC0415 - planning does not ask

        return Crowd(marks(self._folder), 1, is_led(self._folder))

    def translate(self, error: Exception) -> KeystoreError:
        """Return the error for people that a database error stands for."""
        return translate(error, self._path) if isinstance(error, sqlite3.Error) else KeystoreError(str(error))

    def close(self) -> None:
        """Leave the line of those that write."""
        if self._turn is not None:
            self._turn.close()
            self._turn = None

    def _taken(self) -> EngineExistsError:
        return EngineExistsError(f"{self._folder} already holds an engine; nothing was changed")

    def _place(self) -> Turn:
        if self._turn is None:
            from kmsplan.engine.keystore.turn import Turn  # noqa: PLC0415 - planning never writes

            self._turn = Turn(self._folder)
        return self._turn


@contextmanager
def scratch() -> Iterator[Connection]:
    """Lend an empty keystore in a temporary file without a name, in an open transaction; nothing of it stays.

    Raises:
        KeystoreError: it does not take what is written to it.
    """
    try:
        with closing(sqlite3.connect("", isolation_level=None)) as db:
            schema.lay_out(db)
            yield db
    except sqlite3.Error as error:
        raise translate(error, Path(tempfile.gettempdir())) from error


def _fill(path: Path, fill: Callable[[Connection], None]) -> None:
    """Fill a file that nobody else sees yet, and flush it once, at the end."""
    try:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            # What is filled in from a backup and replaced at once does not stay in the file.
            db.executescript("PRAGMA synchronous = OFF; PRAGMA secure_delete = ON")
            schema.lay_out(db)
            fill(db)
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode = WAL")
        finally:
            db.close()
    except sqlite3.Error as error:
        raise translate(error, path) from error
    flush(path, os.O_RDWR)


def _connect(uri: str, *, writes: bool) -> sqlite3.Connection:
    # A reader is used by one thread at a time, though not always by the same.
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        schema.prepare(db, writes=writes)
        db.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def _connect_untouching(path: Path, base: str) -> sqlite3.Connection:
    """Connect so that the files are the same afterwards.

    A WAL beside the file belongs to a running writer or a crashed one: `mode=ro` reads through it and leaves it there.
    Without one, `mode=rw` removes at its end the empty WAL that it needs, which `mode=ro` would leave. Where the folder
    cannot be written nobody can be writing, so that SQLite may take the file for immutable.
    """
    wal = path.with_name(path.name + "-wal")
    modes = ("mode=ro",) if wal.exists() else ("mode=rw", "mode=ro", "mode=ro&immutable=1")
    for mode in modes[:-1]:
        with suppress(sqlite3.OperationalError):
            return _connect(f"{base}?{mode}", writes=False)
    return _connect(f"{base}?{modes[-1]}", writes=False)
