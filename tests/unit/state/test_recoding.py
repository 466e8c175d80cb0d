"""Parts of a state on their way to another key: each says which key it is under."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmsplan.kms.secret import SecretBytes
from kmsplan.state import journal, snapshot
from kmsplan.state.cipher import PLAIN, Cipher, Codec
from kmsplan.state.error import StateCorruptError
from kmsplan.state.local import LocalStore
from kmsplan.state.recoding import Left, Recoding, codec_for
from kmsplan.state.record import Recorded
from kmsplan.state.snapshot import Snapshot
from tests.stores import apply

ONE, TWO, THREE = (Cipher(SecretBytes(key * 32)) for key in (b"1", b"2", b"3"))
LINEAGE = "0123456789abcdef0123456789abcdef"
PATH = Path("somewhere")
REMEDY = "Put it back."


def kept(codec: Codec) -> bytes:
    return snapshot.encode(Snapshot(Recorded(lineage=LINEAGE, serial=1, environment="fake/1"), 0), codec)


def recoding(*before: Codec, after: Codec = TWO) -> Recoding:
    return Recoding(before, after, lineage=LINEAGE, remedy=REMEDY)


@pytest.mark.parametrize("before", [PLAIN, ONE], ids=["plain", "encrypted"])
def test_a_part_is_the_same_under_the_other_key(before: Codec) -> None:
    change = recoding(before)
    found = change.snapshot(kept(before), PATH)
    assert snapshot.decode(found, path=PATH, remedy=REMEDY, codec=TWO).recorded.serial == 1
    assert (change.changed, change.left) == (1, [])


def test_a_part_under_the_new_key_already_stays_the_very_same() -> None:
    change, content = recoding(ONE), kept(TWO)
    assert change.snapshot(content, PATH) is content
    assert (change.changed, change.left) == (0, [])


def test_of_several_keys_each_part_takes_its_own() -> None:
    change = recoding(PLAIN, ONE, THREE)
    for codec in (THREE, PLAIN, ONE):
        snapshot.decode(change.snapshot(kept(codec), PATH), path=PATH, remedy=REMEDY, codec=TWO)
    assert change.changed == 3


@pytest.mark.parametrize("other", [PLAIN, THREE], ids=["plain", "encrypted"])
def test_a_part_under_a_key_that_nobody_named_stays_and_is_told(other: Codec) -> None:
    change, content = recoding(ONE), kept(other)
    assert change.snapshot(content, PATH) is content
    assert change.left == [Left(name="somewhere", key=other.key_id)]


def test_a_damaged_part_is_told_and_never_passed_over() -> None:
    with pytest.raises(StateCorruptError, match="truncated"):
        recoding(ONE).snapshot(kept(ONE)[:-20], PATH)
    with pytest.raises(StateCorruptError, match="somewhere:1"):
        recoding(ONE).journal(b'{"sequence":1,\n{"sequence":2}\n', PATH)


def test_a_journal_without_a_line_is_under_any_key() -> None:
    change = recoding(ONE)
    assert change.journal(b"", PATH) == b""
    assert change.changed == 0


def test_a_snapshot_names_its_codec_and_a_strange_one_is_judged_by_the_last() -> None:
    codecs = (PLAIN, ONE, TWO)
    assert [codec_for(kept(codec), codecs) for codec in codecs] == list(codecs)
    assert codec_for(kept(THREE), codecs) is codec_for(b"no json", codecs) is TWO


def test_journals_follow_line_by_line(journal_lines: bytes) -> None:
    change = recoding(PLAIN)
    found = change.journal(journal_lines, PATH)
    before = journal.read(journal_lines, path=PATH, lineage=LINEAGE)
    assert before.entries
    assert journal.read(found, path=PATH, lineage=LINEAGE, codec=TWO).entries == before.entries


@pytest.fixture
def journal_lines(tmp_path: Path) -> bytes:
    """What a run wrote down."""
    apply(LocalStore(tmp_path), "orders")
    return (tmp_path / "history" / "0.journal.jsonl").read_bytes()
