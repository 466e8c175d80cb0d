"""Nonces: used once, by whatever process, for as long as a request is good."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore.nonce import forget_in
from kmsplan.kms.error import KmsError
from kmsplan.server import nonce as nonces
from kmsplan.server.nonce import Nonces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 4_000_000_000
"""After any boot of the machine that runs the tests."""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Nonces]:
    made = Nonces(tmp_path / "nonces", buckets=64)
    yield made
    made.close()


def code_of(book: Nonces, nonce: str, time: int = NOW, access_key_id: str = "AK") -> str:
    """Return the code with which a nonce is refused; empty where it is taken."""
    try:
        book.claim(access_key_id, nonce, time)
    except KmsError as error:
        return error.code
    return ""


def test_a_nonce_is_taken_once(book: Nonces) -> None:
    assert code_of(book, "n") == ""
    assert code_of(book, "n") == "SignatureNonceUsed"
    assert code_of(book, "n", NOW + 1) == "SignatureNonceUsed"


def test_everybody_has_nonces_of_their_own(book: Nonces) -> None:
    assert code_of(book, "n", access_key_id="AK1") == ""
    assert code_of(book, "n", access_key_id="AK2") == ""
    assert code_of(book, "1 n", access_key_id="AK") == ""
    assert code_of(book, "n", access_key_id="AK 1") == ""


def test_a_nonce_outlives_its_process(tmp_path: Path, book: Nonces) -> None:
    code_of(book, "n")
    book.close()
    again = Nonces(tmp_path / "nonces", buckets=64)
    assert code_of(again, "n") == "SignatureNonceUsed"
    again.close()


CLAIM = """
import sys
from pathlib import Path
from kmsplan.server.nonce import Nonces
book = Nonces(Path(sys.argv[1]), buckets=64)
print("ready", flush=True)
for line in sys.stdin:
    try:
        book.claim("AK", line.strip(), 4_000_000_000)
        print("taken", flush=True)
    except Exception as error:
        print(error.code, flush=True)
