"""Writes whose answer got lost, journals too long for one object, and servers that refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.state.error import StateAccessError
from kmsplan.state.shared.document import Document, Past, decode, unpacked
from tests import stores
from tests.state_server import StateServer
from tests.stores import apply, make_key, names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.objects import ObjectServer


@pytest.fixture(params=[False, True], ids=["plain", "gitlab"])
def server(request: pytest.FixtureRequest) -> Iterator[StateServer]:
    found = StateServer(gitlab=request.param)
    yield found
    found.close()


def test_a_write_whose_answer_got_lost_is_found_at_the_state_server(server: StateServer, tmp_path: Path) -> None:
    place = stores.http(tmp_path, server)
    apply(place.machine(), "orders")
    server.mute = True
    apply(place.machine(), "signer")
    assert not server.mute
    assert names(place.machine("two")) == {"key.orders", "key.signer"}
    assert server.lock is None


def test_what_a_state_server_says_against_a_write_is_shown(server: StateServer, tmp_path: Path) -> None:
    place = stores.http(tmp_path, server)
    apply(place.machine(), "orders")
    server.refuse_writes = 500
    with pytest.raises(StateAccessError, match="HTTP 500, the disk is full"):
        apply(place.machine(), "signer")
    server.refuse_writes = 0
    apply(place.machine(), "signer")
    assert names(place.machine("two")) == {"key.orders", "key.signer"}


def test_every_write_names_the_lock_and_no_message_the_password(server: StateServer, tmp_path: Path) -> None:
    place = stores.http(tmp_path, server)
    apply(place.machine(), "orders")
    writes = [path for method, path in server.requests if method == "POST" and "/lock" not in path]
    assert writes
    assert all("ID=" in path for path in writes)


def test_a_document_keeps_the_newest_serials_within_its_limits() -> None:
    snapshot = b'{"lineage": "l"}'
    past = tuple(Past.of(serial, b"snapshot %d" % serial, b"") for serial in range(50))
    found = decode(Document(writes=1, fence=1, snapshot=snapshot, past=past).encode(), "here")
    assert [each.serial for each in found.past] == list(range(30, 50))
    assert unpacked(found.past[-1].snapshot) == b"snapshot 49"
    assert found.snapshot == snapshot


def test_a_write_whose_answer_got_lost_is_found_in_the_object_store(
    objects: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = stores.s3(tmp_path, objects, monkeypatch, attempts=3)
    apply(place.machine(), "orders")
    store = place.machine()
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        writing.journal.run(command="apply")
        objects.lose_answer()
        make_key(writing.journal, "signer")
        writing.journal.flush()
        journal = names(place.machine("two"))
        writing.save()
    assert journal == names(place.machine("two")) == {"key.orders", "key.signer"}


def test_a_long_journal_becomes_objects_of_its_own(
    objects: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = stores.s3(tmp_path, objects, monkeypatch)
    monkeypatch.setattr("kmsplan.state.shared.s3._TAIL", 1000)
    apply(place.machine())
    store = place.machine()
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        writing.journal.run(command="apply")
        for number in range(12):
            make_key(writing.journal, f"k{number}")
        writing.journal.flush()
        assert len(names(place.machine("two"))) == 12
        writing.save()
    assert len(names(place.machine("two"))) == 12
    assert [serial.number for serial in place.machine("two").history()] == [0, 1]


def test_an_object_store_that_ignores_conditions_is_refused(
    objects: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kmsplan.state.shared.bucket import Bucket  # noqa: PLC0415 - the extra

    place = stores.s3(tmp_path, objects, monkeypatch)
    put = Bucket.put
    monkeypatch.setattr(Bucket, "put", lambda self, key, content, **_: put(self, key, content))
    with pytest.raises(StateAccessError, match="ignores conditional writes"):
        place.machine().init(stores.LINEAGE)
