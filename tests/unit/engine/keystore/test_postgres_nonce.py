"""Nonces in PostgreSQL: one transaction has each of them, whatever fails, and the table stays small."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore.nonce import Claim
from kmsplan.engine.keystore.postgres.nonce import PostgresNonces
from kmsplan.engine.keystore.store import Keystore, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.transaction import Ticket, Transaction
    from kmsplan.kms.error import KmsError
    from kmsplan.kms.secret import SecretBytes
    from tests.postgres import PostgresServer

NOW = 1_700_000_000
"""In the past, so that the database's own clock has reached it."""
NONCES = PostgresNonces()


@pytest.fixture
def secret(postgres: PostgresServer) -> SecretBytes:
    """Connection string of an empty database."""
    return postgres.secret(postgres.new_schema())


@pytest.fixture
def nodes(tmp_path: Path, secret: SecretBytes) -> Iterator[tuple[Keystore, Keystore]]:
    """Two nodes that have one keystore."""
    database(tmp_path, secret).create(lambda _: None)
    found = Keystore(database(tmp_path, secret)), Keystore(database(tmp_path, secret))
    for node in found:
        node.start(lambda _: None, bytes)
    yield found
    for node in found:
        node.close()


@pytest.fixture
def node(nodes: tuple[Keystore, Keystore]) -> Keystore:
    return nodes[0]


def claim(nonce: str, at: int = NOW) -> Claim:
    return Claim(hashlib.sha256(nonce.encode()).digest(), at)


def submitted(node: Keystore, made: Claim) -> Ticket[KmsError | None]:
    return node.submit(lambda _: made.refusal(), touches=False, claim=made)


def code_of(node: Keystore, made: Claim) -> str:
    """Hand a claim in, and return the code with which it is refused; empty where it is not."""
    refusal = submitted(node, made).wait()
    return "" if refusal is None else refusal.code


def kept(node: Keystore) -> int:
    with node.look() as db:
        count: int = db.execute("SELECT count(*) FROM nonce").fetchone()[0]
        return count


class _Held:
    """Keeps a node's writing thread busy, so that what is handed in meanwhile shares a transaction."""

    def __init__(self, node: Keystore) -> None:
        self._entered, self._release = threading.Event(), threading.Event()
        self._ticket = node.submit(self._hold, touches=False)

    def _hold(self, _: Transaction) -> None:
        self._entered.set()
        self._release.wait(60)

    def __enter__(self) -> None:
        assert self._entered.wait(60)

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._ticket.wait()


def test_a_nonce_is_taken_once_by_all_nodes_whatever_time_is_written_beside_it(
    nodes: tuple[Keystore, Keystore],
) -> None:
    first, second = nodes
    assert code_of(first, claim("n")) == ""
    for node in nodes:
        assert code_of(node, claim("n")) == "SignatureNonceUsed"
        assert code_of(node, claim("n", NOW + 1)) == "SignatureNonceUsed"
    assert code_of(second, claim("other")) == ""


def test_nodes_that_get_one_nonce_at_the_same_time_do_not_both_take_it(nodes: tuple[Keystore, Keystore]) -> None:
    for number in range(100):
        tickets = [submitted(node, claim(f"n{number}")) for node in nodes]
        refusals = [ticket.wait() for ticket in tickets]
        assert sorted("" if refusal is None else refusal.code for refusal in refusals) == ["", "SignatureNonceUsed"]


def test_claims_of_one_transaction_are_decided_together_and_the_first_of_two_has_it(node: Keystore) -> None:
    claims = [claim("a"), claim("b"), claim("a"), claim("c")]
    before = node.commits
    with _Held(node):
        tickets = [submitted(node, made) for made in claims]
    refusals = [ticket.wait() for ticket in tickets]
    assert [refusal and refusal.code for refusal in refusals] == [None, None, "SignatureNonceUsed", None]
    assert node.commits == before + 2
    assert kept(node) == 3


def test_a_job_that_fails_takes_nobody_elses_nonce_away_and_none_is_given_back(node: Keystore) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.db.execute("INSERT INTO setting VALUES ('x', ''::bytea)")
        raise LookupError

    lost = claim("lost")
    with _Held(node):
        before, failing, after = (
            submitted(node, claim("before")),
            node.submit(fail, touches=False, claim=lost),
            submitted(node, claim("after")),
        )
    assert (before.wait(), after.wait()) == (None, None)
    with pytest.raises(LookupError):
        failing.wait()
    for nonce in ("before", "lost", "after"):
        assert code_of(node, claim(nonce)) == "SignatureNonceUsed"


