"""Every serial of a state: listed with its run, and read again."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.secret import SecretBytes
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.cipher import Cipher
from kmsplan.state.error import StateCorruptError, StateMissingError
from kmsplan.state.local import LocalStore
from tests.unit.state.conftest import LINEAGE, NOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ORDERS = Address("key.orders")


def run(store: LocalStore, command: str, *, save: bool = True, rotation: int = 0) -> None:
    with store.lock(owner="ada@host", command=command) as lock, store.open(lock) as writing:
        writing.init(LINEAGE)
        writing.journal.run(command=command, plan="p", by="ada@host")
        writing.journal.record(ORDERS, Effect(attributes={"rotation": rotation}), identity="key-1")
        writing.journal.flush()
        if save:
            writing.save()


def listed(store: LocalStore) -> list[tuple[int, str]]:
    return [(serial.number, serial.made.command if serial.made else "") for serial in store.history()]


def rotation(store: LocalStore, serial: int) -> object:
    return store.load_serial(serial).records[ORDERS].attributes["rotation"]


def test_without_a_state_there_is_no_serial(store: LocalStore) -> None:
    assert store.history() == []
    with pytest.raises(StateMissingError):
        store.load_serial(0)


def test_each_says_who_when_and_how(store: LocalStore) -> None:
    run(store, "apply")
    first, current = store.history()
    assert (first.number, first.made) == (0, None)
    assert current.number == 1
    assert current.made is not None
    assert (current.made.at, current.made.by, current.made.command, current.made.plan) == (
        NOW,
        "ada@host",
        "apply",
        "p",
    )


def test_the_runs_that_were_interrupted_made_serials_too(store: LocalStore) -> None:
    run(store, "one", rotation=1)
    run(store, "two", save=False, rotation=2)
    run(store, "three", save=False, rotation=3)
    assert listed(store) == [(0, ""), (1, "one"), (2, "two"), (3, "three")]
    assert [rotation(store, serial) for serial in (1, 2, 3)] == [1, 2, 3]
    run(store, "four", rotation=4)
    run(store, "five", rotation=5)
    assert listed(store) == [(0, ""), (1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "five")]
    assert [rotation(store, serial) for serial in (1, 2, 3, 4, 5)] == [1, 2, 3, 4, 5]


def test_a_run_that_changes_nothing_makes_no_serial(store: LocalStore) -> None:
    run(store, "one")
    with store.lock(owner="ada@host", command="x") as lock, store.open(lock) as writing:
        writing.journal.run(command="nothing")
        writing.save()
    assert listed(store) == [(0, ""), (1, "one")]


def test_a_run_that_names_a_later_serial_makes_it(store: LocalStore) -> None:
    run(store, "one")
    with store.lock(owner="ada@host", command="x") as lock, store.open(lock) as writing:
        writing.journal.run(command="accepted", serial=7)
        writing.save()
    assert store.load().serial == 7
    assert listed(store) == [(0, ""), (1, "one"), (7, "accepted")]
    run(store, "next", rotation=8)
    assert store.load().serial == 8
    with pytest.raises(StateMissingError, match="there is no serial 6") as caught:
        store.load_serial(6)
    assert caught.value.remedy == "These are there: 0, 1, 7, 8."


def test_a_snapshot_that_was_renamed_is_refused(store: LocalStore) -> None:
    for number in range(4):
        run(store, f"run {number}", rotation=number)
    history = store.path / "history"
    (history / "1.state.json").replace(history / "2.state.json")
    with pytest.raises(StateCorruptError, match="kept as serial 2 is serial 1"):
        store.load_serial(2)


def test_another_layout_is_read_whole(store: LocalStore) -> None:
    for number in range(2):
        run(store, f"run {number}", rotation=number)
    kept = store.path / "history" / "1.state.json"
    kept.write_text(json.dumps(json.loads(kept.read_text())))
    assert listed(store) == [(0, ""), (1, "run 0"), (2, "run 1")]


def test_an_encrypted_state_tells_the_same(tmp_path: Path, clock: Callable[[], object]) -> None:
    del clock
    numbers = itertools.count(1)
    codec = Cipher(SecretBytes(b"k" * 32))
    store = LocalStore(tmp_path / "s", entropy=lambda size: next(numbers).to_bytes(size, "big"), codec=codec)
    run(store, "one", rotation=1)
    run(store, "two", save=False, rotation=2)
    run(store, "three", rotation=3)
    assert listed(store) == [(0, ""), (1, "one"), (2, "two"), (3, "three")]
    assert [rotation(store, serial) for serial in (1, 2, 3)] == [1, 2, 3]
    for path in store.path.rglob("*.json*"):
        assert b"rotation" not in path.read_bytes()
    (store.path / "history" / "1.state.json").replace(store.path / "kmsplan.state.json")
    document = json.loads((store.path / "kmsplan.state.json").read_text())
    (store.path / "kmsplan.state.json").write_text(json.dumps({**document, "serial": 3}))
    with pytest.raises(StateCorruptError, match="does not open with the right key"):
        store.load()
