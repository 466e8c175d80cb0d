"""A PostgreSQL database, or one schema of it, that holds a keystore; see `keystore.connection.Database`."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Final

from kmsplan.engine.error import EngineExistsError, EngineVersionError, KeystoreError
from kmsplan.engine.keystore.connection import Crowd, PostgresError, missing
from kmsplan.engine.keystore.folder import SIGN_LENGTH, sign_of
from kmsplan.engine.keystore.postgres import fault, schema
from kmsplan.engine.keystore.postgres.connection import BEGIN_ASKING, PostgresConnection
from kmsplan.engine.keystore.postgres.nonce import PostgresNonces
from kmsplan.engine.keystore.postgres.presence import SCHEDULER, PostgresPresence
from kmsplan.engine.keystore.postgres.remembered import Remembered
from kmsplan.engine.keystore.postgres.session import open_session, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.nonce import SharedNonces
    from kmsplan.kms.secret import SecretBytes

# The marks of `presence`: locks on one number of 64 bits; the lead: a lock on two of 32. The end of a session's name
# tells its folder: behind a pooler or a router all come from one address.
_CROWD: Final = f"""
SELECT count(*) FILTER (WHERE objsubid = 1),
  count(DISTINCT right(application_name, {SIGN_LENGTH})) FILTER (WHERE objsubid = 1),
  count(*) FILTER (WHERE objsubid = 2 AND classid = {SCHEDULER}
    AND objid = quote_ident(current_schema())::regnamespace::oid) > 0
FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE locktype = 'advisory' AND granted AND d.datname = current_database()
"""  # noqa: S608 - our own number
_NAME_LENGTH: Final = 40
"""Of what the connection string calls the application; PostgreSQL cuts names off at 63 bytes."""
_PLACES: Final = (("host", "localhost"), ("port", "5432"), ("dbname", ""))


class PostgresDatabase:
    """A keystore's place on a server.

    Args:
        secret: a libpq connection string: `key=value` pairs or a URL.
        folder: the engine's on this machine, which tells nodes apart that share nothing but the database.

    Raises:
        KeystoreError: it is no connection string.
    """

    kind: ClassVar[str] = "postgresql"
    near: ClassVar[bool] = False
    nonces: ClassVar[SharedNonces | None] = PostgresNonces()

    def __init__(self, secret: SecretBytes, folder: Path) -> None:
        self._parameters = parse(secret)
        self._folder = folder
        self.name = "postgresql://{}:{}/{}".format(*(self._parameters.get(*place) for place in _PLACES))
        self._remembered = Remembered(self.name)

    def exists(self) -> bool:
        """Return whether there is a keystore.

        Raises:
            KeystoreError: the server cannot be asked.
        """
        with self._connected(writes=False) as db:
            return schema.mark(db) is not None

    def create(self, fill: Callable[[Connection], None]) -> None:
        """Make a keystore; see `Database.create`."""
        with self._connected(writes=True) as db:
            db.execute("BEGIN IMMEDIATE")
            if schema.mark(db) is not None:
                raise EngineExistsError(f"{self.name} already holds an engine; nothing was changed")
            schema.lay_out(db)
            fill(db)
            db.execute("COMMIT")

    def check(self, db: Connection) -> None:
        """Check that it is a keystore in our format; see `Database.check`."""
        version = schema.mark(db)
        if version is None:
            raise missing(self.name)
        if version < schema.VERSION:
            raise EngineVersionError(
                f"the keystore {self.name} has format {version}, from before the first release, and this kmsplan "
                f"reads format {schema.VERSION}. Make a new engine"
            )
        if version > schema.VERSION:
            raise EngineVersionError(
                f"the keystore {self.name} has format {version}, and this kmsplan knows formats up to "
                f"{schema.VERSION}: a newer kmsplan has written it. Install that version"
            )

    def connect(self, *, writes: bool) -> PostgresConnection:
        """Open a connection, for the one that writes or for a reader."""
        return PostgresConnection(lambda: open_session(self._parameters, writes=writes), self._remembered)

    def turn(self, *, wait: bool = True) -> AbstractContextManager[object]:
        """Begin at once: whose turn it is, a lock of the transaction says."""
        del wait
        return nullcontext()

    def turn_beside(self) -> AbstractContextManager[object]:
        """Begin at once, as `turn` does."""
        return nullcontext()

    def begin(self, db: Connection, *, wait: bool = True) -> None:
        """Begin a transaction that writes, after those of all other nodes."""
        del wait
        db.execute(BEGIN_ASKING)

    def bring_in(self, db: Connection) -> list[bytes]:
        """Return nothing: spools are one machine's, and every node's answers are recorded in the database."""
        del db
        return []

    def waiting(self, db: Connection) -> bool:
        """Return that nothing waits; see `bring_in`."""
        del db
        return False

    def recorder(self, draft: Callable[[Any], bytes], fold: Callable[[], None]) -> None:
        """Return nothing; see `bring_in`."""
        del draft, fold

    def presence(self, entropy: Callable[[int], bytes]) -> PostgresPresence:
        """Mark this process as one that has the engine open."""
        name = f"{self._parameters['application_name'][:_NAME_LENGTH]} {sign_of(self._folder)}"
        marking = {**self._parameters, "application_name": name}
        return PostgresPresence(lambda: open_session(marking, writes=True), entropy, self.translate)

    def crowd(self, db: Connection) -> Crowd:
        """Return who has an engine open for writing that is in this database."""
        return Crowd(*db.execute(_CROWD).fetchone())

    def translate(self, error: Exception) -> KeystoreError:
        """Return the error for people that a database error stands for."""
        return fault.translate(error, self.name) if isinstance(error, PostgresError) else KeystoreError(str(error))

    def close(self) -> None:
        """Give nothing back: connections are closed by those who opened them."""

    @contextmanager
    def _connected(self, *, writes: bool) -> Iterator[Connection]:
        try:
            db = self.connect(writes=writes)
            try:
                yield db
            finally:
                db.close()
        except PostgresError as error:
            raise self.translate(error) from error