"""


def test_all_processes_know_a_nonce(tmp_path: Path, book: Nonces) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(tmp_path / "nonces")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"

        def ask(nonce: str) -> str:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write(f"{nonce}\n")
            other.stdin.flush()
            return other.stdout.readline().strip()

        assert code_of(book, "mine") == ""
        assert ask("mine") == "SignatureNonceUsed"
        assert ask("its") == "taken"
        assert code_of(book, "its") == "SignatureNonceUsed"
        other.stdin.close()


def test_what_had_to_make_room_is_refused_by_its_time(tmp_path: Path) -> None:
    book = Nonces(tmp_path / "nonces", buckets=1)
    for number in range(60):
        assert code_of(book, f"n{number}", NOW + number) == ""
    assert code_of(book, "n0", NOW) == "InvalidTimeStamp.Expired"
    assert code_of(book, "fresh", NOW) == "InvalidTimeStamp.Expired"
    assert code_of(book, "n17", NOW + 17) == "InvalidTimeStamp.Expired"
    assert code_of(book, "n30", NOW + 30) == "SignatureNonceUsed"
    assert code_of(book, "fresh", NOW + 60) == ""
    book.close()


def test_no_nonce_is_ever_taken_twice(tmp_path: Path) -> None:
    book = Nonces(tmp_path / "nonces", buckets=4)
    taken: set[int] = set()
    for number in range(3000):
        which = number * 7919 % 1000
        if code_of(book, f"n{which}", NOW + which // 10) == "":
            assert which not in taken
            taken.add(which)
    assert len(taken) > 200
    book.close()


def test_a_request_from_before_the_boot_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat, boot = tmp_path / "stat", tmp_path / "boot_id"
    stat.write_text(f"cpu 1 2 3\nbtime {NOW}\n")
    boot.write_text("one\n")
    monkeypatch.setattr(nonces, "_STAT", stat)
    monkeypatch.setattr(nonces, "_BOOT_ID", boot)
    book = Nonces(tmp_path / "nonces", buckets=4)
    assert code_of(book, "a", NOW) == "InvalidTimeStamp.Expired"
    assert code_of(book, "a", NOW + 5) == ""
    book.close()
    boot.write_text("two\n")
    stat.write_text(f"btime {NOW - 1000}\n")
    book = Nonces(tmp_path / "nonces", buckets=4, clock=lambda: NOW + 10.9)
    assert code_of(book, "a", NOW + 5) == "InvalidTimeStamp.Expired"
    assert code_of(book, "b", NOW + 10) == "InvalidTimeStamp.Expired"
    assert code_of(book, "a", NOW + 11) == ""
    book.close()
    book = Nonces(tmp_path / "nonces", buckets=4, clock=lambda: NOW + 20)
    assert book.floor == NOW + 10, "made anew once, so that a restart refuses nobody"
    assert code_of(book, "a", NOW + 11) == "SignatureNonceUsed"
    book.close()


def test_a_server_that_was_started_while_the_clock_was_ahead_serves_once_that_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat, now = tmp_path / "stat", [NOW + 8 * 3600]
    stat.write_text(f"btime {NOW + 8 * 3600 - 60}\n")
    monkeypatch.setattr(nonces, "_STAT", stat)
    book = Nonces(tmp_path / "nonces", buckets=4, clock=lambda: now[0])
    assert code_of(book, "ahead", NOW + 8 * 3600) == ""
    now[0] = NOW
    assert code_of(book, "n", NOW) == "InvalidTimeStamp.Expired"
    assert code_of(book, "n", NOW) == "InvalidTimeStamp.Expired", "what was signed before that is not known"
    assert code_of(book, "n", NOW + 1) == ""
    assert code_of(book, "ahead", NOW + 8 * 3600) == "SignatureNonceUsed"
    book.close()
    again = Nonces(tmp_path / "nonces", buckets=4, clock=lambda: now[0])
    assert again.floor == NOW
    again.close()


def test_what_made_room_while_the_clock_was_ahead_does_not_shut_everybody_out_until_then(tmp_path: Path) -> None:
    book, later = Nonces(tmp_path / "nonces", buckets=1, clock=lambda: NOW), NOW + 365 * 86400
    for number in range(60):
        assert code_of(book, f"a{number}", later + number) == ""
    assert code_of(book, "n", NOW) == "InvalidTimeStamp.Expired"
    assert code_of(book, "n", NOW) == "InvalidTimeStamp.Expired"
    assert code_of(book, "n", NOW + 1) == ""
    for number in range(200):
        assert code_of(book, f"b{number}", NOW + 2 + number) == ""
    assert code_of(book, "n", NOW + 1) == "InvalidTimeStamp.Expired"
    assert code_of(book, "b199", NOW + 201) == "SignatureNonceUsed"
    book.close()


@pytest.mark.parametrize("size", [1, 100, 4096])
def test_a_file_that_was_made_anew_but_not_to_its_end_is_made_anew_again(tmp_path: Path, size: int) -> None:
    (tmp_path / "nonces").write_bytes(bytes(size))
    book = Nonces(tmp_path / "nonces", buckets=4, clock=lambda: NOW)
    assert code_of(book, "a", NOW) == "InvalidTimeStamp.Expired"
    assert code_of(book, "a", NOW + 1) == ""
    book.close()


def test_where_nonces_were_forgotten_what_was_signed_before_the_next_serving_is_refused(
    tmp_path: Path, book: Nonces
) -> None:
    assert code_of(book, "n") == ""
    forget_in(tmp_path)
    assert (tmp_path / "nonces").stat().st_mode & 0o777 == 0o600
    assert code_of(book, "n") == "SignatureNonceUsed", "who still runs there goes on"
    restored = Nonces(tmp_path / "nonces", buckets=64, clock=lambda: NOW + 30)
    assert code_of(restored, "n", NOW) == "InvalidTimeStamp.Expired"
    assert code_of(restored, "n", NOW + 30) == "InvalidTimeStamp.Expired"
    assert code_of(restored, "n", NOW + 31) == ""
    restored.close()


def test_the_file_is_private_and_does_not_grow(tmp_path: Path, book: Nonces) -> None:
    path = tmp_path / "nonces"
    before = path.stat().st_blocks
    for number in range(5000):
        code_of(book, f"n{number}")
    after = path.stat()
    assert after.st_mode & 0o777 == 0o600
    assert after.st_blocks == before
