"""A whole apply under the lock: settled first, saved last, and refused without a trace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.apply.outcome import exit_code
from kmsplan.apply.settle import Found
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateKey, name_of
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.error import LockHeldError, StateAccessError, StateCorruptError
from kmsplan.state.record import Pending
from tests.fake import plans
from tests.fake.kms import ENVIRONMENT, Fault

if TYPE_CHECKING:
    from kmsplan.kms.operation import Operation
    from kmsplan.plan.plan import Plan
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded

Bench = Any

A, B = Address("key.a"), Address("key.b")
DESIRED = plans.desired(
    instance__core=plans.core(), key__a=plans.key(), key__b=plans.key(enabled=False), alias__a={"key": "key.a"}
)


class Died(BaseException):
    """The process ends here."""


def die_at(call: str, *, happens: bool) -> Any:
    left = [1]

    def fault(operation: Operation) -> Fault | None:
        if name_of(operation) == call and left[0]:
            left[0] = 0
            return Fault(Died(), happens)
        return None

    return fault


def test_the_first_apply_makes_state_and_objects_and_saves_them(bench: Bench) -> None:
    applied = bench.apply(DESIRED)
    assert exit_code(applied.outcome) == 0
    assert (applied.recorded.serial, applied.recorded.environment) == (1, ENVIRONMENT)
    assert bench.store.load() == applied.recorded
    assert not (bench.store.path / "journal.jsonl").exists()
    assert bench.kms.closed


def test_a_second_apply_has_nothing_to_do_and_writes_nothing(bench: Bench) -> None:
    first = bench.apply(DESIRED).recorded
    names = sorted(path.name for path in bench.store.path.rglob("*"))
    bench.kms.calls.clear()
    second = bench.apply(DESIRED)
    assert (second.recorded, second.outcome.results, bench.kms.calls) == (first, (), [])
    assert sorted(path.name for path in bench.store.path.rglob("*")) == names


def test_nothing_to_do_makes_no_state(bench: Bench) -> None:
    assert not bench.apply({}).recorded.exists
    assert not bench.store.load().exists


def test_the_lock_is_held_while_the_plan_is_decided_and_free_afterwards(bench: Bench) -> None:
    def decide(provider: Any, recorded: Recorded, observed: Observed) -> Plan:
        del provider
        with pytest.raises(LockHeldError):
            bench.store.lock(owner="eve@host", command="kmsplan apply")
        return plans.plan_for(DESIRED, recorded, observed)

    assert exit_code(bench.apply(DESIRED, decide).outcome) == 0
    bench.store.lock(owner="eve@host", command="kmsplan apply").release()


def test_a_refusal_leaves_no_trace_and_frees_the_lock(bench: Bench) -> None:
    class Refused(Exception):  # noqa: N818 - says what it is
        pass

    def refuse(*_: Any) -> Plan:
        raise Refused

    with pytest.raises(Refused):
        bench.apply(DESIRED, refuse)
    assert bench.kms.calls == []
    assert bench.kms.closed
    assert [path.name for path in bench.store.path.iterdir()] == ["kmsplan.lock"]
    bench.store.lock(owner="eve@host", command="kmsplan apply").release()


def test_a_damaged_state_is_refused_before_the_kms_is_opened(bench: Bench) -> None:
    bench.apply(DESIRED)
    (bench.store.path / "kmsplan.state.json").write_bytes(b"")
    observed = bench.kms.observed
    with pytest.raises(StateCorruptError):
        bench.apply(DESIRED)
    assert bench.kms.observed == observed


def test_what_import_blocks_name_is_read_too(bench: Bench) -> None:
    seen: list[Observed] = []

    def decide(provider: Any, recorded: Recorded, observed: Observed) -> Plan:
        del provider
        seen.append(observed)
        return plans.plan_for({}, recorded, observed)

    bench.apply({}, decide, identities=("key-foreign",))
    assert list(seen[0].objects) == ["key-foreign"]


def test_a_partly_applied_plan_is_saved_as_far_as_it_went(bench: Bench) -> None:
    bench.kms.fault = lambda operation: (
        Fault(KmsError("Forbidden.NoPermission")) if isinstance(operation, CreateKey) else None
    )
    applied = bench.apply(DESIRED)
    assert exit_code(applied.outcome) == 8
    assert set(bench.store.load().records) == {"instance.core"}
    assert bench.store.load().serial == 1


def test_an_apply_that_did_nothing_keeps_the_serial(bench: Bench) -> None:
    bench.kms.fault = lambda _: Fault(KmsError("Forbidden.NoPermission"))
    applied = bench.apply(DESIRED)
    assert (exit_code(applied.outcome), bench.store.load().serial) == (1, 0)


@pytest.mark.parametrize("call", ["CreateInstance", "CreateKey", "DisableKey", "CreateAlias"])
@pytest.mark.parametrize("happens", [True, False])
def test_after_a_crash_the_next_apply_finishes_with_every_object_once(
    bench: Bench, call: str, *, happens: bool
) -> None:
    bench.kms.fault = die_at(call, happens=happens)
    with pytest.raises(Died):
        bench.apply(DESIRED)
    assert bench.store.load().pending != ()
    applied = bench.apply(DESIRED)
    assert exit_code(applied.outcome) == 0
    assert {settled.found for settled in applied.settled} == {Found.DONE if happens else Found.NOT_DONE}
    assert [len(bench.kms.owned(address)) for address in ("instance.core", "key.a", "key.b")] == [1, 1, 1]
    assert bench.store.load().pending == ()
    calls = len(bench.kms.calls)
    assert bench.apply(DESIRED).outcome.results == ()
    assert len(bench.kms.calls) == calls


def test_what_a_crash_left_is_saved_even_if_nothing_else_is_to_do(bench: Bench) -> None:
    bench.kms.fault = die_at("CreateInstance", happens=True)
    only = plans.desired(instance__core=plans.core())
    with pytest.raises(Died):
        bench.apply(only)
    applied = bench.apply(only)
    assert applied.outcome.results == ()
    assert bench.store.load() == applied.recorded
    assert set(applied.recorded.records) == {"instance.core"}
    assert not (bench.store.path / "journal.jsonl").exists()


def test_a_creation_that_two_objects_answer_to_stops_everything(bench: Bench) -> None:
    bench.kms.fault = die_at("CreateKey", happens=True)
    with pytest.raises(Died):
        bench.apply(DESIRED)
    bench.kms.fault = lambda _: None
    (found,) = [present for present in bench.kms.objects.values() if present.kind == "key"][:1]
    bench.kms.objects["key-twin"] = replace(found, identity="key-twin")
    calls = list(bench.kms.calls)
    applied = bench.apply(DESIRED)
    assert (exit_code(applied.outcome), applied.plan, bench.kms.calls) == (10, None, calls)
    doubtful = [settled for settled in applied.outcome.unsettled if settled.blocks]
    assert any("key-twin" in settled.note for settled in doubtful)
    assert bench.store.load().pending != ()


def test_an_unreadable_object_in_doubt_stays_pending_and_the_rest_goes_on(bench: Bench) -> None:
    bench.apply(DESIRED)
    with bench.store.lock(owner="a", command="b") as lock, bench.store.open(lock) as writing:
        identity = writing.recorded.records[A].identity
        writing.journal.run(command="kmsplan apply")
        effect = Effect(attributes={"rotation": 30})
        writing.journal.begin(
            address=A, operation="UpdateRotationPolicy", parameters={}, token=None, identity=identity, effect=effect
        )
    bench.kms.unreadable = {identity}
    changed = {**DESIRED, B: {**DESIRED[B], "description": "new"}}
    applied = bench.apply(changed)
    assert exit_code(applied.outcome) == 10
    assert [result.address for result in applied.outcome.done] == [B]
    assert [pending.address for pending in bench.store.load().pending] == [A]
    bench.kms.unreadable = set()
    assert exit_code(bench.apply(changed).outcome) == 0
    assert bench.store.load().pending == ()


def test_a_snapshot_that_cannot_be_written_is_an_error_and_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kmsplan.state import durable  # noqa: PLC0415

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "keep", full)
        applied = bench.apply(DESIRED)
    assert isinstance(applied.outcome.error, StateAccessError)
    assert exit_code(applied.outcome) == 8
    assert bench.store.load() == applied.recorded
    assert bench.apply(DESIRED).outcome.results == ()


def test_a_plan_is_stale_after_the_run_that_carried_it_out_even_if_that_crashed(bench: Bench) -> None:
    bench.apply(plans.desired(instance__core=plans.core()))
    before = bench.store.load().serial
    bench.kms.fault = die_at("CreateAlias", happens=False)
    with pytest.raises(Died):
        bench.apply(DESIRED)
    assert bench.store.load().serial == before + 1


def test_the_token_of_an_interrupted_creation_is_never_used_again(bench: Bench) -> None:
    bench.parallelism = 1
    bench.kms.fault = die_at("CreateKey", happens=False)
    with pytest.raises(Died):
        bench.apply(DESIRED)
    (first,) = [pending.token for pending in bench.store.load().pending]
    bench.apply(DESIRED)
    assert all(first not in str(present.owner) for present in bench.kms.objects.values())


def test_pending_values_are_whole(bench: Bench) -> None:
    bench.parallelism = 1
    bench.kms.fault = die_at("CreateKey", happens=True)
    with pytest.raises(Died):
        bench.apply(DESIRED)
    (pending,) = bench.store.load().pending
    assert isinstance(pending, Pending)
    assert (pending.operation, pending.identity) == ("CreateKey", None)
    assert pending.token is not None
    assert pending.parameters["DKMSInstanceId"] in bench.kms.objects
    assert pending.effect.attributes["enabled"] is True
