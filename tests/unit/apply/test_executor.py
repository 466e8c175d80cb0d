"""Executing: order, failure, doubt, stopping, and what the journal says of it all."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.apply.event import EventKind
from kmsplan.apply.outcome import ResultStatus, exit_code
from kmsplan.kms.backoff import TRIES
from kmsplan.kms.error import ErrorFacts, KmsError
from kmsplan.kms.naming import OWNER_TAG, Owner
from kmsplan.kms.operation import CreateAlias, CreateKey, DisableKey, UpdateAlias, name_of
from kmsplan.plan.plan import Action, Change, Reason, Violation
from kmsplan.resource import alias, instance, key
from kmsplan.resource.address import Address, retired
from kmsplan.resource.step import Effect, Status, Step
from kmsplan.state.error import FenceError
from kmsplan.state.record import Record
from tests.fake import plans
from tests.fake.kms import Fault

if TYPE_CHECKING:
    from kmsplan.kms.operation import Operation
    from kmsplan.state.record import Recorded
    from kmsplan.state.writing import LocalWriting

Bench = Any

CORE, A, B = Address("instance.core"), Address("key.a"), Address("key.b")
ALIAS_A = Address("alias.a")
DESIRED = plans.desired(
    instance__core=plans.core(),
    key__a=plans.key(),
    key__b=plans.key(enabled=False, deletion_protection=True),
    alias__a={"key": "key.a"},
)
DEPENDS = {CORE: (), A: (CORE,), B: (CORE,), ALIAS_A: (A,)}
MAKERS = {"instance": instance.create, "key": key.create, "alias": alias.create}


def creation(address: Address, **fields: Any) -> Change:
    after = DESIRED[address]
    steps = MAKERS[address.partition(".")[0]](address, after)
    return Change(
        address=address,
        action=Action.CREATE,
        reason=Reason.NEW,
        after=after,
        steps=steps,
        depends_on=DEPENDS[address],
        **fields,
    )


def everything() -> list[Change]:
    return [creation(address) for address in DESIRED]


def fault_on(name: str, error: BaseException, *, happens: bool = False, times: int = 1_000_000) -> Any:
    left = [times]

    def fault(operation: Operation) -> Fault | None:
        if name_of(operation) != name or not left[0]:
            return None
        left[0] -= 1
        return Fault(error, happens)

    return fault


def statuses(outcome: Any) -> dict[str, str]:
    return {str(result.address): result.status.value for result in outcome.results}


def recorded(writing: LocalWriting) -> Recorded:
    return writing.journal.recorded()


def test_a_plan_is_carried_out_and_recorded(bench: Bench, writing: LocalWriting) -> None:
    outcome = bench.execute(writing, *everything())
    assert statuses(outcome) == dict.fromkeys(DESIRED, "done")
    assert exit_code(outcome) == 0
    found = recorded(writing)
    assert {address: record.attributes for address, record in found.records.items()} == DESIRED
    assert {record.identity for record in found.records.values()} == set(bench.kms.objects)
    assert (found.serial, found.pending) == (1, ())


def test_what_is_made_carries_an_owner_tag_of_its_own(bench: Bench, writing: LocalWriting) -> None:
    bench.execute(writing, *everything())
    owners = {found.identity: found.owner for found in bench.kms.objects.values() if found.owner}
    addresses = {record.identity: record.address for record in recorded(writing).records.values()}
    parsed = {addresses[identity]: Owner.parse(owner) for identity, owner in owners.items()}
    assert set(parsed) == {CORE, A, B}
    assert all(owner and owner.address == address for address, owner in parsed.items())
    tokens = {owner.token for owner in parsed.values() if owner}
    assert len(tokens) == 3
    assert all(len(token) >= 12 for token in tokens)
    assert {owner.lineage for owner in parsed.values() if owner} == {writing.recorded.lineage}


def test_the_intent_is_on_disk_before_the_call(bench: Bench, writing: LocalWriting) -> None:
    journal = bench.store.path / "journal.jsonl"
    missing: list[Operation] = []

    def look(operation: Operation) -> Fault | None:
        if isinstance(operation, CreateKey) and operation.tags[OWNER_TAG] not in journal.read_text():
            missing.append(operation)
        return None

    bench.kms.fault = look
    bench.execute(writing, *everything())
    assert missing == []
    assert len(bench.kms.calls) == 6


def test_one_failure_stops_what_depends_on_it_and_nothing_else(bench: Bench, writing: LocalWriting) -> None:
    def refuse_a(operation: Operation) -> Fault | None:
        owner = operation.tags[OWNER_TAG] if isinstance(operation, CreateKey) else ""
        return Fault(KmsError("Forbidden.NoPermission")) if "/key.a/" in owner else None

    bench.kms.fault = refuse_a
    outcome = bench.execute(writing, *everything())
    assert statuses(outcome) == {CORE: "done", A: "failed", B: "done", ALIAS_A: "skipped"}
    (failed,), (skipped,) = outcome.failed, outcome.skipped
    assert (failed.code, failed.error) == (
        "Forbidden.NoPermission",
        "This operation is forbidden by permission system. (Forbidden.NoPermission)",
    )
    assert skipped.error == "key.a, which it depends on, was not done"
    assert exit_code(outcome) == 8
    assert set(recorded(writing).records) == {CORE, B}


def test_a_failure_at_the_root_skips_everything(bench: Bench, writing: LocalWriting) -> None:
    bench.kms.fault = fault_on("CreateInstance", KmsError("Forbidden.NoPermission"))
    outcome = bench.execute(writing, *everything())
    assert statuses(outcome) == {CORE: "failed", A: "skipped", B: "skipped", ALIAS_A: "skipped"}
    assert exit_code(outcome) == 1
    assert recorded(writing).serial == 0


def test_a_kms_that_cannot_be_reached_any_more_is_not_asked_for_every_change_that_is_left(
    bench: Bench, writing: LocalWriting
) -> None:
    bench.parallelism = 1
    facts = ErrorFacts(0, "no way there", retry=True, unreachable=True)
    bench.kms.fault = fault_on("CreateKey", KmsError("Connection.Failed", "no way there", facts=facts))
    outcome = bench.execute(writing, *everything())
    (failed,) = outcome.failed
    other = next(address for address in (A, B) if address != failed.address)
    assert {CORE: "done", other: "skipped", ALIAS_A: "skipped"}.items() <= statuses(outcome).items()
    assert next(result.error for result in outcome.skipped if result.address == other) == (
        f"the KMS cannot be reached any more, as {failed.address} shows"
    )
    assert len(bench.slept) == TRIES - 1
    assert exit_code(outcome) == 8


def test_a_change_that_fails_in_the_middle_records_what_was_done(bench: Bench, writing: LocalWriting) -> None:
    bench.kms.fault = fault_on("DisableKey", KmsError("Forbidden.NoPermission"))
    outcome = bench.execute(writing, *everything())
    (failed,) = outcome.failed
    assert (failed.address, failed.done, failed.planned) == (B, 2, 3)
    attributes = recorded(writing).records[B].attributes
    assert (attributes["enabled"], attributes["deletion_protection"]) == (True, True)


def test_what_is_in_doubt_stays_in_the_journal(bench: Bench, writing: LocalWriting) -> None:
    bench.kms.fault = fault_on("CreateAlias", RuntimeError("worker died"), happens=True)
    outcome = bench.execute(writing, *everything())
    (doubt,) = outcome.in_doubt
    assert (doubt.address, exit_code(outcome)) == (ALIAS_A, 10)
    assert "RuntimeError: worker died" in str(doubt.error)
    (pending,) = recorded(writing).pending
    assert (pending.operation, pending.identity) == ("CreateAlias", "alias/a")


def test_a_bug_in_the_plan_fails_its_change_and_no_other(bench: Bench, writing: LocalWriting) -> None:
    broken = creation(ALIAS_A)
    unknown = Change(
        address=broken.address, action=broken.action, reason=broken.reason, steps=broken.steps, after=broken.after
    )
    outcome = bench.execute(writing, creation(CORE), unknown)
    assert statuses(outcome) == {CORE: "done", ALIAS_A: "failed"}
    assert isinstance(outcome.failed[0].cause, KeyError)
    assert recorded(writing).pending == ()


def test_the_wish_to_stop_lets_what_is_in_flight_finish(bench: Bench, writing: LocalWriting) -> None:
    def stop_at_first_key(operation: Operation) -> Fault | None:
        if isinstance(operation, CreateKey):
            bench.stop.set()
        return None

    bench.parallelism = 1
    bench.kms.fault = stop_at_first_key
    outcome = bench.execute(writing, *everything())
    assert statuses(outcome) == {CORE: "done", A: "done", B: "cancelled", ALIAS_A: "cancelled"}
    assert exit_code(outcome) == 9
    assert recorded(writing).pending == ()


def test_the_wish_to_stop_is_heard_between_the_operations_of_a_change(bench: Bench, writing: LocalWriting) -> None:
    def stop_at_protection(operation: Operation) -> Fault | None:
        if name_of(operation) == "SetDeletionProtection":
            bench.stop.set()
        return None

    bench.kms.fault = stop_at_protection
    outcome = bench.execute(writing, creation(CORE), creation(B))
    (cancelled,) = outcome.cancelled
    assert (cancelled.address, cancelled.done, cancelled.planned) == (B, 2, 3)
    assert [name_of(call) for call in bench.kms.calls][-1] == "SetDeletionProtection"


def test_a_wish_to_stop_before_the_start_begins_nothing(bench: Bench, writing: LocalWriting) -> None:
    bench.stop.set()
    outcome = bench.execute(writing, *everything())
    assert (set(statuses(outcome).values()), bench.kms.calls) == ({"cancelled"}, [])


def test_no_more_changes_run_at_a_time_than_allowed(bench: Bench, writing: LocalWriting) -> None:
    running: list[int] = []
    most: list[int] = []
    guard = threading.Lock()

    def slow(operation: Operation) -> Fault | None:
        del operation
        with guard:
            running.append(1)
            most.append(len(running))
        threading.Event().wait(0.003)
        with guard:
            running.pop()
        return None

    bench.kms.fault = slow
    bench.parallelism = 3
    keys = [
        Change(
            address=Address(f"key.k{number}"),
            action=Action.CREATE,
            reason=Reason.NEW,
            steps=key.create(Address(f"key.k{number}"), DESIRED[A]),
            depends_on=(CORE,),
        )
        for number in range(30)
    ]
    assert exit_code(bench.execute(writing, creation(CORE), *keys)) == 0
    assert max(most) == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_a_machine_with_few_threads_left_does_it_all_with_those(
    threads: int, bench: Bench, writing: LocalWriting, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, left = threading.Thread.start, [None] * threads

    def refusing(thread: threading.Thread) -> None:
        if thread.name.startswith("kmsplan-apply"):
            if not left:
                raise RuntimeError("can't start new thread")
            left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing)
    bench.parallelism = 8
    assert statuses(bench.execute(writing, *everything())) == dict.fromkeys(map(str, DESIRED), "done")


def test_a_lock_that_is_lost_stops_the_run_and_writes_nothing_more(bench: Bench, writing: LocalWriting) -> None:
    def lose_the_lock(operation: Operation) -> Fault | None:
        if isinstance(operation, CreateKey):
            (bench.store.path / "kmsplan.lock").unlink(missing_ok=True)
        return None

    bench.parallelism = 1
    bench.kms.fault = lose_the_lock
    outcome = bench.execute(writing, *everything())
    assert isinstance(outcome.error, FenceError)
    assert exit_code(outcome) == 8
    assert [name_of(call) for call in bench.kms.calls] == ["CreateInstance", "CreateKey"]
    assert set(statuses(outcome).values()) == {"done", "failed", "cancelled"}


def test_every_change_finishes_exactly_once_and_only_what_began_has_started(
    bench: Bench, writing: LocalWriting
) -> None:
    bench.kms.fault = fault_on("CreateKey", KmsError("Rejected.Throttling"), times=2)
    bench.execute(writing, *everything())
    kinds = [(event.kind, str(event.change.address)) for event in bench.events]
    assert sorted(address for kind, address in kinds if kind is EventKind.FINISHED) == sorted(DESIRED)
    assert sorted(address for kind, address in kinds if kind is EventKind.STARTED) == sorted(DESIRED)
    assert sum(kind is EventKind.RETRYING for kind, _ in kinds) == 2
    results = {event.change.address: event.result for event in bench.events if event.result}
    assert all(result.status is ResultStatus.DONE for result in results.values())


def test_a_reader_of_progress_that_goes_away_stops_nothing(
    bench: Bench, writing: LocalWriting, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        def append(self, _: Any) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(bench, "events", Gone())
    outcome = bench.execute(writing, *everything())
    assert len(outcome.done) == 4
    assert isinstance(outcome.report_failure, BrokenPipeError)


def test_a_blocked_change_is_skipped_with_its_reason(bench: Bench, writing: LocalWriting) -> None:
    blocked = Change(address=A, action=Action.UPDATE, reason=Reason.UNREADABLE, identity="key-1", blocked="no answer")
    outcome = bench.execute(writing, creation(CORE), blocked)
    (skipped,) = outcome.skipped
    assert (skipped.address, skipped.error, exit_code(outcome)) == (A, "no answer", 8)


def test_a_plan_that_breaks_a_rule_is_never_carried_out(bench: Bench, writing: LocalWriting) -> None:
    rule = Violation(code="P101", address=A, summary="protected", detail="")
    with pytest.raises(ValueError, match="protected"):
        bench.execute(writing, creation(CORE), violations=(rule,))
    assert bench.kms.calls == []


@pytest.fixture
def made(bench: Bench, writing: LocalWriting) -> dict[Address, Record]:
    """Everything desired, made."""
    bench.execute(writing, *everything())
    bench.kms.calls.clear()
    return dict(recorded(writing).records)


def test_succession_keeps_the_old_key_and_moves_the_alias(
    bench: Bench, writing: LocalWriting, made: dict[Address, Record]
) -> None:
    old, kept = made[A].identity, retired(A, 1)
    succeed = Change(
        address=A,
        action=Action.REPLACE,
        reason=Reason.CANNOT_UPDATE,
        identity=old,
        after=DESIRED[A],
        steps=key.create(A, DESIRED[A], retires=kept),
    )
    move = Change(
        address=ALIAS_A,
        action=Action.UPDATE,
        reason=Reason.CHANGED,
        identity="alias/a",
        steps=alias.update("alias/a", {}, {"key": A}),
        depends_on=(A,),
    )
    disable = Step(operation=DisableKey(key=old), effect=Effect(attributes={"enabled": False}))
    retire = Change(
        address=kept,
        action=Action.UPDATE,
        reason=Reason.SUCCEEDED,
        identity=old,
        steps=(disable,),
        depends_on=(ALIAS_A,),
    )
    assert exit_code(bench.execute(writing, succeed, move, retire)) == 0
    records = recorded(writing).records
    assert records[A].identity != old
    assert (records[kept].identity, records[kept].status) == (old, Status.RETIRED)
    assert records[kept].attributes["enabled"] is False
    assert [type(call) for call in bench.kms.calls] == [CreateKey, UpdateAlias, DisableKey]
    assert bench.kms.objects["alias/a"].attributes["key"] == records[A].identity


def test_a_move_changes_the_record_and_not_the_kms(
    bench: Bench, writing: LocalWriting, made: dict[Address, Record]
) -> None:
    new = Address("key.renamed")
    move = Change(address=new, action=Action.NO_OP, reason=Reason.MOVED, identity=made[A].identity, moved_from=A)
    follow = Change(
        address=Address("alias.second"),
        action=Action.CREATE,
        reason=Reason.NEW,
        steps=alias.create(Address("alias.second"), {"key": new}),
        depends_on=(new,),
    )
    assert exit_code(bench.execute(writing, move, follow)) == 0
    records = recorded(writing).records
    assert (A in records, records[new].identity) == (False, made[A].identity)
    assert bench.kms.calls == [CreateAlias(alias="alias/second", key=made[A].identity)]


def test_an_adoption_records_and_then_brings_to_what_is_desired(
    bench: Bench, writing: LocalWriting, made: dict[Address, Record]
) -> None:
    forget = Change(
        address=A, action=Action.FORGET, reason=Reason.REMOVED, identity=made[A].identity, effect=Effect(removes=True)
    )
    bench.execute(writing, forget)
    assert A not in recorded(writing).records
    assert bench.kms.calls == []
    before, after = dict(DESIRED[A]), {**DESIRED[A], "description": "adopted"}
    adopt = Change(
        address=A,
        action=Action.ADOPT,
        reason=Reason.IMPORTED,
        identity=made[A].identity,
        before=before,
        after=after,
        effect=Effect(attributes=before),
        attributes=("description",),
        steps=key.update(made[A].identity, before, after),
    )
    (result,) = bench.execute(writing, adopt).done
    assert result.adopted_and_changed
    assert recorded(writing).records[A] == Record(address=A, identity=made[A].identity, attributes=after)


def test_a_setting_is_recorded_without_any_call(
    bench: Bench, writing: LocalWriting, made: dict[Address, Record]
) -> None:
    setting = Change(
        address=A,
        action=Action.NO_OP,
        reason=Reason.SETTING,
        identity=made[A].identity,
        effect=Effect(attributes={"deletion_window": 7}),
    )
    bench.execute(writing, setting)
    assert recorded(writing).records[A].attributes["deletion_window"] == 7
    assert bench.kms.calls == []


def test_a_successor_of_a_vanished_key_inherits_nothing(
    bench: Bench, writing: LocalWriting, made: dict[Address, Record]
) -> None:
    del bench.kms.objects[made[B].identity]
    again = creation(B, effect=Effect(removes=True), identity=made[B].identity)
    bench.kms.fault = fault_on("CreateKey", KmsError("Forbidden.NoPermission"))
    bench.execute(writing, again)
    assert B not in recorded(writing).records
