"""What entries make of records."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status
from kmsplan.state.entry import BeginEntry, EndEntry, Ending, Entry, RecordEntry, RunEntry
from kmsplan.state.folding import fold, settled
from kmsplan.state.record import Deletions, Record, Recorded

KEY, OTHER = Address("key.a"), Address("key.b")
BASE = Recorded(
    lineage="l",
    serial=4,
    environment="fake/1",
    records={KEY: Record(address=KEY, identity="key-1", attributes={"enabled": True, "rotation": 90})},
)


@dataclass
class Story:
    """Entries, numbered as they are told."""

    entries: list[Entry] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def stamp(self) -> dict[str, Any]:
        return {"sequence": next(self.numbers), "run": "r", "fence": 1, "time": datetime(2026, 1, 1, tzinfo=UTC)}

    def run(self, environment: str = "", deletions: Deletions | None = None) -> Story:
        said: dict[str, Any] = {"environment": environment, "plan": "", "command": "", "deletions": deletions}
        self.entries.append(RunEntry(**self.stamp(), lineage="l", serial=4, **said))
        return self

    def begin(self, operation: str, effect: Effect, address: Address = KEY, identity: str | None = None) -> Story:
        self.entries.append(
            BeginEntry(
                **self.stamp(),
                address=address,
                operation=operation,
                parameters={},
                token=None,
                identity=identity,
                effect=effect,
            )
        )
        return self

    def end(self, ending: Ending = Ending.DONE, identity: str | None = None, begin: int | None = None) -> Story:
        number = self.entries[-1].sequence if begin is None else begin
        self.entries.append(
            EndEntry(**self.stamp(), begin=number, ending=ending, identity=identity, code=None, message=None)
        )
        return self

    def record(
        self, address: Address, effect: Effect, identity: str | None = None, moved_from: Address | None = None
    ) -> Story:
        self.entries.append(
            RecordEntry(**self.stamp(), address=address, effect=effect, identity=identity, moved_from=moved_from)
        )
        return self

    def folded(self, base: Recorded = BASE) -> Recorded:
        return fold(base, self.entries)


def test_nothing_changes_nothing() -> None:
    assert fold(BASE, ()) == BASE


def test_a_creation_makes_a_record_with_the_identity_of_its_end() -> None:
    effect = Effect(attributes={"enabled": True})
    folded = Story().begin("CreateKey", effect, OTHER).end(identity="key-2").folded()
    assert folded.records[OTHER] == Record(address=OTHER, identity="key-2", attributes={"enabled": True})


def test_an_alias_has_its_name_for_identity() -> None:
    address = Address("alias.a")
    folded = Story().begin("CreateAlias", Effect(attributes={"key": KEY}), address, "alias/a").end().folded()
    assert folded.records[address].identity == "alias/a"


def test_an_update_merges_into_the_record() -> None:
    folded = Story().begin("UpdateRotationPolicy", Effect(attributes={"rotation": 30})).end().folded()
    assert folded.records[KEY].attributes == {"enabled": True, "rotation": 30}


def test_a_scheduled_deletion_keeps_the_record_as_pending() -> None:
    folded = Story().begin("ScheduleKeyDeletion", Effect(status=Status.PENDING_DELETION)).end().folded()
    assert folded.records[KEY].status is Status.PENDING_DELETION


def test_a_removal_drops_the_record() -> None:
    assert Story().begin("DeleteAlias", Effect(removes=True)).end().folded().records == {}


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.NOT_DONE])
def test_what_was_not_done_changes_no_record(ending: Ending) -> None:
    folded = Story().begin("UpdateRotationPolicy", Effect(attributes={"rotation": 30})).end(ending).folded()
    assert folded == BASE


def test_a_begin_without_an_end_is_pending() -> None:
    (pending,) = Story().begin("DisableKey", Effect(attributes={"enabled": False}), identity="key-1").folded().pending
    assert (pending.sequence, pending.address, pending.identity) == (1, KEY, "key-1")


def test_an_end_in_a_later_journal_ends_a_pending_operation_of_the_snapshot() -> None:
    pending = Story().begin("DisableKey", Effect(attributes={"enabled": False})).folded()
    story = Story(numbers=itertools.count(2)).end(begin=1)
    folded = story.folded(pending)
    assert (folded.pending, folded.records[KEY].attributes["enabled"]) == ((), False)


def test_succession_moves_the_old_record_to_its_retired_address() -> None:
    retired = Address("key.a~1")
    effect = Effect(attributes={"enabled": True}, retires=retired)
    folded = Story().begin("CreateKey", effect).end(identity="key-2").folded()
    assert (folded.records[KEY].identity, folded.records[KEY].status) == ("key-2", Status.READY)
    assert (folded.records[retired].identity, folded.records[retired].status) == ("key-1", Status.RETIRED)
    assert folded.records[retired].attributes == BASE.records[KEY].attributes


def test_a_new_object_inherits_nothing_from_one_that_vanished() -> None:
    folded = Story().begin("CreateKey", Effect(attributes={"enabled": True})).end(identity="key-2").folded()
    assert folded.records[KEY].attributes == {"enabled": True}


def test_an_adoption_records_an_identity_without_any_operation() -> None:
    folded = Story().record(OTHER, Effect(attributes={"enabled": False}), identity="key-9").folded()
    assert folded.records[OTHER] == Record(address=OTHER, identity="key-9", attributes={"enabled": False})


def test_forgetting_drops_the_record() -> None:
    assert Story().record(KEY, Effect(removes=True)).folded().records == {}


def test_a_setting_merges_into_the_record() -> None:
    folded = Story().record(KEY, Effect(attributes={"deletion_window": 7})).folded()
    assert folded.records[KEY].attributes == {"enabled": True, "rotation": 90, "deletion_window": 7}


def test_a_move_takes_the_record_along_and_then_has_its_effect() -> None:
    folded = Story().record(OTHER, Effect(attributes={"rotation": 1}), moved_from=KEY).folded()
    assert folded.records == {
        OTHER: Record(address=OTHER, identity="key-1", attributes={"enabled": True, "rotation": 1})
    }


def test_an_entry_about_nothing_changes_nothing() -> None:
    story = (
        Story()
        .end(begin=77)
        .begin("DisableKey", Effect(attributes={"enabled": False}), OTHER)
        .end()
        .record(OTHER, Effect(removes=True))
        .record(OTHER, Effect(), moved_from=Address("key.nowhere"))
        .begin("CreateKey", Effect(attributes={}), OTHER)
        .end()
    )
    assert story.folded() == BASE


def test_the_serial_counts_a_run_once_however_much_it_changes() -> None:
    story = Story().run()
    for _ in range(3):
        story.begin("UpdateRotationPolicy", Effect(attributes={"rotation": 30})).end()
    assert story.folded().serial == BASE.serial + 1


def test_the_serial_counts_every_run_that_changed_something() -> None:
    story = Story()
    story.run().record(KEY, Effect(attributes={"rotation": 1}))
    story.run().begin("DisableKey", Effect(attributes={"enabled": False})).end(Ending.FAILED)
    story.run().record(KEY, Effect(attributes={"rotation": 2}))
    assert story.folded().serial == BASE.serial + 2


def test_a_run_names_the_kms_that_the_records_speak_of() -> None:
    assert Story().run("fake/2").folded().environment == "fake/2"
    assert Story().run().folded().environment == "fake/1"


def test_what_a_run_may_delete_stands_until_the_next_one_begins() -> None:
    deletions = Deletions("purpose", (KEY, OTHER))
    story = Story().run(deletions=deletions).begin("ScheduleKeyDeletion", Effect(status=Status.PENDING_DELETION))
    assert fold(BASE, story.end().entries).unfinished == deletions
    carried = fold(BASE, story.entries)
    assert settled(carried, ()).unfinished == deletions
    assert fold(carried, Story().run().entries).unfinished is None


def test_settling_in_memory_leaves_the_serial_for_the_run_that_writes_it_down() -> None:
    pending = Story().run().begin("DisableKey", Effect(attributes={"enabled": False})).folded()
    known = settled(pending, [(2, Ending.DONE, "key-1")])
    assert (known.serial, known.records[KEY].attributes["enabled"], known.pending) == (BASE.serial, False, ())
