"""The journal's text: chained lines, cut-off writes, and every kind of damage."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from kmsplan.state.entry import RunEntry
from kmsplan.state.error import StateCorruptError, StateLineageError, StateVersionError
from kmsplan.state.journal import encode, read, seal

LINEAGE = "lineage-1"
PATH = Path("state/journal.jsonl")


def run_entry(sequence: int, lineage: str = LINEAGE) -> RunEntry:
    return RunEntry(
        sequence=sequence,
        run="r",
        fence=1,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        lineage=lineage,
        serial=0,
        environment="fake/1",
        plan="",
        command="kmsplan apply",
    )


def journal(count: int, lineage: str = LINEAGE) -> bytes:
    check, lines = lineage, []
    for sequence in range(1, count + 1):
        line, check = seal(encode(run_entry(sequence, lineage)), check)
        lines.append(line)
    return b"".join(lines)


def sequences(content: bytes) -> list[int]:
    return [entry.sequence for entry in read(content, path=PATH, lineage=LINEAGE).entries]


def test_every_line_is_json_of_its_own() -> None:
    assert [orjson.loads(line)["sequence"] for line in journal(3).splitlines()] == [1, 2, 3]


def test_what_was_written_is_read() -> None:
    reading = read(journal(3), path=PATH, lineage=LINEAGE)
    assert reading.entries == (run_entry(1), run_entry(2), run_entry(3))
    assert reading.length == len(journal(3))


def test_an_empty_journal_has_no_entries_and_continues_from_the_lineage() -> None:
    reading = read(b"", path=PATH, lineage=LINEAGE)
    assert (reading.entries, reading.length, reading.check) == ((), 0, LINEAGE)


def test_a_journal_cut_at_any_byte_keeps_its_whole_lines() -> None:
    content = journal(3)
    ends = [index + 1 for index, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content)):
        whole = sum(end <= cut for end in ends)
        assert sequences(content[:cut]) == list(range(1, whole + 1))


@pytest.mark.parametrize("tail", [b'{"sequence":4', b"\0" * 100, b"\0" * 10 + b"\n", b"garbage\n"])
def test_a_last_line_that_is_no_json_was_cut_off(tail: bytes) -> None:
    reading = read(journal(3) + tail, path=PATH, lineage=LINEAGE)
    assert (len(reading.entries), reading.length) == (3, len(journal(3)))


def test_an_edited_line_is_named_with_file_and_line() -> None:
    content = journal(3).replace(b'"sequence":2', b'"sequence":9')
    with pytest.raises(StateCorruptError, match=r"journal\.jsonl:2: the line does not fit its check") as caught:
        sequences(content)
    assert "owner tags" in caught.value.remedy


def test_an_edited_last_line_is_refused_and_not_cut() -> None:
    with pytest.raises(StateCorruptError, match=":3:"):
        sequences(journal(3).replace(b'"sequence":3', b'"sequence":9'))


def test_a_removed_line_shows_at_the_one_behind_it() -> None:
    lines = journal(3).splitlines(keepends=True)
    with pytest.raises(StateCorruptError, match=":2:"):
        sequences(lines[0] + lines[2])


def test_swapped_lines_show() -> None:
    lines = journal(3).splitlines(keepends=True)
    with pytest.raises(StateCorruptError, match=":1:"):
        sequences(lines[1] + lines[0] + lines[2])


def test_garbage_in_the_middle_is_no_cut_off_write() -> None:
    lines = journal(3).splitlines(keepends=True)
    with pytest.raises(StateCorruptError, match=":2:"):
        sequences(lines[0] + b"garbage\n" + lines[2])


def test_another_states_journal_is_told_by_its_lineage() -> None:
    with pytest.raises(StateLineageError, match="its lineage is lineage-2, this state's is lineage-1"):
        sequences(journal(2, "lineage-2"))


def test_an_entry_of_a_newer_version_says_so() -> None:
    body = encode(run_entry(1)).replace(b'"event":"run"', b'"event":"sprint"')
    with pytest.raises(StateVersionError, match="A newer kmsplan wrote it"):
        sequences(seal(body, LINEAGE)[0])


def test_an_intact_entry_of_unknown_form_is_refused() -> None:
    body = encode(run_entry(1)).replace(b'"serial":0', b'"cereal":0')
    with pytest.raises(StateCorruptError, match="unknown form"):
        sequences(seal(body, LINEAGE)[0])
