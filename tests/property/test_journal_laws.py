"""Laws of the journal: every prefix folds, what was folded live is what is loaded, and cutting loses only the tail."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.kms.settling import OPERATIONS
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.state.entry import BeginEntry, EndEntry, Ending, Entry, RecordEntry, RunEntry
from kmsplan.state.folding import fold
from kmsplan.state.journal import encode, read, seal
from kmsplan.state.local import LocalStore
from kmsplan.state.record import Record, Recorded

LINEAGE = "0123456789abcdef0123456789abcdef"
EMPTY = Recorded(lineage=LINEAGE, serial=0, environment="")
TIME = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)

addresses = st.sampled_from([Address(name) for name in ("instance.i", "key.a", "key.b", "key.a~1", "alias.a")])
identities = st.sampled_from(["key-1", "key-2", "kst-1", "alias/a"])
texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
attributes = st.dictionaries(st.sampled_from(["enabled", "tags", "description"]), values, max_size=3)
effects = st.builds(
    Effect,
    attributes=attributes,
    status=st.none() | st.sampled_from(Status),
    removes=st.booleans(),
    retires=st.none() | addresses,
)
begins = st.fixed_dictionaries(
    {
        "address": addresses,
        "operation": st.sampled_from(sorted(OPERATIONS)),
        "parameters": st.dictionaries(texts, values, max_size=2),
        "token": st.none() | texts,
        "identity": st.none() | identities,
        "effect": effects,
    }
)
ends = st.fixed_dictionaries(
    {
        "begin": st.integers(1, 12),
        "ending": st.sampled_from(Ending),
        "identity": st.none() | identities,
        "code": st.none() | texts,
        "message": st.none() | texts,
    }
)
records = st.fixed_dictionaries(
    {
        "address": addresses,
        "effect": effects,
        "identity": st.none() | identities,
        "moved_from": st.none() | addresses,
    }
)
runs = st.fixed_dictionaries({"environment": texts, "plan": texts, "command": texts})
stories = st.lists(
    st.tuples(st.just("begin"), begins)
    | st.tuples(st.just("end"), ends)
    | st.tuples(st.just("record"), records)
    | st.tuples(st.just("run"), runs),
    max_size=12,
)
MAKERS: dict[str, Any] = {"begin": BeginEntry, "end": EndEntry, "record": RecordEntry}


def entries_of(story: list[tuple[str, dict[str, Any]]]) -> list[Entry]:
    found: list[Entry] = []
    for sequence, (event, fields) in enumerate(story, 1):
        stamp: dict[str, Any] = {"sequence": sequence, "run": "r", "fence": 1, "time": TIME}
        if event == "run":
            found.append(RunEntry(**stamp, lineage=LINEAGE, serial=0, **fields))
        else:
            found.append(MAKERS[event](**stamp, **fields))
    return found


def text_of(entries: list[Entry]) -> bytes:
    check, lines = LINEAGE, []
    for entry in entries:
        line, check = seal(encode(entry), check)
        lines.append(line)
    return b"".join(lines)


def check_valid(recorded: Recorded, entries: list[Entry]) -> None:
    begun = {entry.sequence for entry in entries if isinstance(entry, BeginEntry)}
    ended = {entry.begin for entry in entries if isinstance(entry, EndEntry) and entry.begin < entry.sequence}
    assert recorded.lineage == LINEAGE
    for address, record in recorded.records.items():
        assert isinstance(record, Record)
        assert record.address == address
        assert record.identity
        assert record.status in Status
    assert {pending.sequence for pending in recorded.pending} == begun - ended


@given(stories)
def test_every_prefix_of_a_journal_folds_to_a_valid_state(story: list[tuple[str, dict[str, Any]]]) -> None:
    entries = entries_of(story)
    serial = 0
    for length in range(len(entries) + 1):
        recorded = fold(EMPTY, entries[:length])
        check_valid(recorded, entries[:length])
        assert serial <= recorded.serial <= serial + 1
        serial = recorded.serial


@given(stories, st.integers(0, 12))
def test_folding_in_two_parts_is_folding_at_once(story: list[tuple[str, dict[str, Any]]], place: int) -> None:
    """The second part begins a run of its own, as every part that is folded onto a snapshot does."""
    run = ("run", {"environment": "", "plan": "", "command": ""})
    entries = entries_of([*story[:place], run, *story[place:]])
    first = len(story[:place])
    assert fold(fold(EMPTY, entries[:first]), entries[first:]) == fold(EMPTY, entries)


@given(stories)
def test_what_was_written_is_what_is_read(story: list[tuple[str, dict[str, Any]]]) -> None:
    entries = entries_of(story)
    content = text_of(entries)
    reading = read(content, path=Path("journal.jsonl"), lineage=LINEAGE)
    assert list(reading.entries) == entries
    assert reading.length == len(content)


@given(stories, st.data())
def test_a_journal_cut_anywhere_reads_as_a_prefix(story: list[tuple[str, dict[str, Any]]], data: st.DataObject) -> None:
    entries = entries_of(story)
    content = text_of(entries)
    cut = data.draw(st.integers(0, len(content)))
    reading = read(content[:cut], path=Path("journal.jsonl"), lineage=LINEAGE)
    assert list(reading.entries) == entries[: len(reading.entries)]
    assert content[: reading.length] == text_of(list(reading.entries))
    check_valid(fold(EMPTY, reading.entries), list(reading.entries))


@settings(max_examples=40, deadline=None)
@given(stories)
def test_the_live_fold_the_loaded_journal_and_the_saved_snapshot_are_one(
    story: list[tuple[str, dict[str, Any]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder) / "state", clock=lambda: TIME)
        with store.lock(owner="ada@host", command="kmsplan apply") as lock, store.open(lock) as writing:
            writing.init(LINEAGE)
            for event, fields in story:
                if event == "end":
                    writing.journal.end(fields["begin"], **{k: v for k, v in fields.items() if k != "begin"})
                elif event == "record":
                    writing.journal.record(
                        fields["address"],
                        fields["effect"],
                        identity=fields["identity"],
                        moved_from=fields["moved_from"],
                    )
                else:
                    getattr(writing.journal, event)(**fields)
            writing.journal.flush()
            live = writing.journal.recorded()
            assert store.load() == live
            assert writing.save() == live
        assert store.load() == live
        assert live.records == fold(EMPTY, entries_of(story)).records
