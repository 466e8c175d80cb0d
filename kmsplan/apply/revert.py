"""`apply --on-error=revert`: undoing what a run did, last first, where that is possible.

1. Every way back is an operation like any other: begun in the journal, carried out, ended; a crash in it is settled.
2. It ends at the first operation that cannot be undone: what was done before it stays, as after an apply that failed
   there. Undoing on would go through states that nobody planned.
3. What is in doubt is settled first, by the next run; so nothing is undone beside it.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.apply.event import Event, EventKind
from kmsplan.apply.outcome import Result, ResultStatus
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import name_of
from kmsplan.kms.settling import facts_of
from kmsplan.kms.wire import parameters, references, resolve
from kmsplan.plan.inverse import INVERSES
from kmsplan.resource.address import RETIRED_MARK, Address, kind_of
from kmsplan.resource.kinds import REFERENCES
from kmsplan.state.entry import Ending
from kmsplan.state.error import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kmsplan.apply.attempt import Attempted
    from kmsplan.apply.change import Context
    from kmsplan.plan.inverse import Done
    from kmsplan.plan.plan import Change
    from kmsplan.resource.step import Effect, Step

_STOPPED: Final = "somebody asked to stop"


@dataclass(slots=True)
class _Undone:
    """What became of one change."""

    operations: int = 0
    left: str = ""
    in_doubt: bool = False


class Ended(NamedTuple):
    """How a run has ended."""

    results: tuple[Result, ...]
    broken: StateError | None
    """Why the journal cannot be written, where it cannot."""
    unreverted: str = ""
    """Why nothing was undone although something failed."""


def reverted(ended: Ended, context: Context, changes: Mapping[Address, Change]) -> Ended:
    """Undo what a run did, if one of its changes failed."""
    found = {result.status for result in ended.results}
    if ended.broken is not None:
        return ended._replace(unreverted="the journal cannot be written")
    if ResultStatus.IN_DOUBT in found:
        return ended._replace(unreverted="an operation is in doubt, which the next run settles first")
    if ResultStatus.FAILED not in found:
        return ended
    way_back = _WayBack(context)
    return Ended(way_back.undo(ended.results, changes), way_back.broken)


class _WayBack:
    """The way back of one run."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._found: dict[Address, _Undone] = {}
        self._over = ""
        """Why nothing more is undone."""
        self.broken: StateError | None = None

    def undo(self, results: Iterable[Result], changes: Mapping[Address, Change]) -> tuple[Result, ...]:
        """Undo everything that the run did, and return the results as they are then."""
        done = self._context.done
        kept = {one.address for one in done if INVERSES[name_of(one.step.operation)].keeps}
        for one in reversed(tuple(done)):
            self._undo(one, kept)
        changed = tuple(map(self._after, results))
        self._report(changed, changes)
        return changed

    def _undo(self, done: Done, kept: set[Address]) -> None:
        found = self._found.setdefault(done.address, _Undone())
        inverse = INVERSES[name_of(done.step.operation)]
        if inverse.steps is None:
            found.left = inverse.reason
        elif done.address not in kept:
            if self._context.stop.is_set:
                self._over = self._over or _STOPPED
            if self._over:
                found.left = found.left or f"not undone: {self._over}"
            else:
                self._back(done, inverse.steps(done), found)

    def _back(self, done: Done, steps: Sequence[Step], found: _Undone) -> None:
        for step in steps:
            try:
                attempted = self._operate(done, step)
            except StateError as error:
                self.broken, self._over = error, f"the journal cannot be written: {error}"
                found.left = f"not undone: {self._over}"
                return
            if attempted.ending is not Ending.DONE:
                self._over = f"{name_of(step.operation)} of {done.address} failed: {attempted.error or attempted.note}"
                found.left, found.in_doubt = f"not undone: {self._over}", attempted.ending is None
                return
        found.operations += bool(steps)

    def _operate(self, done: Done, step: Step) -> Attempted:
        context = self._context
        identities = {address: self._identity(Address(address)) for address in references(step.operation)}
        operation = resolve(step.operation, identities)
        pending = context.journal.begin(
            address=done.address,
            operation=name_of(operation),
            parameters=parameters(operation),
            token=None,
            identity=done.identity,
            effect=self._effect(done, step),
        )
        intent = functools.partial(context.journal.flush, pending.sequence)
        attempted = context.attempts.carry_out(operation, pending, intent, lambda _: None)
        if attempted.ending is not None:
            error = attempted.error
            context.journal.end(
                pending.sequence,
                attempted.ending,
                identity=attempted.identity,
                code=error.code if isinstance(error, KmsError) else None,
                message=None if error is None else str(error),
            )
        if attempted.ending is Ending.DONE and facts_of(operation).makes_object:
            context.identities[done.address] = done.identity
        return attempted

    def _effect(self, done: Done, step: Step) -> Effect:
        """Return what is recorded of a step, with references to what is there now."""
        attributes, names = step.effect.attributes, REFERENCES[kind_of(done.address)]
        found = {name: self._standing(attributes[name]) for name in names if name in attributes}
        return dataclasses.replace(step.effect, attributes={**attributes, **found})

    def _standing(self, address: Address) -> Address:
        """Return the address of what a plan calls a predecessor: its own, unless it never came to be replaced."""
        current = Address(address.partition(RETIRED_MARK)[0])
        known = self._context.identities
        return current if address not in known and current in known else address

    def _identity(self, address: Address) -> str:
        return self._context.identities.get(self._standing(address), address)

    def _after(self, result: Result) -> Result:
        found = self._found.get(result.address)
        if found is None:
            return result
        status = result.status
        if found.in_doubt:
            status = ResultStatus.IN_DOUBT
        elif status is ResultStatus.DONE and found.operations and not found.left:
            status = ResultStatus.REVERTED
        left = found.left or None
        return dataclasses.replace(result, status=status, undone=found.operations, left=left)

    def _report(self, results: Iterable[Result], changes: Mapping[Address, Change]) -> None:
        for result in results:
            if result.undone or result.left:
                event = Event(kind=EventKind.REVERTED, change=changes[result.address], result=result)
                self._context.reporter.report(event)
