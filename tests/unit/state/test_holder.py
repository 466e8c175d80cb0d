"""What a lock file says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kmsplan.state.holder import SIZE, Holder, LockFile

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def holder(command: str = "kmsplan apply") -> Holder:
    return Holder(id="ab", owner="ada@host", pid=7, command=command, acquired=NOW, heartbeat=NOW, fence=3)


def test_a_holder_is_read_back() -> None:
    assert LockFile.decode(LockFile(3, holder()).encode()) == LockFile(3, holder())


def test_a_free_lock_keeps_its_number() -> None:
    assert LockFile.decode(LockFile(3, None).encode()) == LockFile(3, None)


@pytest.mark.parametrize("command", ["x", "x" * 10_000, "\x00" * 10_000, "🔑" * 10_000])
def test_a_lock_file_always_has_the_same_size(command: str) -> None:
    content = LockFile(3, holder(command)).encode()
    assert len(content) == SIZE
    assert LockFile.decode(content).fence == 3


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b'{"fence": "x"}', b"\0" * SIZE])
def test_a_damaged_lock_file_names_nobody(content: bytes) -> None:
    assert LockFile.decode(content) == LockFile(0, None)


def test_a_damaged_holder_leaves_the_number() -> None:
    assert LockFile.decode(b'{"fence": 8, "id": "x"}') == LockFile(8, None)


def test_the_words_say_who_where_since_when_and_how_to_unlock() -> None:
    assert str(holder()) == (
        "ada@host, pid 7, since 2026-01-02 03:04:05 UTC, last heartbeat 03:04:05, command 'kmsplan apply', lock id ab"
    )
