"""Dry runs: what the API says of a call that was only tried out (API reference, DryRun).

It always fails, with one of three codes: DryRunOperationError where the call would have succeeded, AccessDeniedError
where it is not permitted, ValidationError where anything else about it is wrong. The audit entry has the reason itself.
"""

from __future__ import annotations

from typing import Any, Final

from kmsplan.engine.dataplane.answer import Answer
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.kms.error import KmsError

_DENIED: Final = "Forbidden.NoPermission"
_NO_VERDICT: Final = frozenset({"DryRunOperationError", "Rejected.Unavailable", "Throttling"})
"""One is an outcome already; the others tell of this moment and not of the call."""
_CALLER: Final = "InvalidAccessKeyId."
_ANSWERED: Final = frozenset({400, 404, 409})
"""Statuses of what is wrong with a call; the rest is the server's business."""


def verdict(error: KmsError) -> KmsError:
    """Return what a dry run answers where the call itself would have answered with an error."""
    if error.code == _DENIED:
        code = "AccessDeniedError"
    elif error.facts.status not in _ANSWERED or error.code in _NO_VERDICT or error.code.startswith(_CALLER):
        return error
    else:
        code = "ValidationError"
    return KmsError(code, f"The request would have failed: {error.message} ({error.code})", request_id=error.request_id)


class Rehearsal(Answer[Any]):
    """The answer to a dry run.

    Args:
        made: the engine's.
    """

    __slots__ = ("_made",)

    def __init__(self, made: Answer[Any]) -> None:
        super().__init__(made.value, made.ticket, made.again)
        self._made = made

    def value(self) -> Any:
        """Raise what the call would have come to; see `Answer.value`."""
        try:
            return self._made.value()
        except KmsError as error:
            raise verdict(error) from error
        except InvalidCiphertextError:
            # No more than that: a reason would be an oracle, in a dry run as well.
            opaque = KmsError("InvalidParameter", 'The specified parameter "CiphertextBlob" is not valid.')
            raise verdict(opaque) from None

    def again(self) -> Answer[Any]:
        """Make the call again."""
        return Rehearsal(self._made.again())
