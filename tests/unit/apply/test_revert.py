"""Undoing a run that failed: what, in which order, and what is left and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.apply.event import EventKind
from kmsplan.apply.outcome import exit_code
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import name_of
from kmsplan.resource.address import Address
from kmsplan.resource.step import Status
from tests.fake import plans
from tests.fake.kms import Fault

if TYPE_CHECKING:
    from kmsplan.kms.operation import Operation

Bench = Any

REFUSED = KmsError("Forbidden.NoPermission")
BEFORE = plans.desired(
    instance__core=plans.core(),
    key__a=plans.key(description="old", tags={"x": "1", "y": "2"}),
    key__b=plans.key(),
    key__z=plans.key(),
    alias__old={"key": "key.b"},
)
AFTER = plans.desired(
    instance__core=plans.core(spec=2000),
    key__a=plans.key(description="new", tags={"x": "9", "z": "3"}, deletion_protection=True),
    key__z=plans.key(enabled=False),
    alias__new={"key": "key.a"},
)


def refuse(name: str, identity: str | None = None) -> Any:
    def fault(operation: Operation) -> Fault | None:
        meant = identity is None or getattr(operation, "key", None) == identity
        return Fault(REFUSED) if name_of(operation) == name and meant else None

    return fault


def seen(bench: Bench) -> dict[str, Any]:
    return {identity: (found.state, found.attributes) for identity, found in bench.kms.objects.items()}


def reverted(bench: Bench, after: Any, fault: Any) -> Any:
    bench.parallelism = 1
    bench.kms.fault = fault
    applied = bench.apply(after, revert=True)
    bench.kms.fault = lambda _: None
    return applied.outcome


def test_what_the_run_did_is_undone_and_named_per_address(bench: Bench) -> None:
    bench.apply(BEFORE)
    before = seen(bench)
    identities = {address: record.identity for address, record in bench.store.load().records.items()}
    outcome = reverted(bench, AFTER, refuse("DisableKey", identities[Address("key.z")]))
    assert exit_code(outcome) == 8
    assert seen(bench) == before
    assert {result.address for result in outcome.failed} == {"key.z"}
    addresses = {result.address for result in outcome.reverted}
    assert addresses <= {"instance.core", "key.a", "key.b", "alias.new", "alias.old"}
    assert addresses
    assert all(result.undone for result in outcome.reverted)


def test_the_record_goes_back_too_so_that_the_next_plan_is_the_same(bench: Bench) -> None:
    bench.apply(BEFORE)
    before = {address: (one.attributes, one.status) for address, one in bench.store.load().records.items()}
    identity = bench.store.load().records[Address("key.z")].identity
    reverted(bench, AFTER, refuse("DisableKey", identity))
    state = bench.store.load()
    assert {address: (one.attributes, one.status) for address, one in state.records.items()} == before
    assert state.pending == ()
    assert exit_code(bench.apply(AFTER).outcome) == 0


def test_a_scheduled_deletion_is_cancelled(bench: Bench) -> None:
    bench.apply(BEFORE)
    late = plans.desired(instance__core=plans.core(), key__a=BEFORE[Address("key.a")], key__z=plans.key(enabled=False))
    identity = bench.store.load().records[Address("key.z")].identity
    outcome = reverted(bench, late, refuse("DisableKey", identity))
    assert {"alias.old", "key.b"} <= {result.address for result in outcome.reverted}
    record = bench.store.load().records[Address("key.b")]
    assert (bench.kms.objects[record.identity].state, record.status) == ("Enabled", Status.READY)
    assert bench.kms.objects["alias/old"].attributes["key"] == record.identity


def test_a_key_that_was_made_stays_protected_and_is_named(bench: Bench) -> None:
    bench.apply(plans.desired(instance__core=plans.core()))
    wanted = plans.desired(
        instance__core=plans.core(), key__a=plans.key(deletion_protection=True), alias__a={"key": "key.a"}
    )
    outcome = reverted(bench, wanted, refuse("CreateAlias"))
    (kept,) = outcome.done
    assert (kept.address, kept.undone, kept.left) == (
        "key.a",
        0,
        "it was made and stays: undoing that would schedule its deletion",
    )
    assert bench.kms.objects[kept.identity].attributes["deletion_protection"]
    assert exit_code(bench.apply(wanted).outcome) == 0
    assert len(bench.kms.owned("key.a")) == 1


def test_the_operations_done_of_the_failed_change_are_undone(bench: Bench) -> None:
    bench.apply(BEFORE)
    before = seen(bench)
    outcome = reverted(bench, {**BEFORE, Address("key.a"): AFTER[Address("key.a")]}, refuse("SetDeletionProtection"))
    (failed,) = outcome.failed
    assert (failed.address, failed.done, failed.undone) == ("key.a", 3, 3)
    assert seen(bench) == before


def test_after_a_failure_nothing_new_begins(bench: Bench) -> None:
    bench.apply(BEFORE)
    outcome = reverted(bench, AFTER, refuse("ModifyInstance"))
    assert outcome.done == ()
    assert outcome.skipped
    assert {result.done for result in outcome.skipped} == {0}


def test_it_ends_where_something_cannot_be_undone_and_says_so(bench: Bench) -> None:
    bench.apply(BEFORE)
    refusing = [False]

    def fault(operation: Operation) -> Fault | None:
        if name_of(operation) == "SetDeletionProtection":
            refusing[0] = True
        return Fault(REFUSED) if refusing[0] else None

    outcome = reverted(bench, {**BEFORE, Address("key.a"): AFTER[Address("key.a")]}, fault)
    (failed,) = outcome.failed
    assert failed.undone == 0
    assert failed.left.startswith("not undone: UntagResources of key.a failed: ")
    recorded = bench.store.load().records[Address("key.a")].attributes
    found = bench.kms.objects[bench.store.load().records[Address("key.a")].identity].attributes
    assert (recorded["description"], recorded["tags"]) == (found["description"], found["tags"])


def test_nothing_is_undone_beside_an_operation_in_doubt(bench: Bench) -> None:
    bench.apply(BEFORE)

    def fault(operation: Operation) -> Fault | None:
        doubt = name_of(operation) == "SetDeletionProtection"
        return Fault(RuntimeError("worker died"), happens=True) if doubt else None

    outcome = reverted(bench, {**BEFORE, Address("key.a"): AFTER[Address("key.a")]}, fault)
    assert exit_code(outcome) == 10
    assert outcome.unreverted == "an operation is in doubt, which the next run settles first"
    assert all(not result.undone for result in outcome.results)


def test_without_a_failure_nothing_is_undone(bench: Bench) -> None:
    outcome = reverted(bench, BEFORE, lambda _: None)
    assert exit_code(outcome) == 0
    assert (outcome.reverted, outcome.unreverted) == ((), "")


def test_the_way_back_is_in_the_journal_before_it_is_sent(bench: Bench) -> None:
    bench.apply(BEFORE)
    journal = bench.store.path / "journal.jsonl"
    begun: list[str] = []
    missing: list[str] = []

    def fault(operation: Operation) -> Fault | None:
        begun.append(name_of(operation))
        if journal.read_text().count(f'"{begun[-1]}"') < begun.count(begun[-1]):
            missing.append(begun[-1])
        return Fault(REFUSED) if begun[-1] == "SetDeletionProtection" else None

    reverted(bench, {**BEFORE, Address("key.a"): AFTER[Address("key.a")]}, fault)
    forward = ["UpdateKeyDescription", "UntagResources", "TagResources", "SetDeletionProtection"]
    assert begun == [*forward, "UntagResources", "TagResources", "TagResources", "UpdateKeyDescription"]
    assert missing == []


def test_progress_tells_of_what_was_reverted(bench: Bench) -> None:
    bench.apply(BEFORE)
    identity = bench.store.load().records[Address("key.z")].identity
    outcome = reverted(bench, AFTER, refuse("DisableKey", identity))
    told = {event.change.address for event in bench.events if event.kind is EventKind.REVERTED}
    assert told == {result.address for result in outcome.results if result.undone or result.left}


def test_an_alias_comes_back_on_the_key_that_never_came_to_be_replaced(bench: Bench) -> None:
    kept = plans.desired(instance__core=plans.core(), key__a=plans.key(on_replace="succeed"))
    bench.apply({**kept, Address("alias.x"): {"key": "key.a"}})
    before = seen(bench)
    after = plans.desired(
        instance__core=plans.core(), key__a=plans.key(on_replace="succeed", spec="RSA_2048", usage="SIGN/VERIFY")
    )
    assert exit_code(reverted(bench, after, refuse("CreateKey"))) == 8
    assert seen(bench) == before
    assert bench.store.load().records[Address("alias.x")].attributes == {"key": "key.a"}
