"""The state machine of a key: which action each state allows, and where it leads.

Source: the state table of the KMS API reference. Cells that no source fills are marked; they take the reading
that loses no key.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Mapping


class KeyState(StrEnum):
    """A key's state as DescribeKey returns it."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"
    PENDING_IMPORT = "PendingImport"
    UNAVAILABLE = "Unavailable"
    """The HSM or external key manager behind it does not answer or does not know it."""


_OK = None
_D, _PD, _PI = "Rejected.Disabled", "Rejected.PendingDeletion", "Rejected.PendingImport"
_U = "Rejected.Unavailable"
_SMF = "Rejected.StateModifiedFailed"

_COLUMNS = (
    KeyState.ENABLED,
    KeyState.DISABLED,
    KeyState.PENDING_DELETION,
    KeyState.PENDING_IMPORT,
    KeyState.UNAVAILABLE,
)
# The Unavailable column is ours: metadata answers, nothing that needs the material does.
_CRYPTO = (_OK, _D, _PD, _PI, _U)
_READ = (_OK, _OK, _OK, _OK, _OK)
_ANNOTATE = (_OK, _OK, _PD, _OK, _OK)
_MODIFY = (_OK, _OK, _SMF, _SMF, _OK)

_ROWS: Final[Mapping[str, tuple[str | None, ...]]] = MappingProxyType(
    {
        "Encrypt": _CRYPTO,
        "Decrypt": _CRYPTO,
        "GenerateDataKey": _CRYPTO,
        "GenerateDataKeyWithoutPlaintext": _CRYPTO,
        # Not in the published table; they use material, so they follow the rows above.
        "ReEncrypt": _CRYPTO,
        "ExportDataKey": _CRYPTO,
        "GenerateAndExportDataKey": _CRYPTO,
        "AsymmetricEncrypt": _CRYPTO,
        "AsymmetricDecrypt": _CRYPTO,
        "AsymmetricSign": _CRYPTO,
        "AsymmetricVerify": _CRYPTO,
        "GetPublicKey": _CRYPTO,
        "GenerateMac": _CRYPTO,
        "VerifyMac": _CRYPTO,
        "CreateKeyVersion": _CRYPTO,
        "UpdateRotationPolicy": _CRYPTO,
        "DescribeKey": _READ,
        "ListKeys": _READ,
        "ListAliases": _READ,
        "ListAliasesByKeyId": _READ,
        "ListResourceTags": _READ,
        "ListTagResources": _READ,
        "DescribeKeyVersion": _READ,
        "ListKeyVersions": _READ,
        "GetKeyPolicy": _READ,
        "UpdateKeyDescription": _ANNOTATE,
        "TagResource": _ANNOTATE,
        "UntagResource": _ANNOTATE,
        "TagResources": _ANNOTATE,
        "UntagResources": _ANNOTATE,
        "EnableKey": _MODIFY,
        "DisableKey": _MODIFY,
        "ScheduleKeyDeletion": (_OK, _OK, _SMF, _OK, _OK),
        "CancelKeyDeletion": (_SMF, _SMF, _OK, _SMF, _SMF),
        "CreateAlias": (_OK, _OK, _SMF, _OK, _OK),
        "UpdateAlias": _ANNOTATE,  # the state of the target key alone counts
        "DeleteAlias": _READ,
        "GetParametersForImport": _READ,
        "DeleteKeyMaterial": _READ,
        "ImportKeyMaterial": (_OK, _OK, _SMF, _OK, _OK),
        # The code for PendingDeletion is published nowhere; the annotating actions' code is taken.
        "SetDeletionProtection": _ANNOTATE,
        "SetKeyPolicy": _ANNOTATE,
    }
)

LIFECYCLE: Final[Mapping[tuple[str, KeyState], str | None]] = MappingProxyType(
    {(action, state): code for action, row in _ROWS.items() for state, code in zip(_COLUMNS, row, strict=True)}
)
"""(action, state) -> None where allowed, else the error code."""

TRANSITIONS: Final[Mapping[tuple[str, KeyState], KeyState]] = MappingProxyType(
    {
        ("EnableKey", KeyState.ENABLED): KeyState.ENABLED,
        ("EnableKey", KeyState.DISABLED): KeyState.ENABLED,
        ("DisableKey", KeyState.ENABLED): KeyState.DISABLED,
        ("DisableKey", KeyState.DISABLED): KeyState.DISABLED,
        ("ScheduleKeyDeletion", KeyState.ENABLED): KeyState.PENDING_DELETION,
        ("ScheduleKeyDeletion", KeyState.DISABLED): KeyState.PENDING_DELETION,
        ("ScheduleKeyDeletion", KeyState.PENDING_IMPORT): KeyState.PENDING_DELETION,
        # Alibaba's own: a cancelled deletion enables the key, even if it was disabled before.
        ("CancelKeyDeletion", KeyState.PENDING_DELETION): KeyState.ENABLED,
        ("ImportKeyMaterial", KeyState.PENDING_IMPORT): KeyState.ENABLED,
        ("DeleteKeyMaterial", KeyState.ENABLED): KeyState.PENDING_IMPORT,
        ("DeleteKeyMaterial", KeyState.DISABLED): KeyState.PENDING_IMPORT,
    }
)
"""(action, state) -> next state; an allowed action without an entry leaves the state as it is.

CancelKeyDeletion of a key without material goes to PendingImport instead (the engine knows, the table cannot).
"""


def check(action: str, state: KeyState) -> None:
    """Raise the API's error where `state` does not allow `action`.

    Raises:
        KmsError: with the code of the state table, HTTP 409.
    """
    code = LIFECYCLE[action, state]
    if code is not None:
        raise KmsError(code, f"{action} was rejected because the key state is {state}.")


def after(action: str, state: KeyState) -> KeyState:
    """Return the state that an allowed `action` leads to."""
    return TRANSITIONS.get((action, state), state)
