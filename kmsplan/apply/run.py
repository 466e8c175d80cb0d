"""The whole of an apply, under the lock: load, read, settle, decide, write down, carry out, save.

It plans and prints nothing; what decides on the plan comes in as a function.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kmsplan.apply.executor import blocked_results, execute
from kmsplan.apply.outcome import Outcome, exit_code
from kmsplan.apply.settle import ENDINGS, Found, Settled, fold_settled, observe_settled, settle, wanted
from kmsplan.apply.witness import home_of
from kmsplan.kms.error import KmsError
from kmsplan.plan.continuing import announced
from kmsplan.state.error import StateError
from kmsplan.state.local import new_lineage

if TYPE_CHECKING:
    from kmsplan.apply.event import Event
    from kmsplan.apply.stop import StopSignal
    from kmsplan.plan.plan import Plan
    from kmsplan.provider.protocol import Provider
    from kmsplan.resource.value import Observed
    from kmsplan.state.holder import Holder
    from kmsplan.state.protocol import Store, Writing
    from kmsplan.state.record import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to apply, whatever the plan is."""

    owner: str
    """user@host, for the lock."""
    command: str
    """For lock and journal."""
    parallelism: int
    revert: bool = False
    """Undo what can be undone where a change fails."""
    lock_timeout: float = 0.0
    """Seconds."""
    identities: Collection[str] = ()
    """To read besides what is recorded: what import blocks name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What reaches out of the program, and in."""

    connect: Callable[[], Provider]
    """Opens the KMS, once the lock is held; it is closed at the end."""
    decide: Callable[[Provider, Recorded, Observed], Plan]
    """Makes the plan, or checks a saved one against what is there now; raises to refuse. The state is settled."""
    digest: Callable[[Plan], str]
    """Names a plan in the journal."""
    events: Callable[[Event], None]
    waiting: Callable[[Holder | None], None]
    """Told once whom the lock is waited for."""
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    sleep: Callable[[float], object]
    stop: StopSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an apply has come to."""

    outcome: Outcome
    recorded: Recorded
    plan: Plan | None
    """None where nothing could be decided: several objects answer to one interrupted creation."""
    settled: tuple[Settled, ...] = ()
    """What was found of the operations that an interrupted run had left."""
    unwitnessed: KmsError | None = None
    """Why the KMS could not be told which serial the state has come to; all else was done."""


def apply(store: Store, settings: Settings, around: Surroundings) -> Applied:
    """Apply.

    Raises:
        StateError: the state cannot be locked, read or made; nothing was done.
        KmsError: the KMS cannot be read; nothing was done.
        Exception: whatever `connect` and `decide` raise; nothing was done.
    """
    held = store.lock(
        owner=settings.owner, command=settings.command, timeout=settings.lock_timeout, waiting=around.waiting
    )
    with held as lock, store.open(lock) as writing:
        provider = around.connect()
        try:
            return _Apply(writing, provider, settings, around).run()
        finally:
            provider.close()


class _Apply:
    """One apply, with lock, state and KMS open."""

    def __init__(self, writing: Writing, provider: Provider, settings: Settings, around: Surroundings) -> None:
        self._writing = writing
        self._provider = provider
        self._settings = settings
        self._around = around

    def run(self) -> Applied:
        recorded = self._writing.recorded
        observed = self._provider.observe((*wanted(recorded), *self._settings.identities))
        settled = settle(recorded, observed)
        unsettled = tuple(item for item in settled if item.found is Found.IN_DOUBT)
        if any(item.blocks for item in unsettled):
            return Applied(outcome=Outcome(unsettled=unsettled), recorded=recorded, plan=None, settled=settled)
        plan = self._around.decide(self._provider, fold_settled(recorded, settled), observe_settled(observed, settled))
        ahead = observed.ahead_of(recorded.lineage, recorded.serial)
        behind = recorded.serial > self._writing.written
        if not plan.effective and len(unsettled) == len(settled) and ahead is None:
            outcome = Outcome(results=blocked_results(plan))
        else:
            self._begin(plan, self._provider.prepare(), settled, serial=None if ahead is None else ahead.serial + 1)
            outcome, behind = self._execute(plan), True
        outcome = dataclasses.replace(outcome, unsettled=unsettled)
        if behind:
            recorded, outcome = self._save(outcome)
        unwitnessed = self._witness(recorded, outcome, observed)
        return Applied(outcome=outcome, recorded=recorded, plan=plan, settled=settled, unwitnessed=unwitnessed)

    def _begin(self, plan: Plan, environment: str, settled: tuple[Settled, ...], serial: int | None) -> None:
        """Write down which plan is carried out, and what became of the operations of an interrupted run.

        An older state than the KMS has seen was accepted if `serial` is given: it goes on behind that one.
        """
        writing, around = self._writing, self._around
        if not writing.recorded.exists:
            writing.init(new_lineage(around.entropy))
        writing.journal.run(
            command=self._settings.command,
            environment=environment,
            plan=around.digest(plan),
            by=self._settings.owner,
            serial=serial,
            deletions=announced(plan, writing.journal.recorded()),
        )
        for item in settled:
            if item.found in ENDINGS:
                writing.journal.end(item.pending.sequence, ENDINGS[item.found], identity=item.identity)

    def _execute(self, plan: Plan) -> Outcome:
        around, journal = self._around, self._writing.journal
        return execute(
            plan,
            recorded=journal.recorded(),
            provider=self._provider,
            journal=journal,
            parallelism=self._settings.parallelism,
            events=around.events,
            clock=around.clock,
            entropy=around.entropy,
            sleep=around.sleep,
            stop=around.stop,
            revert=self._settings.revert,
        )

    def _save(self, outcome: Outcome) -> tuple[Recorded, Outcome]:
        """Write the snapshot, if this run or one that was cut off recorded anything; not where the journal failed."""
        journal = self._writing.journal
        recorded = journal.recorded()
        if outcome.error is None and recorded.serial > self._writing.written:
            try:
                return self._writing.save(finished=exit_code(outcome) == 0), outcome
            except StateError as error:
                return recorded, dataclasses.replace(outcome, error=error)
        return recorded, outcome

    def _witness(self, recorded: Recorded, outcome: Outcome, observed: Observed) -> KmsError | None:
        """Tell the KMS the serial that it does not know: this run's, or that of one that could not tell it.

        A state that was not written down for certain is not told of.
        """
        known = observed.states.get(recorded.lineage)
        if outcome.error is None and recorded.serial > (known.serial if known else 0):
            try:
                self._provider.witness(recorded.lineage, recorded.serial, home_of(recorded))
            except KmsError as error:
                return error
        return None
