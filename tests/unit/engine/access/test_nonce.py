"""Nonces that nodes share: a request is carried out by one of them, and the audit trail tells of its copies."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.access.nonce import WINDOW
from kmsplan.engine.caller import Caller
from kmsplan.engine.scheduler import step
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateAlias, DisableKey, EnableKey, UpdateAlias
from tests.engines import Clock, Lab, new_instance, new_key
from tests.furnished import key_file, restore_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.service import Engine
    from tests.postgres import PostgresServer


@pytest.fixture
def shared(tmp_path: Path, postgres: PostgresServer) -> Iterator[Lab]:
    """A new engine in PostgreSQL, an hour ago."""
    secret = postgres.secret(postgres.new_schema())
    place = Lab(tmp_path / "shared", postgres=secret, clock=Clock(datetime.now(UTC) - timedelta(hours=1)))
    place.create()
    yield place
    place.close()


@pytest.fixture
def nodes(shared: Lab) -> tuple[Engine, Engine]:
    """Two nodes that have it open."""
    return shared.open(), shared.open()


@pytest.fixture
def key(nodes: tuple[Engine, Engine]) -> str:
    return new_key(nodes[0], new_instance(nodes[0]))


def now(lab: Lab) -> int:
    return int(lab.clock().timestamp())


def asking(engine: Engine, nonce: str, at: int) -> Engine:
    """The engine, for a request with a nonce."""
    made = engine.claim(hashlib.sha256(nonce.encode()).digest(), at)
    assert made is not None
    return engine.acting(Caller(actor=f"who sent {nonce}", claim=made))


def code_of(work: Callable[[], Any]) -> str:
    """Return the code with which something is refused; empty where it is not."""
    try:
        work()
    except KmsError as error:
        return error.code
    return ""


def told(engine: Engine, nonce: str) -> list[tuple[str, str]]:
    """What the audit trail tells of a request and of its copies."""
    entries = [entry for entry in engine.audit_entries() if entry["actor"] == f"who sent {nonce}"]
    return [(entry["action"], entry["result"]) for entry in entries]


def test_an_engine_on_one_machine_claims_nothing_and_its_schedule_forgets_nothing(engine: Engine) -> None:
    assert engine.claim(b"digest", 1) is None
    assert engine.claimed("ListKeys") is engine
    assert engine.tick() is not None


def test_what_uses_a_key_is_answered_by_one_node_and_the_copy_is_audited(
    shared: Lab, nodes: tuple[Engine, Engine], key: str
) -> None:
    codes = [code_of(lambda node=node: asking(node, "n", now(shared)).encrypt(key, b"x")) for node in nodes]  # type: ignore[misc]
    assert codes == ["", "SignatureNonceUsed"]
    assert told(nodes[0], "n") == [("Encrypt", "OK"), ("Encrypt", "SignatureNonceUsed")]
    nodes[0].audit_verify()


def test_a_copy_of_what_was_refused_is_not_answered_when_it_could_be(
    shared: Lab, nodes: tuple[Engine, Engine], key: str
) -> None:
    first, second = nodes
    first.execute(DisableKey(key=key))
    assert code_of(lambda: asking(first, "n", now(shared)).encrypt(key, b"x")) == "Rejected.Disabled"
    assert code_of(lambda: asking(second, "n", now(shared)).encrypt(key, b"x")) == "SignatureNonceUsed"
    first.execute(EnableKey(key=key))
    assert code_of(lambda: asking(second, "n", now(shared)).encrypt(key, b"x")) == "SignatureNonceUsed"
    assert [result for _, result in told(first, "n")] == ["Rejected.Disabled", *["SignatureNonceUsed"] * 2]


def test_a_call_that_was_overtaken_is_made_again_with_the_nonce_it_has(
    shared: Lab, nodes: tuple[Engine, Engine], key: str
) -> None:
    first, second = nodes
    successor = new_key(first, first.describe([key]).keys[0]["instance_id"])
    first.execute(CreateAlias(alias="alias/a", key=key))
    first.encrypt("alias/a", b"x")
    second.execute(UpdateAlias(alias="alias/a", key=successor))
    assert asking(first, "n", now(shared)).encrypt("alias/a", b"x").key_id == successor
    assert told(first, "n") == [("Encrypt", "OK")]


def test_what_manages_uses_its_nonce_up_before_it_begins(shared: Lab, nodes: tuple[Engine, Engine], key: str) -> None:
    first, second = nodes
    asking(first, "n", now(shared)).claimed("DisableKey").execute(DisableKey(key=key))
    copy = asking(second, "n", now(shared))
    assert code_of(lambda: copy.claimed("DisableKey")) == "SignatureNonceUsed"
    assert told(first, "n") == [("DisableKey", "OK"), ("DisableKey", "SignatureNonceUsed")]


def test_one_request_may_write_several_times(shared: Lab, nodes: tuple[Engine, Engine], key: str) -> None:
    acting = asking(nodes[0], "n", now(shared)).claimed("Encrypt")
    assert [code_of(lambda: acting.encrypt(key, b"x")) for _ in range(2)] == ["", ""]


def test_the_schedule_forgets_nonces_when_no_request_of_theirs_is_good(
    shared: Lab, nodes: tuple[Engine, Engine], key: str
) -> None:
    def kept() -> int:
        with nodes[0]._core.store.look() as db:
            count: int = db.execute("SELECT count(*) FROM nonce").fetchone()[0]
            return count

    signed = now(shared)
    for number in range(3):
        asking(nodes[0], f"n{number}", signed + number).encrypt(key, b"x")
    shared.clock.move(timedelta(seconds=WINDOW + 2))
    step(nodes[0]._core, lambda _: None)
    assert kept() == 3
    shared.clock.move(timedelta(seconds=60))
    step(nodes[0]._core, lambda _: None)
    assert kept() == 0
    assert code_of(lambda: asking(nodes[1], "n0", signed).encrypt(key, b"x")) == "InvalidTimeStamp.Expired"


def test_a_restored_engine_takes_nothing_that_was_signed_before(
    shared: Lab, nodes: tuple[Engine, Engine], key: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    signed, lock = now(shared), key_file(tmp_path)
    nodes[0].keeping.backup(tmp_path / "b", lock)
    asking(nodes[0], "n", signed).encrypt(key, b"x")
    shared.clock.move(timedelta(seconds=1))
    there = Lab(tmp_path / "there", postgres=postgres.secret(postgres.new_schema()), clock=shared.clock)
    restore_to(there, tmp_path / "b", lock)
    again = there.open()
    assert code_of(lambda: asking(again, "n", signed).encrypt(key, b"x")) == "InvalidTimeStamp.Expired"
    assert code_of(lambda: asking(again, "n", now(shared) + 1).encrypt(key, b"x")) == ""
    there.close()
