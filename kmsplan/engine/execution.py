"""The execution path, written once: authorise, load, check the state table, do, persist, audit.

What an operation does in the database, it does in one transaction with its audit entry. What it does outside, in an HSM
or with an unwrapped key, it does before, and the transaction checks again what may have changed meanwhile.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from kmsplan.engine.access.decision import admit
from kmsplan.engine.access.lookup import require_active
from kmsplan.engine.audit import OK
from kmsplan.engine.core import sealed
from kmsplan.engine.error import KeystoreError
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.transaction import Ticket, Transaction

T = TypeVar("T")


@contextmanager
def admitted(core: Core, request: Request) -> Iterator[None]:
    """Authorise a request, and audit it where it fails.

    Raises:
        KmsError: it is refused.
    """
    try:
        admit(request, core.identity.account)
        yield
    except KeystoreError:
        raise  # nothing can be written now, so nothing was done
    except Exception as error:
        refused(core, request, error).wait()
        raise


def refused(core: Core, request: Request, error: Exception) -> Ticket[KmsError | None]:
    """Hand in the audit entry of a request that failed; the ticket's result is another error where it was a replay."""
    result = result_of(error)
    if isinstance(error, KmsError):
        error.request_id = request.request_id
    claim = request.caller.claim

    def note(transaction: Transaction) -> KmsError | None:
        replay = None if claim is None else claim.refusal()
        transaction.entries.append(request.entry(result if replay is None else replay.code))
        if replay is not None:
            replay.request_id = request.request_id
        return replay

    return core.store.submit(note, touches=False, records=True, claim=claim)


def result_of(error: Exception) -> str:
    """Return what the audit trail says of a failure."""
    return error.code if isinstance(error, KmsError) else type(error).__name__.removesuffix("Error")


def commit(
    core: Core, request: Request, work: Callable[[Transaction], T], *, uses_keys: bool = False, touches: bool = True
) -> T:
    """Run `work` and audit its success in one transaction; return when both are on disk. See `hand_in`.

    Raises:
        Exception: what the request's intent raised; then nothing was done.
    """
    run = _audited(core, request, work, uses_keys=uses_keys)
    return core.store.write(run, touches=touches, intent=request.intent)


def hand_in(
    core: Core, request: Request, work: Callable[[Transaction], T], *, uses_keys: bool, touches: bool
) -> Ticket[T]:
    """Hand in `work` and the audit entry of its success, for one transaction; the ticket tells of their commit.

    Args:
        core: the engine.
        request: what is audited.
        work: checks what must be true and changes the database.
        uses_keys: whether a seal, by whatever process, forbids it.
        touches: see `Keystore.submit`.
    """
    run = _audited(core, request, work, uses_keys=uses_keys)
    return core.store.submit(run, touches=touches, intent=request.intent)


def _audited(
    core: Core, request: Request, work: Callable[[Transaction], T], *, uses_keys: bool
) -> Callable[[Transaction], T]:
    """Return `work` with the checks before it and the audit entry after it."""

    def run(transaction: Transaction) -> T:
        if uses_keys:
            require_unsealed(core, transaction)
        require_current(transaction, request.caller)
        result = work(transaction)
        transaction.entries.append(request.entry(OK))
        return result

    return run


def require_current(transaction: Transaction, caller: Caller) -> None:
    """Check, where anything has changed since, that the caller's access key was not ended meanwhile.

    Raises:
        KmsError: InvalidAccessKeyId.Inactive or .NotFound.
    """
    if caller.account is not None and caller.generation != transaction.generation:
        require_active(transaction.db, caller.actor)


def require_unsealed(core: Core, transaction: Transaction) -> None:
    """Check that no process has sealed the engine; if one has, forget the keys here too.

    Raises:
        KmsError: Rejected.Sealed.
    """
    if transaction.sealed:
        core.seal()
        raise sealed()