def test_a_nonce_of_a_transaction_that_was_not_committed_is_free(node: Keystore, postgres: PostgresServer) -> None:
    def cut_off(transaction: Transaction) -> None:
        pid = transaction.db.execute("SELECT pg_backend_pid()").fetchone()[0]
        with postgres.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))

    made = claim("n")
    with pytest.raises(Exception, match="cannot be reached"):
        node.submit(cut_off, touches=False, claim=made).wait()
    assert not made.held
    assert code_of(node, made) == ""


def test_a_request_that_has_its_nonce_may_write_again(nodes: tuple[Keystore, Keystore]) -> None:
    first, second = nodes
    made = claim("n")
    assert code_of(first, made) == ""
    assert made.held
    assert code_of(first, made) == ""
    copy = claim("n")
    for _ in range(2):
        assert code_of(second, copy) == "SignatureNonceUsed"
    assert not copy.held


def _forget(node: Keystore, before: int) -> bool:
    return node.write(lambda transaction: NONCES.forget(transaction.db, before))


def test_what_is_forgotten_is_not_taken_again(node: Keystore) -> None:
    for age in (0, 10, 20):
        assert code_of(node, claim(f"n{age}", NOW - age)) == ""
    with node.look() as db:
        assert [NONCES.is_due(db, NOW - age) for age in (9, 20, 21)] == [True, True, False]
    assert _forget(node, NOW - 10) is False
    assert kept(node) == 1
    for age in (10, 20):
        assert code_of(node, claim(f"n{age}", NOW - age)) == "InvalidTimeStamp.Expired"
        assert code_of(node, claim(f"new{age}", NOW - age)) == "InvalidTimeStamp.Expired"
    assert code_of(node, claim("n0")) == "SignatureNonceUsed"
    assert code_of(node, claim("new", NOW - 9)) == ""


def test_what_was_forgotten_once_stays_forgotten_though_a_slow_clock_asks_for_less(node: Keystore) -> None:
    _forget(node, NOW)
    _forget(node, NOW - 100)
    assert code_of(node, claim("n", NOW)) == "InvalidTimeStamp.Expired"


def test_a_node_whose_clock_is_ahead_shuts_nobody_out(node: Keystore) -> None:
    _forget(node, int(time.time()) + 86400)
    assert code_of(node, claim("n", int(time.time()) + 60)) == ""


def test_many_are_forgotten_in_pieces(node: Keystore) -> None:
    claims = [claim(f"n{number}") for number in range(5001)]
    node.write(lambda transaction: NONCES.use_up(transaction.db, claims))
    assert kept(node) == 5001
    assert [_forget(node, NOW), _forget(node, NOW)] == [True, False]
    assert kept(node) == 0


@pytest.mark.parametrize("statement", ["_IS_DUE", "_FORGET"])
def test_old_ones_are_found_without_a_look_at_all(
    postgres: PostgresServer, node: Keystore, secret: SecretBytes, statement: str
) -> None:
    import psycopg  # noqa: PLC0415 - to look past the engine

    from kmsplan.engine.keystore.postgres import nonce  # noqa: PLC0415 - its statements

    del postgres
    claims = [claim(f"n{number}", NOW + number) for number in range(3000)]
    node.write(lambda transaction: NONCES.use_up(transaction.db, claims))
    with psycopg.connect(secret.reveal().decode(), autocommit=True) as db:
        db.execute("ANALYZE nonce")
        sql = f"EXPLAIN {getattr(nonce, statement).replace('?', '5')}"
        plan = "\n".join(row[0] for row in db.execute(sql.encode()))
    assert "nonce_by_time" in plan
    assert "Seq Scan on nonce " not in plan


def test_a_database_whose_clock_was_ahead_and_is_set_back_serves_again(node: Keystore) -> None:
    ahead = int(time.time()) + 8 * 3600
    node.submit(
        lambda transaction: transaction.db.execute("UPDATE nonce_floor SET time = ?", (ahead,)), touches=False
    ).wait()
    now = int(time.time())
    assert code_of(node, claim("n", now)) == "InvalidTimeStamp.Expired"
    with node.look() as db:
        assert NONCES.is_due(db, now - 960)
    node.submit(lambda transaction: NONCES.forget(transaction.db, now - 960), touches=False).wait()
    assert code_of(node, claim("n", now)) == "InvalidTimeStamp.Expired", "what was signed before that is not known"
    assert code_of(node, claim("n", now + 60)) == ""
    with node.look() as db:
        assert not NONCES.is_due(db, now - 960)
