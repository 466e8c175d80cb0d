"""What is true of every call of an operation: whether a repeat is harmless, and how an interrupted one is settled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.kms.operation import (
    CancelKeyDeletion,
    ConnectKmsInstance,
    CreateAlias,
    CreateInstance,
    CreateKey,
    CreateKeyVersion,
    DeleteAlias,
    DeleteKeyMaterial,
    DisableKey,
    EnableKey,
    ImportKeyMaterial,
    ModifyInstance,
    ReleaseKmsInstance,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
    TagResource,
    TagResources,
    UntagResource,
    UntagResources,
    UpdateAlias,
    UpdateKeyDescription,
    UpdateKmsInstance,
    UpdateKmsInstanceBindVpc,
    UpdateRotationPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.kms.operation import Operation


class Settle(StrEnum):
    """How an operation that began and never ended is settled."""

    BY_TOKEN = "by token"  # noqa: S105 - a way of settling, no password
    """Look for an object whose owner tag carries the token: none, it was not done; one, it was; more, in doubt."""
    BY_READING = "by reading"
    """Read the object: it was done exactly if every attribute it sets has its new value."""


@dataclass(frozen=True, slots=True)
class OperationFacts:
    """What is true of every call of one operation."""

    operation: Callable[..., Operation]
    repeatable: bool
    """A second identical call succeeds and changes nothing more."""
    settle: Settle
    makes_object: bool = False


OPERATIONS: Final[Mapping[str, OperationFacts]] = MappingProxyType(
    {
        facts.operation.__name__: facts
        for facts in (
            OperationFacts(CreateInstance, repeatable=False, settle=Settle.BY_TOKEN, makes_object=True),
            OperationFacts(ModifyInstance, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(ReleaseKmsInstance, repeatable=False, settle=Settle.BY_READING),
            OperationFacts(ConnectKmsInstance, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(UpdateKmsInstanceBindVpc, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(UpdateKmsInstance, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(CreateKey, repeatable=False, settle=Settle.BY_TOKEN, makes_object=True),
            # A repeat answers Rejected.UnsupportedOperation for the next seven days.
            OperationFacts(CreateKeyVersion, repeatable=False, settle=Settle.BY_READING),
            OperationFacts(EnableKey, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(DisableKey, repeatable=True, settle=Settle.BY_READING),
            # A repeat answers Rejected.StateModifiedFailed.
            OperationFacts(ScheduleKeyDeletion, repeatable=False, settle=Settle.BY_READING),
            OperationFacts(CancelKeyDeletion, repeatable=False, settle=Settle.BY_READING),
            # Only the same material is ever taken, so that a repeat changes nothing.
            OperationFacts(ImportKeyMaterial, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(DeleteKeyMaterial, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(SetDeletionProtection, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(UpdateKeyDescription, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(UpdateRotationPolicy, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(SetKeyPolicy, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(TagResource, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(UntagResource, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(TagResources, repeatable=True, settle=Settle.BY_READING),
            OperationFacts(UntagResources, repeatable=True, settle=Settle.BY_READING),
            # A repeat answers AliasAlreadyExists.
            OperationFacts(CreateAlias, repeatable=False, settle=Settle.BY_READING, makes_object=True),
            OperationFacts(UpdateAlias, repeatable=True, settle=Settle.BY_READING),
            # A repeat answers Forbidden.AliasNotFound.
            OperationFacts(DeleteAlias, repeatable=False, settle=Settle.BY_READING),
        )
    }
)
"""By name of the operation."""


def facts_of(operation: Operation) -> OperationFacts:
    """Return the row of the operation table."""
    return OPERATIONS[type(operation).__name__]
