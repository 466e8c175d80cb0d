"""A connection to PostgreSQL that behaves as the engine expects of one; see `keystore.connection`."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import RawCursor

from kmsplan.engine.keystore import setting, trail
from kmsplan.engine.keystore.connection import PostgresError
from kmsplan.engine.keystore.postgres import fault
from kmsplan.engine.keystore.postgres.dialect import statement
from kmsplan.engine.keystore.postgres.remembered import holds
from kmsplan.engine.keystore.postgres.session import converted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kmsplan.engine.keystore.connection import Cursor
    from kmsplan.engine.keystore.postgres.remembered import Remembered
    from kmsplan.engine.keystore.postgres.session import Session

_WRITER: Final = 0x6B6D7377  # "kmsw"
SETTLE_SECONDS: Final = 10.0
"""How long the end of a commit is asked for when its answer did not come; servers restart in less."""
_PAUSE: Final = 0.1
_CHANGES: Final = ("INSERT", "UPDATE", "DELETE")
BEGIN_ASKING: Final = "BEGIN IMMEDIATE, ASKING"
"""Begins a transaction that writes, and asks in the same exchange what each one asks first: one that changes nothing
but the audit trail takes four exchanges with the server instead of six."""
_ASKED: Final = (setting.STANDING, trail.HEAD)


class _Answer:
    """The rows of a statement that was asked before it was wanted."""

    rowcount = -1

    def __init__(self, rows: list[Any]) -> None:
        self._rows = deque(rows)

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchall(self) -> list[Any]:
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        while self._rows:
            yield self._rows.popleft()


class PostgresConnection:
    """A connection that is opened anew when it has died; see `Connection`.

    Args:
        connect: opens a session.
        remembered: what this process has seen in the keystore.

    Raises:
        PostgresError: none can be opened.
        KeystoreCorruptError: it leads to another keystore than before, or to an older copy.
    """

    def __init__(self, connect: Callable[[], Session], remembered: Remembered) -> None:
        self.total_changes = 0
        self._connect = connect
        self._remembered = remembered
        self._session = self._opened()
        self._within = False
        self._transaction_id = ""
        self._appended: tuple[int, bytes] | None = None
        """The newest audit entry of the open transaction: number and hash."""
        self._known: dict[str, Cursor] = {}
        """By statement its answer, which came with the transaction's beginning and is given once."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run one statement.

        Raises:
            PostgresError: it failed.
        """
        control = _CONTROL.get(sql)
        if control is not None:
            self._known.clear()
            return control(self)
        if not parameters and (known := self._known.pop(sql, None)) is not None:
            return known
        if sql.startswith(trail.INSERT):
            self._appended = parameters[-3], parameters[-1]
        return self._run(statement(sql), parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Run one statement for each set of parameters, in one exchange with the server; raises as `execute`."""
        cursor, rows = RawCursor(self._session.connection), list(parameters)
        if sql == trail.INSERT:
            self._appended = rows[-1][0], rows[-1][-1]
        try:
            cursor.executemany(statement(sql), rows)
        except psycopg.Error as error:
            raise self._failed(error) from error
        self.total_changes += max(cursor.rowcount, 0)
        return cursor

    def close(self) -> None:
        """Close it; an open transaction is undone."""
        self._session.connection.close()

    def _run(self, query: bytes, parameters: Sequence[Any] = ()) -> RawCursor[Any]:
        """Run a statement; outside a transaction it is one that may be repeated, on a new connection."""
        try:
            return self._ask(query, parameters)
        except PostgresError as error:
            if self._within or not fault.is_lost(error):
                raise
        self._renew()
        return self._ask(query, parameters)

    def _ask(self, query: bytes, parameters: Sequence[Any] = ()) -> RawCursor[Any]:
        cursor = RawCursor(self._session.connection)
        try:
            # Without parameters the simple protocol is used, which takes several statements in one string.
            cursor.execute(query, parameters or None, prepare=None if parameters else False)
        except psycopg.Error as error:
            raise self._failed(error) from error
        if (cursor.statusmessage or "").startswith(_CHANGES):
            self.total_changes += cursor.rowcount
        return cursor

    def _failed(self, error: psycopg.Error) -> PostgresError:
        if self._within:
            # The server refuses everything until the transaction is undone, with what others have done in it.
            self.total_changes += 1
        return converted(error)

    def _renew(self) -> None:
        self.close()
        self._session = self._opened()

    def _opened(self) -> Session:
        """Return a new session on the keystore that was there before."""
        session = self._connect()
        try:
            self._remembered.require(session)
        except psycopg.Error as error:
            session.connection.close()
            raise converted(error) from error
        except BaseException:
            session.connection.close()
            raise
        return session

    def _begin_reading(self) -> Cursor:
        cursor = self._run(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._within = True
        return cursor

    def _begin_writing(self) -> Cursor:
        """Begin, wait for all other writers, and note the transaction's id.

        At the isolation level Read Committed each statement sees what was committed before it; so what follows the lock
        sees all that the other writers did.
        """
        return self._begin_asking(())

    def _begin_asking(self, statements: Sequence[str] = _ASKED) -> Cursor:
        """Begin to write, and ask; see `BEGIN_ASKING`."""
        lock = f"pg_advisory_xact_lock({_WRITER}, {self._session.schema})"
        begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_current_xact_id()::text, {lock}"
        cursor = self._run("; ".join((begin, *statements)).encode())
        self._within = True
        cursor.nextset()
        self._transaction_id, self._appended = cursor.fetchall()[0][0], None
        for sql in statements:
            cursor.nextset()
            rows = cursor.fetchall()
            if sql == trail.HEAD and rows:
                self._remembered.note(*rows[0][:2])
            self._known[sql] = _Answer(rows)
        return cursor

    def _commit(self) -> Cursor:
        self._within = False
        try:
            cursor = self._ask(b"COMMIT")
        except PostgresError as error:
            if not fault.is_lost(error) or not self._was_committed(error):
                raise
            cursor = RawCursor(self._session.connection)
        else:
            if cursor.statusmessage != "COMMIT":  # a transaction that has failed is undone, and that is no error
                raise PostgresError("the transaction had failed before its commit", "25P02")
        if self._appended is not None:
            self._remembered.note(*self._appended)
        return cursor

    def _rollback(self) -> Cursor:
        """Undo the transaction; one whose connection has died is undone already."""
        self._within = False
        with suppress(PostgresError):
            return self._ask(b"ROLLBACK")
        self.close()
        return RawCursor(self._session.connection)

    def _was_committed(self, lost: PostgresError) -> bool:
        """Find out how a commit ended whose answer did not come.

        Raises:
            PostgresError: nobody can say.
        """
        question = f"SELECT pg_xact_status('{self._transaction_id}'::xid8)".encode()
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            with suppress(PostgresError):
                self._renew()
                status = self._ask(question).fetchall()[0][0]
                if status in {"committed", "aborted"}:
                    return bool(status == "committed" and self._is_ours())
            time.sleep(_PAUSE)  # the server restarts, or the old session does not know yet that it is cut off
        raise PostgresError(str(lost), lost.sqlstate, in_doubt=True)

    def _is_ours(self) -> bool:
        """Return whether what was committed under the transaction's id is what was done in it here.

        A standby that took over without it gives its id to somebody else's.
        """
        try:
            return self._appended is None or holds(self._session, *self._appended)
        except psycopg.Error as error:
            raise converted(error) from error


_CONTROL: Final[Mapping[str, Callable[[PostgresConnection], Cursor]]] = {
    "BEGIN": PostgresConnection._begin_reading,  # noqa: SLF001 - the class's own table
    "BEGIN IMMEDIATE": PostgresConnection._begin_writing,  # noqa: SLF001 - as above
    BEGIN_ASKING: PostgresConnection._begin_asking,  # noqa: SLF001 - as above
    "COMMIT": PostgresConnection._commit,  # noqa: SLF001 - as above
    "ROLLBACK": PostgresConnection._rollback,  # noqa: SLF001 - as above
}
