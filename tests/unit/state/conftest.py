"""A state folder, a clock that stands, and a lock."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.entry import Ending
from kmsplan.state.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.state.lock import Lock
    from kmsplan.state.protocol import Journal

LINEAGE = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> LocalStore:
    """A folder without a state."""
    numbers = itertools.count(1)
    return LocalStore(tmp_path / "state", clock=clock, entropy=lambda size: next(numbers).to_bytes(size, "big"))


@pytest.fixture
def lock(store: LocalStore) -> Iterator[Lock]:
    """The held lock of `store`."""
    with store.lock(owner="ada@host", command="kmsplan apply") as held:
        yield held


@pytest.fixture
def make_key() -> Callable[..., None]:
    """Writes down that a key was made."""

    def make(journal: Journal, name: str = "orders", identity: str | None = None, *, ends: bool = True) -> None:
        pending = journal.begin(
            address=Address(f"key.{name}"),
            operation="CreateKey",
            parameters={"KeySpec": "Aliyun_AES_256"},
            token=f"token-{name}",
            identity=None,
            effect=Effect(attributes={"description": name, "tags": {"a": "b"}}),
        )
        if ends:
            journal.end(pending.sequence, Ending.DONE, identity=identity or f"key-{name}")

    return make


@pytest.fixture
def applied(store: LocalStore, lock: Lock, make_key: Callable[..., None]) -> LocalStore:
    """A state with key.orders and key.signer, serial 1; its lock is held."""
    with store.open(lock) as writing:
        writing.init(LINEAGE)
        writing.journal.run(command="kmsplan apply", environment="fake/1", plan="digest")
        make_key(writing.journal, "orders")
        make_key(writing.journal, "signer")
        writing.save()
    return store
