"""What the feature matrix promises of a type of key, as operations that the engine is asked to carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateAlias,
    DeleteAlias,
    DisableKey,
    EnableKey,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
    TagResources,
    UntagResources,
    UpdateKeyDescription,
)
from kmsplan.kms.policy import default_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.kms.operation import Operation

FEATURES: Final[Mapping[str, tuple[Callable[[str, str], Operation], ...]]] = {
    "schedule_deletion": (
        lambda key, _: ScheduleKeyDeletion(key=key, window_days=7),
        lambda key, _: CancelKeyDeletion(key=key),
    ),
    "deletion_protection": (
        lambda key, _: SetDeletionProtection(key=key, enable=True),
        lambda key, _: SetDeletionProtection(key=key, enable=False),
    ),
    "policy": (lambda key, account: SetKeyPolicy(key=key, policy=default_policy(account)),),
    "manage": (
        lambda key, _: DisableKey(key=key),
        lambda key, _: EnableKey(key=key),
        lambda key, _: UpdateKeyDescription(key=key, description="new"),
    ),
    "aliases": (
        lambda key, _: CreateAlias(alias="alias/mine", key=key),
        lambda _key, _account: DeleteAlias(alias="alias/mine"),
    ),
    "tags": (
        lambda key, _: TagResources(resource=key, resource_type="key", tags={"a": "b"}),
        lambda key, _: UntagResources(resource=key, resource_type="key", tag_keys=("a",)),
    ),
}
"""By feature, for a key's id and its account; where there are several operations, they leave the key as it was."""
