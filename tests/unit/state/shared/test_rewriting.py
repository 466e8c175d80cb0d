"""A shared state under another key: what its place makes hard, and what it cannot do."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.secret import SecretBytes
from kmsplan.state import durable
from kmsplan.state.cipher import PLAIN, Cipher, Codec
from kmsplan.state.error import StateAccessError, StateLineageError
from kmsplan.state.local import LocalStore
from tests import stores
from tests.state_server import StateServer
from tests.stores import LINEAGE, Place, apply, make_key, names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.state.recoding import Rekeyed
    from kmsplan.state.shared.bucket import Bucket
    from tests.objects import ObjectServer

ONE, TWO, THREE = (Cipher(SecretBytes(key * 32)) for key in (b"1", b"2", b"3"))


@pytest.fixture
def server() -> Iterator[StateServer]:
    found = StateServer(gitlab=True)
    yield found
    found.close()


def rekey(place: Place, *before: Codec, after: Codec) -> Rekeyed:
    store = place.machine("one", after)
    with store.lock(owner="a", command="state rekey") as lock:
        return store.rekey(before, lock)


def past(server: StateServer) -> list[int]:
    return [each["serial"] for each in json.loads(server.content or b"")["kmsplan"]["past"]]


def test_parts_under_a_third_key_stay_until_it_is_named_too(server: StateServer, tmp_path: Path) -> None:
    """An old backup's serials, say, or a rekey that somebody else began."""
    place = stores.http(tmp_path, server)
    apply(place.machine("one", THREE), "orders")
    early = json.loads(server.content or b"")["kmsplan"]["past"]
    rekey(place, THREE, after=ONE)
    document = json.loads(server.content or b"")
    document["kmsplan"]["past"] = early
    server.content = json.dumps(document).encode()
    done = rekey(place, ONE, after=TWO)
    assert {(left.name.rpartition(": ")[2], left.key) for left in done.left} == {
        ("serial 0", THREE.key_id), ("the journal after serial 0", THREE.key_id),
    }  # fmt: skip
    listed = place.machine("two", TWO).history()
    assert [(serial.number, serial.readable) for serial in listed] == [(0, False), (1, True)]
    assert rekey(place, ONE, THREE, after=TWO).left == ()
    assert all(serial.readable for serial in place.machine("two", TWO).history())


def test_the_versions_that_a_state_server_keeps_are_told(server: StateServer, tmp_path: Path) -> None:
    place = stores.http(tmp_path, server)
    apply(place.machine(), "orders")
    told = rekey(place, PLAIN, after=ONE).beyond
    written = json.loads(server.content or b"")["serial"]
    assert f"keeps those before version {written} as they were written" in told
    assert written in server.versions
    assert rekey(place, PLAIN, after=ONE).beyond == told, "also where the first attempt was killed before it said so"


