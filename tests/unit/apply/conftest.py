"""A model KMS, a state, a clock, and an apply in one call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.apply.executor import execute
from kmsplan.apply.run import Applied, Settings, Surroundings, apply
from kmsplan.apply.stop import StopSignal
from kmsplan.plan.plan import Plan
from kmsplan.state.local import LocalStore
from tests.fake.kms import ModelKms
from tests.fake.plans import plan_for

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.apply.event import Event
    from kmsplan.apply.outcome import Outcome
    from kmsplan.plan.plan import Change
    from kmsplan.provider.protocol import Provider
    from kmsplan.resource.address import Address
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded
    from kmsplan.state.writing import LocalWriting

LINEAGE = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Bench:
    """Everything around an apply. `slept` are the seconds that were waited for, without waiting."""

    store: LocalStore
    kms: ModelKms = field(default_factory=ModelKms)
    stop: StopSignal = field(default_factory=StopSignal)
    slept: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    parallelism: int = 4
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def clock(self) -> datetime:
        return NOW + timedelta(milliseconds=next(self.numbers))

    def entropy(self, size: int) -> bytes:
        return next(self.numbers).to_bytes(size, "big")

    def execute(self, writing: LocalWriting, *changes: Change, **plan: Any) -> Outcome:
        """Execute a plan of these changes."""
        return execute(
            make_plan(*changes, **plan),
            recorded=writing.journal.recorded(),
            provider=self.kms,
            journal=writing.journal,
            parallelism=self.parallelism,
            events=self.events.append,
            clock=self.clock,
            entropy=self.entropy,
            sleep=self.slept.append,
            stop=self.stop,
        )

    def apply(
        self,
        objects: Mapping[Address, Mapping[str, Any]],
        decide: Callable[[Provider, Recorded, Observed], Plan] | None = None,
        **settings: Any,
    ) -> Applied:
        """Apply desired objects, whole, as a new process would."""
        self.stop = StopSignal()

        def planned(provider: Provider, recorded: Recorded, observed: Observed) -> Plan:
            del provider
            return plan_for(objects, recorded, observed)

        return apply(
            self.store,
            Settings(owner="ada@host", command="kmsplan apply", parallelism=self.parallelism, **settings),
            Surroundings(
                connect=lambda: self.kms,
                decide=decide or planned,
                digest=lambda _: "digest",
                events=self.events.append,
                waiting=lambda _: None,
                clock=self.clock,
                entropy=self.entropy,
                sleep=self.slept.append,
                stop=self.stop,
            ),
        )


def make_plan(*changes: Change, **fields: Any) -> Plan:
    ordered = tuple(sorted(changes, key=lambda change: change.address))
    return Plan(lineage=LINEAGE, serial=0, environment="fake/1", config_digest="", changes=ordered, **fields)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    numbers = itertools.count(1)
    return Bench(LocalStore(tmp_path / "state", entropy=lambda size: next(numbers).to_bytes(size, "big")))


@pytest.fixture
def writing(bench: Bench) -> Iterator[LocalWriting]:
    """The bench's state, opened for writing and empty."""
    with bench.store.lock(owner="ada@host", command="kmsplan apply") as lock, bench.store.open(lock) as opened:
        opened.init(LINEAGE)
        opened.journal.run(command="kmsplan apply", environment="fake/1")
        yield opened
