"""Answers that may leave once their audit entries are on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.keystore.transaction import Ticket

T = TypeVar("T")


class StaleError(Exception):
    """The key that was used is not the one that the name means any more: the call has to be made again."""


class SlowError(Exception):
    """The call was hurried, and its key takes its time; nothing was done."""


class Answer(Generic[T]):
    """The result of a call whose audit entry is not on disk yet.

    Either wait for it, or be called back by its ticket and then take its value; on StaleError, go on with `again()`.

    Args:
        work: returns the result, or raises why there is none.
        ticket: of the audit entry; its result is what refused the call at the last moment.
        again: makes the call again.
    """

    __slots__ = ("_again", "_work", "ticket")

    def __init__(self, work: Callable[[], T], ticket: Ticket[Any], again: Callable[[], Answer[T]]) -> None:
        self._work = work
        self._again = again
        self.ticket = ticket

    def value(self) -> T:
        """Return the result; only once the ticket is done.

        Raises:
            StaleError: the call has to be made again.
            KmsError: it was refused.
            InvalidCiphertextError: a ciphertext does not open.
            EngineError: the engine failed.
            KeystoreError: it could not be written, so it was not done.
        """
        refusal = self.ticket.value()
        if refusal is not None:
            raise refusal
        return self._work()

    def again(self) -> Answer[T]:
        """Make the call again, with what is true now."""
        return self._again()

    def wait(self) -> T:
        """Wait for the commit; return the result, or raise as `value`."""
        answer = self
        while True:
            answer.ticket.settle()
            try:
                return answer.value()
            except StaleError:
                answer = answer.again()
