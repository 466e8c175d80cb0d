"""A PostgreSQL server that goes away, comes back, refuses and runs full."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

from kmsplan.engine.error import (
    KeystoreCorruptError,
    KeystoreError,
    KeystoreFullError,
    KeystoreGoneError,
    KeystoreLockedError,
    KeystoreReadOnlyError,
)
from kmsplan.engine.keystore import setting, trail
from kmsplan.engine.keystore.connection import PostgresError
from kmsplan.engine.keystore.postgres import connection, fault, session
from kmsplan.engine.keystore.postgres.database import PostgresDatabase
from kmsplan.engine.keystore.store import Keystore
from kmsplan.kms.secret import SecretBytes
from tests.postgres import PASSWORD, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kmsplan.engine.keystore.transaction import Transaction

FOLDER = Path("engine")
"""Of the engine; a database alone needs no file there."""


@pytest.fixture
def schema(postgres: PostgresServer) -> str:
    """An empty schema."""
    return postgres.new_schema()


@pytest.fixture
def place(postgres: PostgresServer, schema: str) -> PostgresDatabase:
    """A database with an empty keystore in it."""
    found = PostgresDatabase(postgres.secret(schema), FOLDER)
    found.create(lambda _: None)
    return found


@pytest.fixture
def keystore(place: PostgresDatabase) -> Iterator[Keystore]:
    """The keystore, open for writing."""
    found = Keystore(place)
    found.start(lambda _: None, bytes)
    yield found
    found.close()


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may stop."""
    found = PostgresServer.create()
    yield found
    found.remove()


def _put(value: bytes) -> Callable[[Transaction], None]:
    return lambda transaction: setting.store(transaction.db, "value", value)


def _value(keystore: Keystore) -> bytes | None:
    with keystore.read() as db:
        return setting.load(db, "value")


def _end_sessions(server: PostgresServer) -> None:
    """Cut off everybody but ourselves, as a restart or a failover does."""
    with server.connect() as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'kmsplan%'")


@pytest.mark.parametrize(
    ("sqlstate", "kind", "words"),
    [
        ("", KeystoreGoneError, "Check that the server runs"),
        ("08006", KeystoreGoneError, "Check that the server runs"),
        ("57P01", KeystoreGoneError, "Check that the server runs"),
        ("53300", KeystoreGoneError, "Check that the server runs"),
        ("25P03", KeystoreGoneError, "Check that the server runs"),
        ("25006", KeystoreReadOnlyError, "primary server"),
        ("42501", KeystoreReadOnlyError, "may write to the tables"),
        ("53100", KeystoreFullError, "out of room"),
        ("53200", KeystoreFullError, "out of room"),
        ("55P03", KeystoreLockedError, "try again"),
        ("40P01", KeystoreLockedError, "try again"),
        ("42P01", KeystoreCorruptError, "search_path"),
        ("42P07", KeystoreError, "empty schema"),
        ("XX001", KeystoreCorruptError, "newest backup"),
        ("58030", KeystoreError, "Check its disk"),
        ("42601", KeystoreError, "defect of kmsplan"),
        ("XX000", KeystoreError, "defect of kmsplan"),
    ],
)
def test_every_error_says_what_to_do(sqlstate: str, kind: type[KeystoreError], words: str) -> None:
    found = fault.translate(PostgresError("the\nreason", sqlstate), "postgresql://h/d")
    assert type(found) is kind
    assert words in str(found)
    assert "postgresql://h/d" in str(found)
    assert f"{sqlstate}: the reason" in str(found) if sqlstate else "(the reason)" in str(found)
    assert not found.in_doubt


def test_a_commit_whose_end_nobody_knows_is_in_doubt() -> None:
    found = fault.translate(PostgresError("gone", "57P01", in_doubt=True), "postgresql://h/d")
    assert found.in_doubt
    assert "Nothing was changed" not in str(found)


@pytest.mark.parametrize("text", [b"hunter2=x y", b"postgresql://u:hunter2@[h/d", b"\xffhunter2", b"hunter2"])
def test_a_string_that_is_none_is_not_shown(text: bytes) -> None:
    with pytest.raises(KeystoreError, match="no connection string") as caught:
        PostgresDatabase(SecretBytes(text), FOLDER)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_login_that_is_refused_shows_no_password(postgres: PostgresServer) -> None:
    wrong = postgres.url().replace(PASSWORD, "hunter2")
    with pytest.raises(KeystoreGoneError, match=r"password authentication failed.*connection string") as caught:
        PostgresDatabase(SecretBytes(wrong.encode()), FOLDER).exists()
    assert "hunter2" not in str(caught.value)


