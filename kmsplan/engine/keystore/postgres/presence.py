"""Who has the engine open, told by locks of sessions: they go with their session, and that with its process."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import psycopg

from kmsplan.engine.keystore.connection import PostgresError
from kmsplan.engine.keystore.postgres import fault
from kmsplan.engine.keystore.postgres.session import converted

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.error import KeystoreError
    from kmsplan.engine.keystore.postgres.session import Session

SCHEDULER: Final = 0x6B6D7373  # "kmss"
_NODE_BYTES: Final = 8
_MARK: Final = b"SELECT pg_advisory_lock(%s)"
_LEAD: Final = b"SELECT pg_try_advisory_lock(%s::int, %s::int)"
_FOLLOW: Final = b"SELECT pg_advisory_unlock(%s::int, %s::int)"
# A lock on one number of 64 bits shows as its halves (PostgreSQL manual, 54.12 pg_locks).
_ALIVE: Final = b"""
SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
WHERE locktype = 'advisory' AND datname = current_database() AND objsubid = 1 AND granted
  AND classid::bigint = %s AND objid::bigint = %s
"""
_GIVE_BACK: Final = b"SELECT pg_advisory_unlock_all()"
_LOW: Final = 0xFFFFFFFF


class PostgresPresence:
    """This process's mark that it is there; see `Presence`.

    Args:
        connect: opens a session; the mark needs one of its own.
        entropy: source of the mark's name.
        translate: from the database's errors to those that are raised.
    """

    def __init__(
        self,
        connect: Callable[[], Session],
        entropy: Callable[[int], bytes],
        translate: Callable[[Exception], KeystoreError],
    ) -> None:
        self._connect = connect
        self._entropy = entropy
        self._translate = translate
        self._lock = Lock()
        self._session: Session | None = None
        self._node = b""
        self._leads = False

    @property
    def node_id(self) -> str:
        """The name that others know this process by; another one after the session was lost, and its mark with it.

        Raises:
            KeystoreError: the database does not answer.
        """
        with self._lock:
            self._ask(b"SELECT 1")
            return self._node.hex()

    def alive(self, node_id: str) -> bool:
        """Return whether a node is there; raises as `node_id`."""
        number = int.from_bytes(bytes.fromhex(node_id), "big")
        with self._lock:
            return bool(self._ask(_ALIVE, number >> 32, number & _LOW))

    def lead(self) -> bool:
        """Return whether this node does what is due: one at a time does, until it is gone or follows.

        Raises as `node_id`.
        """
        with self._lock:
            self._ask(b"SELECT 1")  # a new session does not lead
            if not self._leads and self._session is not None:
                self._leads = bool(self._ask(_LEAD, SCHEDULER, self._session.schema))
            return self._leads

    def follow(self) -> None:
        """Leave what is due to others; raises as `node_id`."""
        with self._lock:
            if self._leads and self._session is not None:
                self._leads = False
                self._ask(_FOLLOW, SCHEDULER, self._session.schema)

    def close(self) -> None:
        """Take the mark away, before this returns: the server notices the end of a session only later."""
        with self._lock:
            if self._session is not None:
                with suppress(PostgresError):
                    _answer(self._session, _GIVE_BACK, ())
            self._drop()

    def _ask(self, query: bytes, *parameters: Any) -> Any:
        """Ask one question with one answer; on a new session where the old one is gone."""
        try:
            try:
                return _answer(self._session or self._open(), query, parameters)
            except PostgresError as error:
                if not fault.is_lost(error):
                    raise
            self._drop()
            return _answer(self._open(), query, parameters)
        except PostgresError as error:
            self._drop()
            raise self._translate(error) from error

    def _open(self) -> Session:
        """Open a session with a new mark: the old name may be taken for dead by now, and what it made for left over."""
        session = self._connect()
        node = self._entropy(_NODE_BYTES)
        try:
            _answer(session, _MARK, (int.from_bytes(node, "big", signed=True),))
        except PostgresError:
            session.connection.close()
            raise
        self._session, self._node = session, node
        return session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.connection.close()
        self._session, self._leads = None, False


def _answer(session: Session, query: bytes, parameters: tuple[Any, ...]) -> Any:
    try:
        return session.connection.execute(query, parameters).fetchall()[0][0]
    except psycopg.Error as error:
        raise converted(error) from error
