"""The way back from each operation, for `apply --on-error=revert`: a table, so that none is forgotten.

What destroys is nobody's automatic way back: a key that was made is left and named, not scheduled for deletion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.operation import CreateAlias, DeleteAlias, Reference
from kmsplan.resource.address import is_retired, kind_of
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Effect, Status, Step

if TYPE_CHECKING:
    from kmsplan.resource.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An operation that was carried out."""

    address: Address
    identity: str
    step: Step
    before: Mapping[str, Any]
    """The object's attributes before it; references are addresses, or identities of what nobody manages."""


@dataclass(frozen=True, slots=True)
class Inverse:
    """What undoes one kind of operation, or why nothing does."""

    steps: Callable[[Done], tuple[Step, ...]] | None = None
    reason: str = ""
    """Why it is left as it is; empty where it is undone."""
    keeps: bool = False
    """Whether what its change did after it is left, too: a key that stays is left protected and tagged."""


def _set_back(done: Done) -> tuple[Step, ...]:
    """Give the attributes that it set the values that they had."""
    reached = {**done.before, **done.step.effect.attributes}
    return KINDS[kind_of(done.address)].update(done.identity, reached, done.before)


def _cancel(done: Done) -> tuple[Step, ...]:
    """Cancel the deletion; the key comes back enabled, and is disabled again if it was."""
    restore = KINDS[kind_of(done.address)].restore
    if restore is None:
        return ()
    cancel, *rest = restore(done.identity, done.before, done.before)
    status = Status.RETIRED if is_retired(done.address) else Status.READY
    return (replace(cancel, effect=replace(cancel.effect, status=status)), *rest)


def _delete_alias(done: Done) -> tuple[Step, ...]:
    return (Step(operation=DeleteAlias(alias=done.identity), effect=Effect(removes=True)),)


def _create_alias(done: Done) -> tuple[Step, ...]:
    operation = CreateAlias(alias=done.identity, key=Reference(done.before["key"]))
    return (Step(operation=operation, effect=Effect(attributes=dict(done.before))),)


def _left(reason: str, *, keeps: bool = False) -> Inverse:
    return Inverse(reason=reason, keeps=keeps)


_SET_BACK: Final = Inverse(_set_back)
_NOT_PLANNED: Final = "no plan contains it"

INVERSES: Final[Mapping[str, Inverse]] = MappingProxyType(
    {
        "CreateInstance": _left("it was made and stays: undoing that would release it", keeps=True),
        "ModifyInstance": _SET_BACK,
        "ReleaseKmsInstance": _left("it is gone, and nothing brings it back"),
        "ConnectKmsInstance": _left(_NOT_PLANNED),
        "UpdateKmsInstanceBindVpc": _left(_NOT_PLANNED),
        "UpdateKmsInstance": _left(_NOT_PLANNED),
        "CreateKey": _left("it was made and stays: undoing that would schedule its deletion", keeps=True),
        "CreateKeyVersion": _left("its new version stays: the KMS takes none back"),
        "EnableKey": _SET_BACK,
        "DisableKey": _SET_BACK,
        "ScheduleKeyDeletion": Inverse(_cancel),
        "CancelKeyDeletion": _left("it was restored and stays: undoing that would schedule its deletion", keeps=True),
        "ImportKeyMaterial": _left("its material stays: undoing that would destroy it"),
        "DeleteKeyMaterial": _left("its material is gone; the same material can be imported again"),
        "SetDeletionProtection": _SET_BACK,
        "UpdateKeyDescription": _SET_BACK,
        "UpdateRotationPolicy": _SET_BACK,
        "SetKeyPolicy": _SET_BACK,
        "TagResource": _SET_BACK,
        "UntagResource": _SET_BACK,
        "TagResources": _SET_BACK,
        "UntagResources": _SET_BACK,
        "CreateAlias": Inverse(_delete_alias),
        "UpdateAlias": _SET_BACK,
        "DeleteAlias": Inverse(_create_alias),
    }
)
"""By the operation's name."""