def test_a_server_that_is_not_there_is_named(postgres: PostgresServer) -> None:
    away = postgres.url().replace(f":{postgres.port}/", ":1/")
    with pytest.raises(KeystoreGoneError, match=r"postgresql://127\.0\.0\.1:1/postgres cannot be reached"):
        PostgresDatabase(SecretBytes(away.encode()), FOLDER).exists()


def test_a_schema_that_is_not_there_is_named(postgres: PostgresServer) -> None:
    with pytest.raises(KeystoreError, match="search_path"):
        PostgresDatabase(postgres.secret("nowhere"), FOLDER).exists()


@pytest.mark.parametrize("name", ["MixedCase", 'quo"ted', "Ä b"])
def test_a_schema_may_have_any_name(postgres: PostgresServer, name: str) -> None:
    quoted = f'"{name.replace(chr(34), chr(34) * 2)}"'
    with postgres.connect() as db:
        db.execute(f"CREATE SCHEMA {quoted}".encode())
    found = PostgresDatabase(postgres.secret(quote(quoted.replace(" ", "\\ "))), FOLDER)
    found.create(lambda _: None)
    with closing(Keystore(found)) as keystore:
        keystore.start(lambda _: None, bytes)
        keystore.write(_put(b"1"))
        presence = found.presence(lambda count: b"x" * count)
        assert presence.lead()
        assert keystore.crowd().led
        presence.close()


def test_a_schema_that_holds_something_else_is_left_alone(postgres: PostgresServer, schema: str) -> None:
    with postgres.connect(schema) as db:
        db.execute("CREATE TABLE setting (theirs TEXT)")
    found = PostgresDatabase(postgres.secret(schema), FOLDER)
    with pytest.raises(KeystoreError, match="its schema holds something else"):
        found.create(lambda _: None)


def test_a_database_in_another_encoding_is_refused(postgres: PostgresServer) -> None:
    name = postgres.new_schema()
    with postgres.connect() as db:
        db.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0".encode())
    secret = SecretBytes(postgres.url().replace("/postgres?", f"/{name}?").encode())
    with pytest.raises(KeystoreError, match=r"LATIN1.*UTF8"):
        PostgresDatabase(secret, FOLDER).exists()


def test_a_user_who_may_not_write_is_told(postgres: PostgresServer, place: PostgresDatabase) -> None:
    schema = place._parameters["options"].rpartition("=")[2]
    with postgres.connect() as db:
        db.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'".encode())
        db.execute(f"GRANT USAGE ON SCHEMA {schema} TO reader".encode())
        db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader".encode())
    secret = SecretBytes(postgres.url(schema).replace("kmsplan:", "reader:").encode())
    with closing(Keystore(PostgresDatabase(secret, FOLDER))) as found:
        found.start(lambda _: None, bytes)
        assert _value(found) is None
        with pytest.raises(KeystoreReadOnlyError, match=r"42501.*may write"):
            found.write(_put(b"x"))
    with pytest.raises(KeystoreReadOnlyError, match="42501"):
        PostgresDatabase(SecretBytes(postgres.url("public").replace("kmsplan:", "reader:").encode()), FOLDER).create(
            lambda _: None
        )


def test_sessions_that_were_cut_off_are_replaced_before_anybody_notices(
    postgres: PostgresServer, keystore: Keystore
) -> None:
    keystore.write(_put(b"1"))
    assert _value(keystore) == b"1"
    _end_sessions(postgres)
    assert _value(keystore) == b"1"
    _end_sessions(postgres)
    keystore.write(_put(b"2"))
    assert _value(keystore) == b"2"


def _read_across_a_cut(postgres: PostgresServer, keystore: Keystore) -> None:
    with keystore.read() as db:
        assert setting.load(db, "value") == b"1"
        _end_sessions(postgres)
        setting.load(db, "value")


def test_a_session_cut_off_within_a_reading_is_told_and_the_next_reading_works(
    postgres: PostgresServer, keystore: Keystore
) -> None:
    keystore.write(_put(b"1"))
    with pytest.raises(KeystoreGoneError):
        _read_across_a_cut(postgres, keystore)
    assert _value(keystore) == b"1"


def test_a_session_cut_off_within_a_write_leaves_nothing_and_the_next_write_works(
    postgres: PostgresServer, keystore: Keystore
) -> None:
    def work(transaction: Transaction) -> None:
        setting.store(transaction.db, "value", b"lost")
        _end_sessions(postgres)
        setting.store(transaction.db, "other", b"lost")

    with pytest.raises(KeystoreGoneError, match="Nothing was changed") as caught:
        keystore.write(work)
    assert not caught.value.in_doubt
    assert _value(keystore) is None
    keystore.write(_put(b"1"))
    assert _value(keystore) == b"1"


