from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmsplan.engine.backup import container
from kmsplan.engine.backup.container import CHUNK, MAGIC
from kmsplan.engine.error import BackupError, SealingError
from kmsplan.engine.sealing import ARGON2ID, FileSeal, PassphraseSeal
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.sealing import Seal

FACTS = {"engine_id": "e", "made": "2026-01-01T00:00:00Z"}
TAG = 16


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> FileSeal:
    """A key file."""
    return FileSeal(tmp_path_factory.mktemp("lock") / "backup.key")


def passphrase(text: str = "correct horse") -> PassphraseSeal:
    return PassphraseSeal(lambda: SecretBytes(text.encode()))


def written(body: bytes, lock: Seal, step: int = CHUNK) -> bytes:
    """Return a backup's file with this body, which comes in steps."""
    file = io.BytesIO()
    sink = container.begin(file, FACTS, lock, os.urandom)
    for start in range(0, len(body), step):
        sink.write(body[start : start + step])
    sink.close()
    return file.getvalue()


def read(content: bytes, lock: Seal) -> bytes:
    """Return the body of a file."""
    file = io.BytesIO(content)
    head = container.read_head(file, "b")
    return b"".join(container.read_body(file, head, lock, "b"))


def head_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the head, and what stands behind it."""
    _, line, body = content.split(b"\n", 2)
    return json.loads(line), body


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5])
@pytest.mark.parametrize("step", [1000, CHUNK, 5 * CHUNK])
def test_what_was_written_is_read(lock: FileSeal, size: int, step: int) -> None:
    body = os.urandom(size)
    assert read(written(body, lock, step), lock) == body


def test_a_passphrase_opens_what_it_locked_and_the_head_says_how(lock: FileSeal) -> None:
    content = written(b"body", passphrase())
    assert read(content, passphrase()) == b"body"
    head, _ = head_of(content)
    assert head["lock"] == {"kind": "passphrase", "salt": head["lock"]["salt"], **ARGON2ID}
    assert len(bytes.fromhex(head["lock"]["salt"])) == 16
    with pytest.raises(BackupError, match="the passphrase that was given does not open the backup b"):
        read(content, passphrase("wrong horse"))
    with pytest.raises(BackupError, match="locked by a passphrase, and a key file was given"):
        read(content, lock)


def test_another_key_file_is_refused(lock: FileSeal, tmp_path: Path) -> None:
    other = FileSeal(tmp_path / "other.key")
    other.make(os.urandom)
    content = written(b"body", lock)
    with pytest.raises(BackupError, match="the key file that was given does not open the backup b"):
        read(content, other)
    with pytest.raises(BackupError, match="locked by a key file, and a passphrase was given"):
        read(content, passphrase())
    with pytest.raises(SealingError, match="is missing"):
        read(content, FileSeal(tmp_path / "missing.key"))


def test_two_backups_with_the_same_lock_share_no_key(lock: FileSeal) -> None:
    first, second = (head_of(written(b"body", lock)) for _ in range(2))
    assert first[1] != second[1]
    assert first[0]["check"] != second[0]["check"]


def test_a_backup_says_nothing_of_its_content(lock: FileSeal) -> None:
    content = written(b"top secret" * 1000, lock)
    assert b"secret" not in content
    assert head_of(content)[0]["engine"] == FACTS


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_refused(lock: FileSeal, data: st.DataObject) -> None:
    content = bytearray(written(b"body" * 20_000, lock))
    near = len(MAGIC) + len(content.split(b"\n", 2)[1]) + 200
    at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, near))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BackupError, match=r"damaged|another backup format|is locked by a lock that is not known"):
        read(bytes(content), lock)


def test_a_file_that_was_cut_off_anywhere_is_refused(lock: FileSeal) -> None:
    content = written(os.urandom(2 * CHUNK + 100), lock)
    start = len(content) - 2 * (CHUNK + TAG) - 100 - TAG
    ends = {start + count * (CHUNK + TAG) + offset for count in range(3) for offset in (-1, 0, 1, TAG)}
    for length in sorted({*range(0, start, 7), *ends, len(content) - 1}):
        with pytest.raises(BackupError):
            read(content[:length], lock)


def test_chunks_that_were_moved_dropped_or_appended_are_refused(lock: FileSeal) -> None:
    content = written(os.urandom(3 * CHUNK), lock)
    whole = CHUNK + TAG
    start = len(content) - 3 * whole
    head, chunks = content[:start], [content[start + n * whole : start + (n + 1) * whole] for n in range(3)]
    for wrong in ((1, 0, 2), (0, 2), (0, 1), (1, 2), (0, 1, 2, 2), (0, 0, 1, 2), (2,), ()):
        with pytest.raises(BackupError, match="was damaged or cut off"):
            read(head + b"".join(chunks[number] for number in wrong), lock)
    with pytest.raises(BackupError, match=r"Nothing of it was used. Take another copy"):
        read(content + b"\0", lock)


def test_the_body_of_one_backup_does_not_open_behind_the_head_of_another(lock: FileSeal) -> None:
    (head, _), (_, body) = head_of(written(b"one", lock)), head_of(written(b"two", lock))
    with pytest.raises(BackupError, match="does not open"):
        read(MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n" + body, lock)


def _changed(content: bytes, place: str, name: str, value: Any) -> bytes:
    head, body = head_of(content)
    (head[place] if place else head)[name] = value
    return MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n" + body


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("engine", "engine_id", "another"),
        ("engine", "made", "2030-01-01T00:00:00Z"),
        ("", "salt", "00" * 32),
        ("", "salt", "no hex"),
        ("", "check", "00" * 32),
        ("", "check", 1),
        ("", "lock", "file"),
        ("", "engine", None),
        ("lock", "kind", "hsm"),
        ("lock", "kind", ["file"]),
        ("lock", "extra", 1),
    ],
)
def test_a_changed_head_is_refused(lock: FileSeal, place: str, name: str, value: Any) -> None:
    with pytest.raises(BackupError):
        read(_changed(written(b"body", lock), place, name, value), lock)


@pytest.mark.parametrize(
    ("name", "value"),
    [("memory_kib", 1 << 40), ("iterations", 1 << 30), ("lanes", 1), ("salt", "00"), ("salt", 7), ("salt", None)],
)
def test_a_head_cannot_make_us_spend_more_memory_or_time(name: str, value: Any) -> None:
    with pytest.raises(BackupError, match="damaged"):
        read(_changed(written(b"body", passphrase()), "lock", name, value), passphrase())


def test_a_newer_format_is_named() -> None:
    with pytest.raises(BackupError, match=r"another backup format than 1.*a newer kmsplan has written it. Install"):
        container.read_head(io.BytesIO(b"kmsplan backup 2\n{}\n"), "b")


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"notes\n", b"SQLite format 3\0", bytes(100), b"kmsplan backu", b"x" * 99]
)
def test_what_is_no_backup_is_named(content: bytes) -> None:
    with pytest.raises(BackupError, match="b is no backup of a kmsplan engine"):
        container.read_head(io.BytesIO(content), "b")


@pytest.mark.parametrize("line", [b"", b"{}\n", b"[]\n", b"no json\n", b'{"engine": 1}\n', b"\xff\n"])
def test_a_head_that_cannot_be_read_is_damage(line: bytes) -> None:
    with pytest.raises(BackupError, match="its head cannot be read"):
        container.read_head(io.BytesIO(MAGIC + line), "b")