def test_serials_that_have_no_room_once_they_are_encrypted_are_told(
    server: StateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is encrypted cannot be compressed."""
    place = stores.http(tmp_path, server)
    for number in range(4):
        apply(place.machine(), *(f"orders-{number}-{key}" for key in range(20)))
    size = len(server.content or b"")
    monkeypatch.setattr("kmsplan.state.shared.document._KEPT_BYTES", size // 2)
    before = past(server)
    done = rekey(place, PLAIN, after=ONE)
    assert done.gone
    assert past(server) == [serial for serial in before if serial not in done.gone]
    assert len(names(place.machine("two", ONE))) == 80


@pytest.fixture
def bucketed(objects: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Place, Bucket]:
    """A state with two serials before the current one, and the bucket that it is in."""
    from kmsplan.state.shared.s3 import S3Remote  # noqa: PLC0415 - the extra

    place = stores.s3(tmp_path, objects, monkeypatch)
    apply(place.machine(), "orders")
    apply(place.machine(), "signer")
    assert place.remote is not None
    remote = place.remote(place.lease)
    assert isinstance(remote, S3Remote)
    return place, remote._bucket


def test_no_object_of_somebody_else_is_deleted(bucketed: tuple[Place, Bucket]) -> None:
    place, bucket = bucketed
    parts = set(bucket.names("team/state.d/"))
    strange = {"team/state.d/README", "team/state.d/other", "team/state.d/other.d/0123456789abcdef.state.json"}
    cut_off = {"team/state.d/0123456789abcdef.state.json", "team/state.d/7-0123456789abcdef.part"}
    for name in strange | cut_off:
        bucket.put(name, b"orders")
    rekey(place, PLAIN, after=ONE)
    after = set(bucket.names("team/state.d/"))
    assert strange <= after
    assert len(after - strange) == len(parts)
    assert not (parts | cut_off) & after


def test_an_oldest_serial_that_somebody_deleted_holds_nothing_up(bucketed: tuple[Place, Bucket]) -> None:
    place, bucket = bucketed
    head = json.loads(bucket.get("team/state").content)  # type: ignore[union-attr]  # it is there
    bucket.delete(f"team/state.d/{head['past'][0][1]}.state.json")
    bucket.delete(f"team/state.d/{head['past'][1][1]}.state.json")
    assert rekey(place, PLAIN, after=ONE).left == ()
    assert b"orders" not in place.kept()
    assert names(place.machine("two", ONE)) == {"key.orders", "key.signer"}


def test_what_cannot_be_deleted_is_told_and_the_next_attempt_deletes_it(
    bucketed: tuple[Place, Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, bucket = bucketed

    def refused(*_: object) -> None:
        raise StateAccessError("the bucket cannot be used", "Allow it.")

    with monkeypatch.context() as patch:
        patch.setattr(type(bucket), "delete", refused)
        with pytest.raises(StateAccessError):
            rekey(place, PLAIN, after=ONE)
    assert names(place.machine("two", ONE)) == {"key.orders", "key.signer"}
    assert b"orders" in place.kept()
    assert rekey(place, PLAIN, after=ONE).changed == 0
    assert b"orders" not in place.kept()


def test_a_bucket_that_cannot_be_reached_is_told(bucketed: tuple[Place, Bucket]) -> None:
    place, bucket = bucketed
    place.cut()
    try:
        for ask in (bucket.names, bucket.delete):
            with pytest.raises(StateAccessError, match="cannot be used"):
                ask("team/state.d/")
    finally:
        place.heal()


def test_a_journal_set_aside_that_is_no_journal_of_this_state_is_told(server: StateServer, tmp_path: Path) -> None:
    place = stores.http(tmp_path, server)
    apply(place.machine(), "orders")
    aside = tmp_path / "one" / "superseded"
    aside.mkdir()
    stray = aside / "0123456789abcdef.journal.jsonl"
    stray.write_bytes(_journal(tmp_path / "other"))
    (aside / "0123456789abcdef.journal.jsonl.3.tmp").write_bytes(b"cut off")
    with pytest.raises(StateLineageError, match=str(stray)):
        rekey(place, PLAIN, after=ONE)
    stray.unlink()
    assert rekey(place, PLAIN, after=ONE).changed == 0
    assert list(aside.iterdir()) == []


def test_a_journal_set_aside_that_cannot_be_written_is_told(
    server: StateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = stores.http(tmp_path, server)
    store = place.machine()
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        writing.init(LINEAGE)
        make_key(writing.journal)
        writing.journal.flush()
        (journal,) = (tmp_path / "one").glob("*.journal.jsonl")
        (tmp_path / "one" / "superseded").mkdir()
        aside = journal.rename(tmp_path / "one" / "superseded" / journal.name)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place.machine().unlock(json.loads(server.content or b"")["kmsplan"]["running"]["id"])
    with monkeypatch.context() as patch:
        patch.setattr(durable, "replace", full)
        with pytest.raises(StateAccessError, match=f"{journal.name} cannot be written: No space left"):
            rekey(place, PLAIN, after=ONE)
    assert b"orders" in aside.read_bytes()
    assert rekey(place, PLAIN, after=ONE).changed == 1
    assert b"orders" not in aside.read_bytes()


def _journal(folder: Path) -> bytes:
    """Of another state."""
    store = LocalStore(folder)
    store.init(LINEAGE[::-1])
    apply(store, "orders")
    return (folder / "history" / "0.journal.jsonl").read_bytes()
