"""The operations and what carries each of them out: one table, and the way from an operation to its result."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine import parameter, schedule
from kmsplan.engine.action import alias, creating, importing, instance, key, releasing, tag, version
from kmsplan.engine.action.work import Work
from kmsplan.engine.execution import admitted, commit
from kmsplan.kms import operation as operations
from kmsplan.kms.operation import Operation, name_of
from kmsplan.kms.wire import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What one operation adds to the execution path."""

    carry_out: Callable[[Work, Any], str | None]
    """In the transaction: checks, changes, returns the id of what it made."""
    prepare: Callable[..., AbstractContextManager[Any]] | None = None
    """Before the transaction: what takes time or leaves the database, and undoes it if the transaction fails."""
    commits_first: bool = False
    """Whether `prepare` commits what it is about to do before it leaves anything outside the database."""
    afterwards: Callable[[Core, str], None] | None = None
    """After the commit, with the key's id."""
    uses_keys: bool = False
    """Whether a sealed engine refuses it."""
    touches: bool = True
    """Whether it changes what any process may remember of keys and callers; see `Keystore.submit`."""


def _rotate_if_due(core: Core, key_id: str) -> None:
    schedule.rotate_due(core, only=key_id)


HANDLERS: Final[Mapping[Callable[..., Operation], Handler]] = MappingProxyType(
    {
        operations.CreateInstance: Handler(prepare=instance.connected, carry_out=instance.create),
        operations.ModifyInstance: Handler(prepare=instance.moved, carry_out=instance.modify),
        operations.ReleaseKmsInstance: Handler(prepare=releasing.emptied, carry_out=releasing.release),
        operations.ConnectKmsInstance: Handler(carry_out=instance.connect),
        operations.UpdateKmsInstanceBindVpc: Handler(carry_out=instance.bind),
        operations.UpdateKmsInstance: Handler(carry_out=instance.rename),
        operations.CreateKey: Handler(
            prepare=creating.with_material,
            commits_first=True,
            carry_out=creating.create,
            uses_keys=True,
            touches=False,  # nobody remembers a key that was not there
        ),
        operations.CreateKeyVersion: Handler(
            prepare=version.with_material, commits_first=True, carry_out=version.create, uses_keys=True
        ),
        operations.EnableKey: Handler(carry_out=key.set_enabled, afterwards=_rotate_if_due),
        operations.DisableKey: Handler(carry_out=key.set_enabled),
        operations.ScheduleKeyDeletion: Handler(carry_out=key.schedule_deletion),
        operations.CancelKeyDeletion: Handler(carry_out=key.cancel_deletion, afterwards=_rotate_if_due),
        operations.ImportKeyMaterial: Handler(carry_out=importing.refuse_import),
        operations.DeleteKeyMaterial: Handler(carry_out=importing.delete, afterwards=importing.destroy_condemned),
        operations.SetDeletionProtection: Handler(carry_out=key.set_protection),
        operations.UpdateKeyDescription: Handler(carry_out=key.describe),
        operations.UpdateRotationPolicy: Handler(carry_out=key.set_rotation, afterwards=_rotate_if_due),
        operations.SetKeyPolicy: Handler(carry_out=key.set_policy),
        operations.TagResource: Handler(carry_out=tag.put_one),
        operations.UntagResource: Handler(carry_out=tag.remove_one),
        operations.TagResources: Handler(carry_out=tag.put),
        operations.UntagResources: Handler(carry_out=tag.remove),
        operations.CreateAlias: Handler(carry_out=alias.create),
        operations.UpdateAlias: Handler(carry_out=alias.update),
        operations.DeleteAlias: Handler(carry_out=alias.delete),
    }
)

# The parameter that says what an operation is about, the first that it has.
_SUBJECTS: Final = ("KeyId", "KmsInstanceId", "ResourceId", "AliasName", "DKMSInstanceId")


def execute(core: Core, caller: Caller, operation: Operation, intent: Callable[[], None] | None = None) -> str | None:
    """Carry out one operation; return the id of what it made.

    The intent is left to the transaction where nothing can have happened before that: those of all operations in it
    cost one flush then, and no thread has to wait for two.

    Raises:
        KmsError: it was refused.
        EngineError: the engine failed.
    """
    handler = HANDLERS[type(operation)]
    values = parameters(operation)
    subject = _subject(values)
    request = core.request(caller, name_of(operation), subject)
    request.intent = intent
    if intent is not None and handler.prepare is not None and not handler.commits_first:
        intent()
    with admitted(core, request):
        parameter.check(request.action, values)
        request.parameters = values
        with handler.prepare(core, request, operation) if handler.prepare else nullcontext() as made:

            def carry_out(transaction: Transaction) -> str | None:
                work = Work(core=core, db=transaction.db, request=request, made=made)
                return handler.carry_out(work, operation)

            result = commit(core, request, carry_out, uses_keys=handler.uses_keys, touches=handler.touches)
    if handler.afterwards is not None:
        handler.afterwards(core, str(request.resource))
    return result


def _subject(values: Mapping[str, Any]) -> str | None:
    """Return what an operation is about; several resources as a list."""
    subject = next((values[name] for name in _SUBJECTS if name in values), None)
    if isinstance(subject, tuple):
        return ",".join(map(str, subject))
    return None if subject is None else str(subject)
