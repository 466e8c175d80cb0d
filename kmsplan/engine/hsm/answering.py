"""What the worker says to a request: the operation's result, or the fault that it ended with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.message import Fault, Op, TokenFaultError, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.engine.hsm.driver import Driver
    from kmsplan.engine.hsm.message import Frame
    from kmsplan.engine.hsm.seat import Seat

OK: Final = 0
_WAS_THERE: Final = b"1"
_MAKING: Final = frozenset({Op.GENERATE, Op.UNWRAP})
"""What makes token objects that wait for their client's commit; their reference is the third field."""


class Clerk:
    """Answers requests in one thread, from the first one on with a session on the token.

    Args:
        driver: the token.
    """

    def __init__(self, driver: Driver) -> None:
        from kmsplan.engine.hsm.handling import HANDLERS  # noqa: PLC0415 - python-pkcs11 is an extra that may be missing

        self._driver = driver
        self._handlers = HANDLERS
        self._seat: Seat | None = None

    def answers(self, requests: Sequence[Frame]) -> bytes:
        """Return the answers to requests, one behind the other."""
        if len(requests) == 1:
            return pack(*self._answer(*requests[0]))
        return b"".join([pack(*self._answer(*request)) for request in requests])

    def take_back(self, requests: Sequence[Frame], answers: bytes) -> None:
        """Destroy what was made by a request whose answer nobody took: no client will ever name it.

        Also where it failed: somebody who destroyed one half of it while the other was made may have been the reason.

        Args:
            requests: of a lane for long calls, which come one at a time.
            answers: to them.
        """
        ((op, fields),) = requests
        code, said = unpack(answers)
        was_there = op == Op.GENERATE and code == OK and said[0] == _WAS_THERE
        if op in _MAKING and fields[2] and not was_there:
            self._answer(Op.DESTROY, [fields[2]])

    def _answer(self, op: int, fields: list[bytes]) -> Frame:
        try:
            if self._seat is None:
                self._seat = self._driver.seat()
            return OK, self._handlers[op](self._driver, self._seat, fields)
        except TokenFaultError as error:
            return fault(error)
        except Exception as error:  # noqa: BLE001 - there must be an answer
            return fault(_unexpected(error))


def fault(error: TokenFaultError) -> Frame:
    """Return the answer that tells a fault."""
    return error.fault, [error.reason.encode()]


def _unexpected(error: Exception) -> TokenFaultError:
    """Say what went wrong without the text of the error, which could quote the request."""
    from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - known to be importable only after the hello

    from kmsplan.engine.hsm.opening import words  # noqa: PLC0415 - as above

    if isinstance(error, PKCS11Error):
        return TokenFaultError(Fault.SICK, words(error))
    at = error.__traceback__
    while at and at.tb_next:
        at = at.tb_next
    place = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else "nowhere"
    return TokenFaultError(Fault.INTERNAL, f"{type(error).__name__} at {place}")
