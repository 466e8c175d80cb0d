"""The database file: made, opened for writing or for reading, read by many, written by one."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from kmsplan.engine.error import EngineExistsError, EngineMissingError, EngineVersionError, KeystoreCorruptError
from kmsplan.engine.keystore import schema
from kmsplan.engine.keystore.fault import translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.writer import Transaction, Writer

T = TypeVar("T")
FILE: Final = "keystore.db"
BUSY_SECONDS: Final = 10.0
"""How long a write waits for another process's transaction, which takes milliseconds."""


def is_keystore(folder: Path) -> bool:
    """Return whether the folder holds a keystore."""
    return (folder / FILE).is_file()


def create(folder: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a keystore; it appears whole or not at all, however many processes try at once.

    Args:
        folder: made with mode 0700 where it does not exist.
        fill: writes the first rows.

    Raises:
        EngineExistsError: there is one.
        KeystoreError: it cannot be written.
    """
    path, draft = folder / FILE, folder / f"{FILE}.new-{os.getpid()}"
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _fill(draft, fill)
        os.link(draft, path)  # fails where the name is taken; a rename would put the other keystore away
    except FileExistsError as error:
        raise EngineExistsError(f"{folder} already holds an engine; nothing was changed") from error
    finally:
        draft.unlink(missing_ok=True)
    flush_folder(folder)


def _fill(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Fill a file that nobody else sees yet, and flush it once, at the end."""
    try:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous = OFF")
            schema.lay_out(db)
            fill(db)
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode = WAL")
        finally:
            db.close()
    except sqlite3.Error as error:
        raise translate(error, path) from error
    _flush(path, os.O_RDWR)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a new name outlives a power cut."""
    _flush(folder, os.O_RDONLY | os.O_DIRECTORY)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Keystore:
    """An open keystore.

    Args:
        folder: where it is.
        read_only: whether nothing on disk may change.

    Raises:
        EngineMissingError, EngineVersionError, KeystoreError: it cannot be used.
    """

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        if not is_keystore(folder):
            raise EngineMissingError(
                f"there is no engine in {folder}. Correct the path, or make an engine there: kmsplan engine init"
            )
        self.path = folder / FILE
        self._read_only = read_only
        self._closed = False
        self._readers: deque[sqlite3.Connection] = deque()
        self._writer: Writer | None = None
        try:
            with self.read() as db:
                _check(db, self.path)
        except BaseException:
            self.close()
            raise

    @property
    def commits(self) -> int:
        """Transactions committed since it was opened."""
        return self._writer.commits if self._writer else 0

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that sees one state of the database for as long as it is held.

        Raises:
            KeystoreError: it cannot be read.
        """
        with self.look() as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    @contextmanager
    def look(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one statement, or for several that need not see the same state; raises as `read`."""
        db = self._reader()
        try:
            yield db
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        finally:
            if self._closed:
                db.close()
            else:
                self._readers.append(db)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in the writing thread; see `Writer.write`."""
        if self._writer is None:
            raise RuntimeError("the keystore was not opened for writing")
        return self._writer.write(work)

    def start(self, conclude: Callable[[Transaction], Callable[[], None] | None]) -> None:
        """Start the writing thread, with what a commit ends with (see `Writer`); before that nothing can be written."""
        from kmsplan.engine.keystore.writer import Writer  # noqa: PLC0415 - planning never writes

        self._writer = Writer(self._connect_writer, conclude, lambda error: translate(error, self.path))

    def close(self) -> None:
        """Finish what is being written and close every connection."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()
        while self._readers:
            self._readers.pop().close()

    def _reader(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._readers.pop()
        base = self.path.absolute().as_uri()
        try:
            return (
                _connect_untouching(self.path, base) if self._read_only else _connect(f"{base}?mode=rw", writes=False)
            )
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    def _connect_writer(self) -> sqlite3.Connection:
        return _connect(f"{self.path.absolute().as_uri()}?mode=rw", writes=True)


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


def _check(db: sqlite3.Connection, path: Path) -> None:
    application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if application != schema.APPLICATION_ID:
        raise KeystoreCorruptError(
            f"{path} is a database, but no keystore of kmsplan. Correct the engine's path, or restore its folder from "
            "a backup"
        )
    if version > schema.VERSION:
        raise EngineVersionError(
            f"the keystore {path} has format {version}, and this kmsplan knows formats up to {schema.VERSION}: a newer "
            "kmsplan has written it. Install that version"
        )


def make_folder(folder: Path) -> None:
    """Make the engine's folder, for its owner alone.

    A folder that already holds something else keeps its mode: it is not only ours, and our files have theirs.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(folder.iterdir()) and stat.S_IMODE(folder.stat().st_mode) != stat.S_IRWXU:
        folder.chmod(stat.S_IRWXU)
