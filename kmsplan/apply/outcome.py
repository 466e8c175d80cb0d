"""What an apply has done: exactly, per address."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmsplan.apply.settle import Settled
    from kmsplan.plan.plan import Action
    from kmsplan.resource.address import Address
    from kmsplan.state.error import StateError


class ResultStatus(StrEnum):
    """What became of a change."""

    DONE = "done"
    FAILED = "failed"
    REVERTED = "reverted"
    """It was done, and undone because another change failed."""
    SKIPPED = "skipped"
    """Something that it depends on was not done, or it was blocked."""
    CANCELLED = "cancelled"
    """Somebody asked to stop before it, or before all of it, had begun."""
    IN_DOUBT = "in_doubt"
    """Its last operation may have been carried out; the journal keeps it, and the next run looks it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one change."""

    address: Address
    action: Action
    status: ResultStatus
    done: int
    """Operations carried out."""
    planned: int
    """Operations planned."""
    adopted_and_changed: bool = False
    """Whether the object that it takes over was not as declared, so that it was changed too."""
    identity: str | None = None
    """Of the object, where it is known."""
    error: str | None = None
    """Why it is not done."""
    code: str | None = None
    """The KMS's error code, where it gave one."""
    cause: Exception | None = None
    undone: int = 0
    """Operations of those done that were undone."""
    left: str | None = None
    """What was not undone, and why, where the run was to be reverted."""
    elapsed: float = 0.0
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a plan."""

    results: tuple[Result, ...] = ()
    """Sorted by address."""
    unsettled: tuple[Settled, ...] = ()
    """Operations of earlier runs that are still in doubt."""
    error: StateError | None = None
    """Why the state could not be written, where it could not. The journal holds what was done all the same."""
    unreverted: str = ""
    """Why nothing was undone although the run was to be reverted; "" otherwise."""
    report_failure: Exception | None = None
    """Why progress could not be reported to the end."""
    elapsed: float = 0.0
    """Seconds."""

    def of(self, status: ResultStatus) -> tuple[Result, ...]:
        """Return the results with one status."""
        return tuple(result for result in self.results if result.status is status)

    @property
    def done(self) -> tuple[Result, ...]:
        """Changes that were carried out."""
        return self.of(ResultStatus.DONE)

    @property
    def failed(self) -> tuple[Result, ...]:
        """Changes that the KMS refused."""
        return self.of(ResultStatus.FAILED)

    @property
    def reverted(self) -> tuple[Result, ...]:
        """Changes that were done and undone."""
        return self.of(ResultStatus.REVERTED)

    @property
    def skipped(self) -> tuple[Result, ...]:
        """Changes whose dependencies were not done."""
        return self.of(ResultStatus.SKIPPED)

    @property
    def cancelled(self) -> tuple[Result, ...]:
        """Changes that a wish to stop left undone."""
        return self.of(ResultStatus.CANCELLED)

    @property
    def in_doubt(self) -> tuple[Result, ...]:
        """Changes of which it is not known whether they were carried out."""
        return self.of(ResultStatus.IN_DOUBT)

    @property
    def operations(self) -> int:
        """Operations carried out, those of unfinished changes too."""
        return sum(result.done for result in self.results)


def exit_code(outcome: Outcome) -> int:
    """Return the exit code: 0 all done, 1 failed and nothing done, 8 partly applied, 9 cancelled, 10 in doubt."""
    if outcome.in_doubt or outcome.unsettled:
        return 10
    if outcome.cancelled and outcome.error is None:
        return 9
    if len(outcome.done) == len(outcome.results) and outcome.error is None:
        return 0
    return 8 if outcome.done or outcome.operations else 1
