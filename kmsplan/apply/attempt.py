"""Carrying out one operation, with as many attempts as the tables allow."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.apply.settle import Found, Settled, owner_tag, settle_one
from kmsplan.kms.backoff import TRIES, delay
from kmsplan.kms.error import KmsError
from kmsplan.kms.settling import OperationFacts, facts_of
from kmsplan.provider.protocol import Executed
from kmsplan.state.entry import Ending
from kmsplan.state.error import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.apply.stop import StopSignal
    from kmsplan.kms.operation import Operation
    from kmsplan.provider.protocol import Provider
    from kmsplan.state.record import Pending


@dataclass(frozen=True, slots=True)
class Attempted:
    """How it ended."""

    ending: Ending | None
    """None: in doubt."""
    identity: str | None = None
    error: Exception | None = None
    note: str = ""
    """Why it is in doubt."""


class Attempts:
    """Carries out operations at one provider."""

    def __init__(
        self,
        provider: Provider,
        *,
        lineage: str,
        identities: Mapping[str, str],
        entropy: Callable[[int], bytes],
        sleep: Callable[[float], object],
        stop: StopSignal,
    ) -> None:
        """Prepare.

        Args:
            provider: The KMS.
            lineage: Of the state, for owner tags.
            identities: Address -> identity of every known object; may grow meanwhile.
            entropy: Randomness, for jitter.
            sleep: Waits so many seconds.
            stop: After which nothing is tried again.
        """
        self._provider = provider
        self._lineage = lineage
        self._identities = identities
        self._entropy = entropy
        self._sleep = sleep
        self._stop = stop

    def carry_out(
        self, operation: Operation, pending: Pending, intent: Callable[[], None], retrying: Callable[[str], None]
    ) -> Attempted:
        """Carry out an operation that the journal has as begun, and has durably once `intent` has returned.

        An error that leaves open whether it happened is followed by another attempt only where a repeat is harmless,
        or where the KMS shows that it did not happen. What such an attempt did, a later one may be refused for.

        Raises:
            StateError: the journal cannot be written, so that nothing was done.
        """
        facts, doubted = facts_of(operation), False
        for attempt in itertools.count():
            answer = self._execute(operation, facts, intent)
            if isinstance(answer, Executed):
                return Attempted(Ending.DONE, answer.identity)
            if not isinstance(answer, KmsError):
                return Attempted(None, error=answer, note="it failed without an answer of the KMS")
            again = attempt + 1 < TRIES and self._waited(answer, attempt, retrying)
            if answer.facts.in_doubt and answer.facts.late:
                return Attempted(None, error=answer)
            doubted = doubted or answer.facts.in_doubt
            if doubted and not (again and facts.repeatable):
                settled = self._settle(pending)
                if settled.found is not Found.NOT_DONE:
                    return _from_settled(settled, answer)
            if not again:
                return Attempted(Ending.FAILED, error=answer)
        raise AssertionError("the last attempt returns")

    def _execute(self, operation: Operation, facts: OperationFacts, intent: Callable[[], None]) -> Executed | Exception:
        try:
            executed = self._provider.execute(operation, intent)
        except StateError:
            raise  # the intent's: providers know no state
        except Exception as error:  # noqa: BLE001 - a bug or a crashed engine: reported as in doubt, never swallowed
            return error
        if not facts.makes_object:
            return Executed()
        identity = getattr(operation, "alias", None) or executed.identity
        return Executed(identity) if identity else RuntimeError(f"{facts.operation.__name__} returned no identity")

    def _waited(self, error: KmsError, attempt: int, retrying: Callable[[str], None]) -> bool:
        """Wait, if a later attempt may succeed; return whether it is worth one."""
        if not error.facts.retry or self._stop.is_set:
            return False
        seconds = delay(attempt, self._entropy)
        retrying(f"{error}; trying again in {seconds:.1f} s")
        self._sleep(seconds)
        return not self._stop.is_set

    def _settle(self, pending: Pending) -> Settled:
        owner = owner_tag(pending, self._lineage)
        try:
            observed = self._provider.look_up(None if owner else pending.identity, owner)
        except Exception as error:  # noqa: BLE001 - what cannot be read is in doubt, whatever the reason
            return Settled(pending=pending, found=Found.IN_DOUBT, note=f"the KMS cannot be read: {error}")
        addresses = {identity: address for address, identity in list(self._identities.items())}
        return settle_one(pending, observed, lineage=self._lineage, addresses=addresses)


def _from_settled(settled: Settled, error: KmsError) -> Attempted:
    if settled.found is Found.DONE:
        return Attempted(Ending.DONE, settled.identity)
    return Attempted(None, error=error, note=settled.note)
