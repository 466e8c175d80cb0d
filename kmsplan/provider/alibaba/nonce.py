"""Names of calls that change something: one for all attempts of one operation.

The KMS takes a nonce once. So however often an operation is sent, and however late or often the network delivers a
copy, it is carried out once at most. An operation gets a new nonce when its call is over:

1. when the KMS itself has answered, whatever it said;
2. when a nonce was refused as used, and the operation may be repeated, or so much time has passed since that whatever
   the copy does that was taken is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kmsplan.kms.error import ErrorFacts
from kmsplan.kms.operation import name_of
from kmsplan.kms.settling import facts_of
from kmsplan.provider.alibaba.failure import REPEATED, CallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.kms.operation import Operation

_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class _Sending:
    nonce: str
    taken: float | None = None
    """When it was first refused as used."""


class Nonces:
    """The nonces of operations that are under way. Safe to call from several threads, one for each operation."""

    def __init__(self, entropy: Callable[[int], bytes], clock: Callable[[], float], lifetime: float) -> None:
        """Prepare.

        Args:
            entropy: randomness.
            clock: seconds of a monotonic clock.
            lifetime: seconds after which a call that reached the KMS is over.
        """
        self._entropy = entropy
        self._clock = clock
        self._lifetime = lifetime
        self._sending: dict[Operation, _Sending] = {}

    def of(self, operation: Operation) -> str:
        """Return the nonce to send an operation with."""
        if operation not in self._sending:
            self._sending[operation] = _Sending(self._entropy(_BYTES).hex())
        return self._sending[operation].nonce

    def over(self, operation: Operation) -> None:
        """Note that an operation's call is over."""
        self._sending.pop(operation, None)

    def failed(self, operation: Operation, error: CallError) -> CallError:
        """Note how a call failed; return what that says of the operation."""
        if error.code == REPEATED:
            return self._repeated(operation, error)
        if error.answered or not error.facts.in_doubt:
            self.over(operation)
        return error

    def _repeated(self, operation: Operation, error: CallError) -> CallError:
        """An earlier copy was taken, and what became of it was said to nobody."""
        now, sending = self._clock(), self._sending[operation]
        taken = now if sending.taken is None else sending.taken
        if facts_of(operation).repeatable or now - taken >= self._lifetime:
            self.over(operation)
        else:
            self._sending[operation] = replace(sending, taken=taken)
        message = (
            f"{name_of(operation)} reached the KMS before, and the answer was lost; it refuses to take it twice. It "
            "may have been carried out."
        )
        facts = ErrorFacts(error.status, message, retry=True, in_doubt=True)
        return CallError(REPEATED, message, facts, status=error.status, request_id=error.request_id)