def _cut_off_at_commit(
    monkeypatch: pytest.MonkeyPatch, *, before: Callable[[], None] | None, after: Callable[[], None] | None
) -> None:
    """Let the answer to the next commit be lost: before the server got it, or after it did it."""
    ask, todo = connection.PostgresConnection._ask, [True]

    def asked(self: connection.PostgresConnection, query: bytes, parameters: tuple[object, ...] = ()) -> object:
        if query != b"COMMIT" or not todo:
            return ask(self, query, parameters)
        todo.clear()
        if before is not None:
            before()
            return ask(self, query, parameters)
        ask(self, query, parameters)
        assert after is not None
        after()
        raise PostgresError("the connection was reset")

    monkeypatch.setattr(connection.PostgresConnection, "_ask", asked)


def test_a_commit_that_was_done_before_the_connection_broke_is_answered(
    postgres: PostgresServer, keystore: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut_off_at_commit(monkeypatch, before=None, after=lambda: _end_sessions(postgres))
    keystore.write(_put(b"1"))
    assert _value(keystore) == b"1"


def test_a_commit_that_never_arrived_is_refused_and_not_in_doubt(
    postgres: PostgresServer, keystore: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut_off_at_commit(monkeypatch, before=lambda: _end_sessions(postgres), after=None)
    with pytest.raises(KeystoreGoneError, match="Nothing was changed") as caught:
        keystore.write(_put(b"1"))
    assert not caught.value.in_doubt
    assert _value(keystore) is None


def test_a_commit_that_a_standby_has_under_our_id_and_that_is_another_nodes_is_not_ours(
    postgres: PostgresServer, place: PostgresDatabase
) -> None:
    with closing(place.connect(writes=True)) as db:
        db.execute("BEGIN IMMEDIATE")
        trail.append(db, [(1, b"ours", b"our hash")])
        _end_sessions(postgres)
        with closing(place.connect(writes=True)) as other:
            other.execute("BEGIN IMMEDIATE")
            trail.append(other, [(1, b"theirs", b"their hash")])
            db._transaction_id = other._transaction_id
            other.execute("COMMIT")
        with pytest.raises(PostgresError) as caught:
            db.execute("COMMIT")
        assert not caught.value.in_doubt


def _append(seq: int, entry_hash: bytes) -> Callable[[Transaction], None]:
    return lambda transaction: trail.append(transaction.db, [(seq, b"entry", entry_hash)])


@pytest.mark.parametrize(
    "change", ["DELETE FROM audit WHERE seq = 2", "UPDATE audit SET hash = 'x' WHERE seq = 2"], ids=["older", "another"]
)
def test_an_older_copy_or_another_keystore_is_not_used_until_the_process_starts_again(
    postgres: PostgresServer, schema: str, place: PostgresDatabase, keystore: Keystore, change: str
) -> None:
    keystore.write(_append(1, b"1"))
    keystore.write(_append(2, b"2"))
    _end_sessions(postgres)
    keystore.write(_put(b"1"))
    with closing(place.connect(writes=True)) as db:
        db.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        db.execute(change)
    _end_sessions(postgres)
    for _ in range(2):
        with pytest.raises(KeystoreCorruptError, match=r"audit entry 2 is missing or another one.* 15 minutes"):
            keystore.write(_put(b"2"))
        with pytest.raises(KeystoreCorruptError, match="Nothing was changed"):
            _value(keystore)
    again = Keystore(PostgresDatabase(postgres.secret(schema), FOLDER))
    assert _value(again) == b"1"
    again.close()


def test_a_commit_is_in_doubt_while_nobody_can_be_asked(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = PostgresDatabase(server.secret(server.new_schema()), FOLDER)
    place.create(lambda _: None)
    with closing(Keystore(place)) as keystore:
        keystore.start(lambda _: None, bytes)
        keystore.write(_put(b"1"))
        monkeypatch.setattr(connection, "SETTLE_SECONDS", 0.3)
        _cut_off_at_commit(monkeypatch, before=None, after=lambda: server.stop(signal.SIGQUIT))
        with pytest.raises(KeystoreGoneError, match="in the middle of a commit") as caught:
            keystore.write(_put(b"2"))
        assert caught.value.in_doubt
        server.start()
        assert _value(keystore) == b"2"


def test_a_server_that_restarts_within_a_commit_is_waited_for(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = PostgresDatabase(server.secret(server.new_schema()), FOLDER)
    place.create(lambda _: None)
    with closing(Keystore(place)) as keystore:
        keystore.start(lambda _: None, bytes)
        committed, crashed = threading.Event(), threading.Event()

        def crash() -> None:
            committed.set()
            crashed.wait()

        _cut_off_at_commit(monkeypatch, before=None, after=crash)
        ticket = keystore.submit(_put(b"1"))
        committed.wait()
        server.stop(signal.SIGQUIT)
        crashed.set()
        server.start()
        ticket.wait()
        assert _value(keystore) == b"1"


def test_a_transaction_that_had_failed_is_never_taken_for_committed(place: PostgresDatabase) -> None:
    with closing(place.connect(writes=True)) as db:
        db.execute("BEGIN IMMEDIATE")
        setting.store(db, "value", b"1")
        with pytest.raises(PostgresError):
            db.execute("SELECT 1 / 0")
        with pytest.raises(PostgresError, match="failed before its commit"):
            db.execute("COMMIT")
        assert setting.load(db, "value") is None


def test_a_writer_that_waits_too_long_is_told(place: PostgresDatabase, keystore: Keystore) -> None:
    with closing(place.connect(writes=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        keystore._committer._db = place.connect(writes=True)  # type: ignore[union-attr]
        keystore._committer._db.execute("SET lock_timeout = '50ms'")  # type: ignore[union-attr]
        with pytest.raises(KeystoreLockedError, match="another session"):
            keystore.write(_put(b"1"))
    keystore.write(_put(b"2"))
    assert _value(keystore) == b"2"


def test_a_node_that_lost_its_session_gets_a_new_name_and_no_lead(
    postgres: PostgresServer, place: PostgresDatabase
) -> None:
    numbers = iter(range(1, 10))
    presence = place.presence(lambda count: next(numbers).to_bytes(count, "big"))
    other = place.presence(lambda count: b"\xff" * count)
    old = presence.node_id
    assert presence.lead()
    _end_sessions(postgres)
    deadline = time.monotonic() + 60
    while not other.lead():
        assert time.monotonic() < deadline
    assert not presence.lead()
    assert presence.node_id != old
    assert not other.alive(old)
    assert presence.alive("ff" * 8)
    presence.close()
    assert other.lead()
    other.close()


@pytest.mark.parametrize(
    ("name", "wrong", "right"), [("synchronous_commit", "off", "on"), ("idle_session_timeout", "1h", "0")]
)
def test_a_session_is_told_what_we_expect_of_it(
    postgres: PostgresServer, place: PostgresDatabase, name: str, wrong: str, right: str
) -> None:
    with postgres.connect() as db:
        db.execute(f"ALTER ROLE kmsplan SET {name} = '{wrong}'".encode())
    try:
        with closing(place.connect(writes=True)) as db:
            assert db.execute(f"SHOW {name}").fetchone() == (right,)
    finally:
        with postgres.connect() as undo:
            undo.execute(f"ALTER ROLE kmsplan RESET {name}".encode())


def test_a_server_is_not_told_what_its_version_does_not_know(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL 13 has no idle_session_timeout; this stands for it on a younger one."""
    monkeypatch.setattr(session, "_SET", session._SET.replace(b"idle_session_timeout", b"nobody_knows_this"))
    assert not PostgresDatabase(postgres.secret(postgres.new_schema()), FOLDER).exists()


def test_an_old_server_is_refused(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 120_003)
    with pytest.raises(KeystoreError, match="PostgreSQL 12, and a keystore needs 13"):
        PostgresDatabase(postgres.secret("public"), FOLDER).exists()


def test_what_a_transaction_asks_first_comes_with_its_beginning_and_is_true_of_it_alone(
    place: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    ask = connection.PostgresConnection._ask

    def listening(self: connection.PostgresConnection, query: bytes, parameters: Sequence[Any] = ()) -> Any:
        asked.append(query)
        return ask(self, query, parameters)

    with closing(place.connect(writes=True)) as db:
        monkeypatch.setattr(connection.PostgresConnection, "_ask", listening)
        place.begin(db)
        before = setting.standing(db)
        assert (trail.head(db).seq, len(asked)) == (0, 1)
        setting.begin_generation(db)
        trail.append(db, [(1, b"entry", b"hash")])
        # Given once: what is asked again is asked of the database, which knows what was changed since.
        assert (setting.standing(db).generation, trail.head(db)) == (before.generation + 1, (1, b"hash", 0))
        db.execute("ROLLBACK")
        place.begin(db)
        db.execute("ROLLBACK")
        setting.begin_generation(db)  # after that transaction, and its answers are not this one's
        assert setting.standing(db).generation == before.generation + 1
        place.begin(db)
        assert setting.standing(db).generation == before.generation + 1
        assert next(iter(db.execute(trail.HEAD)), None) is None
        db.execute("ROLLBACK")
