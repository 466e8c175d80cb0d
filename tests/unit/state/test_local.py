"""The local store: making, opening, unlocking and looking back."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.naming import TAG_LENGTH, Owner
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state import protocol
from kmsplan.state.error import FenceError, StateAccessError, StateMissingError, UnlockError
from kmsplan.state.local import LocalStore, new_lineage

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.state.lock import Lock

LINEAGE = "0123456789abcdef0123456789abcdef"


def test_the_local_store_is_a_store(store: LocalStore, lock: Lock) -> None:
    conforming: protocol.Store = store
    with conforming.open(lock) as writing:
        writing.init(LINEAGE)
        parts = {
            protocol.Store: store,
            protocol.Held: lock,
            protocol.Writing: writing,
            protocol.Journal: writing.journal,
        }
        missing = [
            f"{kind.__name__}.{name}"
            for kind, part in parts.items()
            for name in (*vars(kind), *vars(kind).get("__annotations__", ()))
            if not name.startswith("_") and not hasattr(part, name)
        ]
    assert missing == []


def test_a_new_state_is_empty_and_has_serial_0(store: LocalStore) -> None:
    made = store.init(LINEAGE)
    assert (made.lineage, made.serial, made.environment, made.records) == (LINEAGE, 0, "", {})
    assert store.load() == made


def test_a_state_is_made_once(store: LocalStore) -> None:
    first = store.init(LINEAGE)
    assert store.init("f" * 32) == first


def test_of_many_who_make_a_state_at_once_one_wins(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "state")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: store.init(f"{number:032x}"), range(8)))
    assert {recorded.lineage for recorded in made} == {store.load().lineage}


def test_a_lineage_leaves_room_for_the_longest_address_and_token_in_an_owner_tag() -> None:
    lineage = new_lineage(secrets.token_bytes)
    tag = str(Owner(lineage, "instance." + "x" * 64, "0" * 16))
    assert len(tag) <= TAG_LENGTH


def test_opening_makes_a_state_where_there_is_none(store: LocalStore, lock: Lock) -> None:
    with store.open(lock) as writing:
        writing.init(LINEAGE)
        writing.init("f" * 32)
        assert writing.recorded.lineage == LINEAGE
    assert store.load().lineage == LINEAGE


def test_opening_clears_away_what_a_cut_off_write_left(applied: LocalStore, lock: Lock) -> None:
    left = applied.path / "kmsplan.state.json.7.tmp"
    left.touch()
    applied.open(lock).close()
    assert not left.exists()


def test_a_state_in_a_folder_that_cannot_be_written_is_told(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from kmsplan.state import durable  # noqa: PLC0415

    def refuse(*_: Any, **__: Any) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(durable, "create", refuse)
    with pytest.raises(StateAccessError, match="Permission denied"):
        store.init(LINEAGE)


def test_unlock_takes_the_snapshot_away_that_its_holder_was_about_to_put_in_place(
    applied: LocalStore, lock: Lock, clock: Any
) -> None:
    about = applied.path / f"kmsplan.state.json.{lock.fence}.tmp"
    about.touch()
    with pytest.raises(UnlockError, match="is alive"):
        applied.unlock(lock.holder.id)
    assert about.exists()
    clock.now += timedelta(minutes=5)
    assert applied.unlock(lock.holder.id).owner == "ada@host"
    assert not about.exists()
    with pytest.raises(FenceError):
        lock.check()


def test_history_lists_every_serial(applied: LocalStore, lock: Lock) -> None:
    for number in range(3):
        with applied.open(lock) as writing:
            writing.journal.run(command="kmsplan apply")
            writing.journal.record(Address("key.orders"), Effect(attributes={"rotation": number}))
            writing.save()
    (applied.path / "history" / "notes.txt").touch()
    assert [serial.number for serial in applied.history()] == [0, 1, 2, 3, 4]
    rotations = [
        applied.load_serial(serial).records[Address("key.orders")].attributes.get("rotation") for serial in (1, 2, 3, 4)
    ]
    assert rotations == [None, 0, 1, 2]


def test_a_serial_that_was_never_kept_is_told_with_those_that_were(applied: LocalStore) -> None:
    with pytest.raises(StateMissingError, match="there is no serial 9") as caught:
        applied.load_serial(9)
    assert "These are there: 0, 1." in caught.value.remedy
