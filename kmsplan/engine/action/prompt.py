"""CreateKey for an event loop, which waits for nothing: of keys that are made sooner than handed to a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Never

from kmsplan.engine import parameter
from kmsplan.engine.access.decision import admit
from kmsplan.engine.action import creating
from kmsplan.engine.action.work import Work
from kmsplan.engine.error import KeystoreError
from kmsplan.engine.execution import hand_in, refused
from kmsplan.engine.reading.key import view
from kmsplan.kms.operation import name_of
from kmsplan.kms.spec import SPECS, KeyType
from kmsplan.kms.wire import parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.transaction import Ticket, Transaction
    from kmsplan.engine.reading.view import KeyView
    from kmsplan.kms.operation import CreateKey

    Done = Callable[[Callable[[], KeyView]], None]

_HOMES: Final = frozenset({KeyType.SOFTWARE, KeyType.DEFAULT_CMK})
_SPECS: Final = frozenset(spec.value for spec, facts in SPECS.items() if facts.symmetric)
"""Their material is random bytes. A key pair is tried out before it is kept, which takes longer."""


def create_key(core: Core, caller: Caller, operation: CreateKey, done: Done) -> bool:
    """Create a key, unless that may take its time; return whether it was begun.

    Args:
        core: the engine.
        caller: for whom. One who claims a nonce that nodes share waits for their database.
        operation: with identities for references.
        done: called from whatever thread once it is on disk, with what returns the key or raises why there is none.

    Raises:
        KeystoreError: nothing can be read, so nothing was done.
    """
    if operation.spec not in _SPECS or caller.claim is not None:
        return False
    request = core.request(caller, name_of(operation), None if operation.instance is None else str(operation.instance))
    values = parameters(operation)
    try:
        admit(request, core.identity.account)
        parameter.check(request.action, values)
        request.parameters = values
        home = creating.home_of(core, operation)
        if home.type not in _HOMES:
            return False
        made = creating.made_here(core, request, operation, home)
    except KeystoreError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is audited, and then it is the answer
        _refuse(core, request, error, done)
        return True

    def carry_out(transaction: Transaction) -> KeyRow:
        return creating.add(Work(core=core, db=transaction.db, request=request, made=made), operation)

    def written(ticket: Ticket[KeyRow]) -> None:
        error = ticket.error
        if isinstance(error, Exception) and not isinstance(error, KeystoreError):
            _refuse(core, request, error, done)
        else:
            done(lambda: view(ticket.value(), KeyType(home.type), core.identity.arn_prefix))

    hand_in(core, request, carry_out, uses_keys=True, touches=False).then(written)
    return True


def _refuse(core: Core, request: Request, error: Exception, done: Done) -> None:
    """Audit why there is no key, and then tell."""
    try:
        ticket = refused(core, request, error)
    except RuntimeError as closed:  # the engine was, and this is one of its writing thread's last answers
        done(_raiser(closed))
    else:
        ticket.then(lambda noted: done(_raiser(noted.error or error)))


def _raiser(error: BaseException) -> Callable[[], Never]:
    def fail() -> Never:
        raise error

    return fail
