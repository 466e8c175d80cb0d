"""Attempts: what is tried again, what is looked up, and what is left in doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.apply.attempt import Attempted, Attempts
from kmsplan.apply.stop import StopSignal
from kmsplan.kms.backoff import FIRST_DELAY, LONGEST_DELAY, TRIES, delay
from kmsplan.kms.error import ErrorFacts, KmsError
from kmsplan.kms.naming import OWNER_TAG, Owner
from kmsplan.kms.operation import CreateAlias, CreateInstance, CreateKey, DisableKey, EnableKey, name_of
from kmsplan.kms.wire import parameters
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.entry import Ending
from kmsplan.state.record import Pending
from tests.fake.kms import Fault, ModelKms

if TYPE_CHECKING:
    from kmsplan.kms.operation import Operation

LINEAGE, TOKEN = "l", "t"
KEY, CORE = Address("key.a"), Address("instance.core")
IN_DOUBT = "InternalFailure"
THROTTLED = "Rejected.Throttling"
REFUSED = "Forbidden.NoPermission"


class Bench:
    """A KMS with an instance and a key, and attempts at it."""

    def __init__(self) -> None:
        self.kms = ModelKms()
        self.core = str(self.kms.execute(CreateInstance(type="software", spec=1000, key_quota=10)).identity)
        create = CreateKey(instance=self.core, spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS")
        self.key = str(self.kms.execute(create).identity)
        self.kms.calls.clear()
        self.stop = StopSignal()
        self.slept: list[float] = []
        self.said: list[str] = []

    def faults(self, *faults: Fault | None) -> None:
        """The first calls go wrong like this, later ones go well."""
        left = list(faults)
        self.kms.fault = lambda _: left.pop(0) if left else None

    def carry_out(self, operation: Operation, effect: Effect, identity: str | None) -> Attempted:
        attempts = Attempts(
            self.kms,
            lineage=LINEAGE,
            identities={"instance.core": self.core, "key.a": self.key},
            entropy=lambda size: b"\x80" + b"\0" * (size - 1),
            sleep=self.slept.append,
            stop=self.stop,
        )
        pending = Pending(
            sequence=1,
            address=KEY,
            operation=name_of(operation),
            parameters=parameters(operation),
            token=None if identity else TOKEN,
            identity=identity,
            effect=effect,
        )
        return attempts.carry_out(operation, pending, lambda: None, self.said.append)

    def create(self) -> Attempted:
        operation = CreateKey(
            instance=self.core,
            spec="Aliyun_AES_256",
            usage="ENCRYPT/DECRYPT",
            origin="Aliyun_KMS",
            tags={OWNER_TAG: str(Owner(LINEAGE, KEY, TOKEN))},
        )
        return self.carry_out(operation, Effect(attributes={"enabled": True}), None)

    def disable(self) -> Attempted:
        return self.carry_out(DisableKey(key=self.key), Effect(attributes={"enabled": False}), self.key)

    def alias(self) -> Attempted:
        operation = CreateAlias(alias="alias/a", key=self.key)
        return self.carry_out(operation, Effect(attributes={"key": "key.a"}), "alias/a")

    @property
    def keys(self) -> int:
        return sum(found.kind == "key" for found in self.kms.objects.values()) - 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fail(code: str, *, happens: bool = False) -> Fault:
    return Fault(KmsError(code), happens)


def test_what_succeeds_says_what_it_made(bench: Bench) -> None:
    made = bench.create()
    assert made.ending is Ending.DONE
    assert bench.kms.objects[str(made.identity)].owner == "l/key.a/t"


def test_an_alias_is_identified_by_its_name(bench: Bench) -> None:
    assert bench.alias() == Attempted(Ending.DONE, "alias/a")


def test_what_makes_nothing_has_no_identity(bench: Bench) -> None:
    assert bench.disable() == Attempted(Ending.DONE, None)


@pytest.mark.parametrize("act", [Bench.create, Bench.disable, Bench.alias])
def test_a_final_refusal_is_tried_once(bench: Bench, act: Callable[[Bench], Attempted]) -> None:
    bench.faults(fail(REFUSED))
    attempted = act(bench)
    assert (attempted.ending, bench.slept, bench.kms.calls) == (Ending.FAILED, [], [])
    assert isinstance(attempted.error, KmsError)


@pytest.mark.parametrize("act", [Bench.create, Bench.disable, Bench.alias])
def test_throttling_is_tried_again_without_looking(bench: Bench, act: Callable[[Bench], Attempted]) -> None:
    bench.faults(*[fail(THROTTLED)] * 3)
    assert act(bench).ending is Ending.DONE
    assert (len(bench.slept), bench.kms.observed, len(bench.kms.calls)) == (3, 0, 1)
    assert "Rejected.Throttling" in bench.said[0]
    assert "trying again in 0.2 s" in bench.said[0]


@pytest.mark.parametrize("act", [Bench.create, Bench.disable, Bench.alias])
def test_attempts_are_bounded(bench: Bench, act: Callable[[Bench], Attempted]) -> None:
    bench.faults(*[fail(THROTTLED)] * 100)
    assert act(bench).ending is Ending.FAILED
    assert len(bench.slept) == TRIES - 1


@pytest.mark.parametrize("happens", [True, False])
def test_a_repeatable_operation_in_doubt_is_repeated(bench: Bench, *, happens: bool) -> None:
    bench.faults(fail(IN_DOUBT, happens=happens))
    assert bench.disable().ending is Ending.DONE
    assert bench.kms.observed == 0


def test_a_creation_in_doubt_that_happened_is_found_and_never_repeated(bench: Bench) -> None:
    bench.faults(fail(IN_DOUBT, happens=True))
    made = bench.create()
    assert (made.ending, bench.keys, bench.kms.owned(KEY)) == (Ending.DONE, 1, [made.identity])


def test_a_creation_in_doubt_that_did_not_happen_is_repeated(bench: Bench) -> None:
    bench.faults(fail(IN_DOUBT), fail(IN_DOUBT))
    assert bench.create().ending is Ending.DONE
    assert (bench.keys, bench.kms.observed) == (1, 2)


def test_an_alias_in_doubt_that_happened_is_found(bench: Bench) -> None:
    bench.faults(fail(IN_DOUBT, happens=True))
    assert bench.alias() == Attempted(Ending.DONE, "alias/a")


def test_a_creation_in_doubt_that_nobody_can_look_up_stays_in_doubt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any) -> None:
        raise KmsError("ServiceUnavailableTemporary")

    bench.faults(fail(IN_DOUBT, happens=True))
    monkeypatch.setattr(bench.kms, "observe", unreachable)
    attempted = bench.create()
    assert attempted.ending is None
    assert "the KMS cannot be read" in attempted.note
    assert bench.keys == 1


@pytest.mark.parametrize("happens", [True, False])
def test_what_is_refused_after_an_attempt_in_doubt_may_have_been_done_by_that(bench: Bench, *, happens: bool) -> None:
    bench.faults(fail(IN_DOUBT, happens=happens), fail(REFUSED))
    assert bench.disable().ending is (Ending.DONE if happens else Ending.FAILED)
    assert bench.kms.observed == 1


@pytest.mark.parametrize("act", [Bench.create, Bench.disable, Bench.alias])
def test_what_may_show_only_later_is_not_settled_by_looking_now(
    bench: Bench, act: Callable[[Bench], Attempted]
) -> None:
    facts = ErrorFacts(0, "the flush failed", in_doubt=True, late=True)
    bench.faults(Fault(KmsError("Keystore.Failed", "the flush failed", facts=facts), happens=False))
    attempted = act(bench)
    assert (attempted.ending, str(attempted.error)) == (None, "the flush failed (Keystore.Failed)")
    assert (bench.kms.calls, bench.kms.observed, bench.slept) == ([], 0, [])


def test_the_last_failure_of_a_repeatable_operation_is_looked_up_too(bench: Bench) -> None:
    bench.faults(*[fail(IN_DOUBT)] * (TRIES - 1), fail(IN_DOUBT, happens=True))
    assert bench.disable().ending is Ending.DONE
    bench.faults(*[fail(IN_DOUBT)] * TRIES)
    enable = bench.carry_out(EnableKey(key=bench.key), Effect(attributes={"enabled": True}), bench.key)
    assert enable.ending is Ending.FAILED


@pytest.mark.parametrize("act", [Bench.create, Bench.disable])
def test_what_is_no_answer_of_the_kms_is_in_doubt_and_not_tried_again(
    bench: Bench, act: Callable[[Bench], Attempted]
) -> None:
    bench.faults(Fault(RuntimeError("worker died"), happens=True))
    attempted = act(bench)
    assert (attempted.ending, len(bench.kms.calls)) == (None, 1)
    assert isinstance(attempted.error, RuntimeError)


def test_a_provider_that_does_not_say_what_it_made_leaves_it_in_doubt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.kms, "_new", lambda _: "")
    attempted = bench.create()
    assert attempted.ending is None
    assert "CreateKey returned no identity" in str(attempted.error)


def test_after_the_wish_to_stop_nothing_is_tried_again(bench: Bench) -> None:
    bench.stop.set()
    bench.faults(fail(THROTTLED))
    assert bench.disable().ending is Ending.FAILED
    assert (bench.slept, bench.kms.calls) == ([], [])


def test_after_the_wish_to_stop_doubts_are_still_cleared(bench: Bench) -> None:
    bench.stop.set()
    bench.faults(fail(IN_DOUBT, happens=True))
    assert bench.create().ending is Ending.DONE


@pytest.mark.parametrize("attempt", range(10))
def test_the_delay_is_a_random_part_of_an_exponential_that_has_an_end(attempt: int) -> None:
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2**attempt)
    assert delay(attempt, lambda size: b"\0" * size) == 0
    assert delay(attempt, lambda size: b"\xff" * size) == pytest.approx(longest)
    assert delay(attempt, lambda size: b"\x80" + b"\0" * (size - 1)) == pytest.approx(longest / 2)
