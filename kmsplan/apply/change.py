"""Carrying out one change: its record changes and its operations, each written down before and after."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kmsplan.apply.event import Event, EventKind
from kmsplan.apply.outcome import Result, ResultStatus
from kmsplan.apply.selftest import SelfTestError
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import OWNER_TAG, Owner
from kmsplan.kms.operation import CreateInstance, CreateKey, TagResources, name_of
from kmsplan.kms.wire import parameters, resolve
from kmsplan.plan.inverse import Done
from kmsplan.plan.plan import Action
from kmsplan.resource.step import Effect
from kmsplan.state.entry import Ending
from kmsplan.state.error import StateError

if TYPE_CHECKING:
    from datetime import datetime

    from kmsplan.apply.attempt import Attempted, Attempts
    from kmsplan.apply.event import Reporter
    from kmsplan.apply.selftest import SelfTests
    from kmsplan.apply.stop import StopSignal
    from kmsplan.kms.operation import Operation
    from kmsplan.plan.plan import Change
    from kmsplan.resource.step import Step
    from kmsplan.state.protocol import Journal
    from kmsplan.state.record import Pending

_TOKEN_BYTES: Final = 8
_ACTED_ON: Final = ("alias", "key", "resource", "instance")
"""Where an operation names the object it acts on; an alias's operations name its key too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all changes of one run share."""

    lineage: str
    journal: Journal
    attempts: Attempts
    identities: MutableMapping[str, str]
    """Address -> identity, of every record and of what was just made. An entry belongs to one change at a time."""
    reporter: Reporter
    entropy: Callable[[int], bytes]
    clock: Callable[[], datetime]
    stop: StopSignal
    tests: SelfTests
    done: list[Done] = field(default_factory=list)
    """Every operation that was carried out, in the order of their ends."""


