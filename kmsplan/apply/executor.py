"""Executing a plan: workers take changes in order and carry each out; the outcome names every one of them.

Each worker takes the next change itself, so that a change costs no hand-over between threads.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from kmsplan.apply.attempt import Attempts
from kmsplan.apply.change import ChangeRun, Context
from kmsplan.apply.event import Event, EventKind, Reporter
from kmsplan.apply.outcome import Outcome, Result, ResultStatus
from kmsplan.apply.revert import Ended, reverted
from kmsplan.apply.schedule import Schedule
from kmsplan.apply.selftest import SelfTests
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from datetime import datetime

    from kmsplan.apply.stop import StopSignal
    from kmsplan.plan.plan import Change, Plan
    from kmsplan.provider.protocol import Provider
    from kmsplan.resource.address import Address
    from kmsplan.state.error import StateError
    from kmsplan.state.protocol import Journal
    from kmsplan.state.record import Recorded


_LOOKS_UP: Final = 0.5
"""Seconds after which the main thread, the only one that hears signals, looks whether another one was woken by one."""


def blocked_results(plan: Plan) -> tuple[Result, ...]:
    """Return the results of the changes that cannot be carried out now."""
    return tuple(
        Result(
            address=change.address,
            action=change.action,
            status=ResultStatus.SKIPPED,
            done=0,
            planned=0,
            identity=change.identity,
            error=change.blocked,
        )
        for change in plan.blocked
    )


def execute(
    plan: Plan,
    *,
    recorded: Recorded,
    provider: Provider,
    journal: Journal,
    parallelism: int,
    events: Callable[[Event], None],
    clock: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    sleep: Callable[[float], object],
    stop: StopSignal,
    revert: bool = False,
) -> Outcome:
    """Carry out a plan.

    Args:
        plan: What to do.
        recorded: The state that the journal continues.
        provider: The KMS.
        journal: Where everything is written down first.
        parallelism: So many changes at a time, at least one.
        events: Told of progress, one event at a time, from several threads.
        clock: The time now.
        entropy: Randomness, for tokens and jitter.
        sleep: Waits so many seconds before another attempt.
        stop: Once set, nothing new begins.
        revert: After a failure nothing new begins, and what was done is undone where that is possible.

    Raises:
        ValueError: the plan breaks a rule; it must not be carried out.
    """
    if plan.violations:
        raise ValueError(f"the plan breaks a rule: {plan.violations[0].summary}")
    started = clock()
    identities: dict[str, str] = {address: record.identity for address, record in recorded.records.items()}
    attempts = Attempts(
        provider, lineage=recorded.lineage, identities=identities, entropy=entropy, sleep=sleep, stop=stop
    )
    context = Context(
        lineage=recorded.lineage,
        journal=journal,
        attempts=attempts,
        identities=identities,
        reporter=Reporter(events),
        entropy=entropy,
        clock=clock,
        stop=stop,
        tests=SelfTests(provider, identities),
    )
    changes = plan.effective
    crew = _Crew(Schedule(changes), context, all_or_nothing=revert)
    crew.work_together(min(parallelism, len(changes)))
    ended = Ended(tuple(crew.results), crew.broken)
    if revert:
        ended = reverted(ended, context, {change.address: change for change in changes})
    return _outcome(plan, ended, context.reporter, (clock() - started).total_seconds())


def _outcome(plan: Plan, ended: Ended, reporter: Reporter, elapsed: float) -> Outcome:
    return Outcome(
        results=tuple(sorted((*ended.results, *blocked_results(plan)), key=lambda result: result.address)),
        error=ended.broken,
        unreverted=ended.unreverted,
        report_failure=reporter.failure,
        elapsed=elapsed,
    )


class _Crew:
    """The workers of one run."""

    def __init__(self, schedule: Schedule, context: Context, *, all_or_nothing: bool = False) -> None:
        self._schedule = schedule
        self._context = context
        self._all_or_nothing = all_or_nothing
        self._failed: Address | None = None
        self._cut_off: Address | None = None
        """The first change that has not come through to the KMS, after as many attempts as it has."""
        self.results: list[Result] = []
        self.broken: StateError | None = None
        self._lock = threading.Lock()

    def work_together(self, workers: int) -> None:
        """Return when every change has its result."""
        with ThreadPoolExecutor(max(1, workers), thread_name_prefix="kmsplan-apply") as pool:
            try:
                for worker in self._started(pool, max(1, workers)):
                    while not wait((worker,), timeout=_LOOKS_UP).done:
                        pass
                    worker.result()
            except BaseException:
                self._context.stop.set()
                raise

    def _started(self, pool: ThreadPoolExecutor, workers: int) -> list[Future[None]]:
        """Start workers: fewer where the machine has no thread for another, for each does whatever is left."""
        started = [pool.submit(self._work)]
        with contextlib.suppress(RuntimeError):
            started += (pool.submit(self._work) for _ in range(workers - 1))
        return started

    def _work(self) -> None:
        try:
            while (change := self._schedule.take()) is not None:
                result = self._result(change)
                self.results.append(result)
                self._context.reporter.report(Event(kind=EventKind.FINISHED, change=change, result=result))
                self._schedule.finish(change, done=result.status is ResultStatus.DONE)
        except BaseException:
            self._schedule.abandon()
            raise

    def _result(self, change: Change) -> Result:
        run = ChangeRun(change, self._context)
        if self._context.stop.is_set or self.broken is not None:
            return run.finish(ResultStatus.CANCELLED)
        if (missing := self._schedule.unmet(change)) is not None:
            return run.finish(ResultStatus.SKIPPED, f"{missing}, which it depends on, was not done")
        if self._cut_off is not None:
            return run.finish(ResultStatus.SKIPPED, f"the KMS cannot be reached any more, as {self._cut_off} shows")
        if self._all_or_nothing and self._failed is not None:
            return run.finish(ResultStatus.SKIPPED, f"{self._failed} was not done, and the run is to be reverted")
        self._context.reporter.report(Event(kind=EventKind.STARTED, change=change))
        result = run.run()
        with self._lock:
            self.broken = self.broken or run.broken
            if result.status in (ResultStatus.FAILED, ResultStatus.IN_DOUBT):
                self._failed = self._failed or change.address
            if isinstance(result.cause, KmsError) and result.cause.facts.unreachable:
                self._cut_off = self._cut_off or change.address
        return result