class ChangeRun:
    """One change on its way. `finish` gives its result, whatever happens."""

    def __init__(self, change: Change, context: Context) -> None:
        self._change = change
        self._context = context
        self._started = context.clock()
        self._done = 0
        self._attributes = dict(change.before or {})
        """The object's, as far as it has come."""
        self._open: Pending | None = None
        """The operation that has begun and not ended."""
        self.broken: StateError | None = None
        """Why the journal cannot be written, where it cannot."""

    def run(self) -> Result:
        """Carry it out, and say how it ended."""
        try:
            return self._carry_out()
        except StateError as error:
            self.broken = error
            return self.finish(self._fallen, error)
        except Exception as error:  # noqa: BLE001 - a bug: one change fails, visibly, and its dependents are skipped
            return self.finish(self._fallen, error)

    @property
    def _fallen(self) -> ResultStatus:
        return ResultStatus.FAILED if self._open is None else ResultStatus.IN_DOUBT

    def finish(self, status: ResultStatus, error: Exception | str | None = None) -> Result:
        """Return the result."""
        change = self._change
        return Result(
            address=change.address,
            action=change.action,
            status=status,
            done=self._done,
            planned=len(change.steps),
            adopted_and_changed=change.adopts_and_changes,
            identity=self._context.identities.get(change.address, change.identity),
            error=_message(error),
            code=error.code if isinstance(error, KmsError | SelfTestError) else None,
            cause=error if isinstance(error, Exception) else None,
            elapsed=(self._context.clock() - self._started).total_seconds(),
        )

    def _carry_out(self) -> Result:
        if self._change.tests is not None:
            try:
                self._context.tests.require(self._change.tests)
            except SelfTestError as error:
                return self.finish(ResultStatus.FAILED, error)
        self._record()
        for step in self._change.steps:
            if self._context.stop.is_set:
                return self.finish(ResultStatus.CANCELLED)
            attempted = self._operate(step)
            if attempted.ending is None:
                return self.finish(ResultStatus.IN_DOUBT, _doubt(attempted))
            if attempted.ending is not Ending.DONE:
                return self.finish(ResultStatus.FAILED, attempted.error)
            self._done += 1
        return self.finish(ResultStatus.DONE)

    def _operate(self, step: Step) -> Attempted:
        context, address = self._context, self._change.address
        operation, token = self._prepared(step.operation)
        self._open = pending = context.journal.begin(
            address=address,
            operation=name_of(operation),
            parameters=parameters(operation),
            token=token,
            identity=None if token else _acted_on(operation),
            effect=step.effect,
        )
        intent = functools.partial(context.journal.flush, pending.sequence)
        try:
            attempted = context.attempts.carry_out(operation, pending, intent, self._retrying)
        except StateError:
            self._open = None  # it never began
            raise
        if attempted.ending is not None:
            error = attempted.error
            context.journal.end(
                pending.sequence,
                attempted.ending,
                identity=attempted.identity,
                code=error.code if isinstance(error, KmsError) else None,
                message=_message(error),
            )
            self._open = None
        if attempted.ending is Ending.DONE:
            self._note(step, attempted.identity or pending.identity or "")
            if attempted.identity is not None:
                self._made(attempted.identity, step.effect)
        return attempted

    def _note(self, step: Step, identity: str) -> None:
        """Remember what was done, and on what, so that there is a way back."""
        done = Done(address=self._change.address, identity=identity, step=step, before=self._attributes)
        self._context.done.append(done)
        self._attributes = {**self._attributes, **step.effect.attributes}

    def _prepared(self, operation: Operation) -> tuple[Operation, str | None]:
        """Return the operation with identities for references and, where it makes what can carry one, an owner tag."""
        context = self._context
        resolved = resolve(operation, context.identities)
        if isinstance(resolved, TagResources) and resolved.tags.get(OWNER_TAG, "").startswith("/"):
            # The plan was made before there was a state.
            owner = f"{context.lineage}{resolved.tags[OWNER_TAG]}"
            return dataclasses.replace(resolved, tags={**resolved.tags, OWNER_TAG: owner}), None
        if not isinstance(resolved, CreateKey | CreateInstance):
            return resolved, None
        token = context.entropy(_TOKEN_BYTES).hex()
        owner = str(Owner(context.lineage, self._change.address, token))
        return dataclasses.replace(resolved, tags={**resolved.tags, OWNER_TAG: owner}), token

    def _made(self, identity: str, effect: Effect) -> None:
        identities, address = self._context.identities, self._change.address
        if effect.retires is not None and address in identities:
            identities[effect.retires] = identities[address]
        identities[address] = identity

    def _record(self) -> None:
        """Write down what becomes of the record without any operation: it moves, is adopted, changed or forgotten."""
        change, identities = self._change, self._context.identities
        if change.moved_from is None and change.effect is None:
            return
        effect = change.effect or Effect()
        adopted = change.identity if change.action is Action.ADOPT else None
        self._context.journal.record(change.address, effect, identity=adopted, moved_from=change.moved_from)
        if change.moved_from is not None and change.moved_from in identities:
            identities[change.address] = identities.pop(change.moved_from)
        if adopted is not None:
            identities[change.address] = adopted
        elif effect.removes:
            identities.pop(change.address, None)

    def _retrying(self, message: str) -> None:
        self._context.reporter.report(Event(kind=EventKind.RETRYING, change=self._change, message=message))


def _acted_on(operation: Operation) -> str | None:
    return next((value for name in _ACTED_ON if (value := getattr(operation, name, None)) is not None), None)


def _message(error: Exception | str | None) -> str | None:
    """Return an error in words; one that is no answer of the KMS or the state names its type, for it is a bug."""
    if error is None or isinstance(error, str):
        return error
    return (
        str(error) if isinstance(error, KmsError | StateError | SelfTestError) else f"{type(error).__name__}: {error}"
    )


def _doubt(attempted: Attempted) -> Exception | str | None:
    return f"{_message(attempted.error)}; {attempted.note}" if attempted.note else attempted.error
