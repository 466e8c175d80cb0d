"""What can be wrong with an HSM: one class per remedy, and the words for each fault that the worker reports."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.message import Fault
from kmsplan.engine.protection.protocol import (
    InvalidCiphertextError,
    InvalidMaterialError,
    NotOfferedError,
    ProtectionUnavailableError,
    UnfitObjectError,
    WrapperMissingError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.hsm.message import TokenFaultError


class HsmError(ProtectionUnavailableError):
    """The HSM cannot be used now. The message says why and what to do."""


class BindingMissingError(HsmError):
    """python-pkcs11 is not installed."""


class ModuleUnusableError(HsmError):
    """The PKCS#11 module is missing, is none, or does not start."""


class TokenMissingError(HsmError):
    """No token has the label."""


class TokenAmbiguousError(HsmError):
    """Several tokens have the label."""


class TokenUninitialisedError(HsmError):
    """The token has no user PIN yet."""


class PinRefusedError(HsmError):
    """The token refused the PIN. It is not tried again by this process: tokens lock."""


class PinLockedError(HsmError):
    """The token locked itself after wrong PINs."""


class SentinelMissingError(HsmError):
    """The token answers but does not hold the sentinel: it is not the one the keys were made in."""


class MaterialMissingError(HsmError):
    """The token and its sentinel answer, and this key is not there."""


class KeyUnusableError(HsmError):
    """The token and its sentinel answer, and this key object refuses."""


class KekMissingError(HsmError, WrapperMissingError):
    """The token and its sentinel answer, and the key that wraps the encrypted database is not there."""


class NotLoadedError(HsmError):
    """The worker was started anew, or made room: the key's wrapped material has to be given to it again."""


class TokenFailedError(HsmError):
    """The token answers with errors."""


class WorkerDiedError(HsmError):
    """The worker process ended; what it was doing may have been done or not."""


class WorkerTimeoutError(HsmError):
    """The token did not answer within the call's time limit."""


_INIT = "softhsm2-util --init-token --free --label {token!r}"
_WHERE = "token {token!r} of the PKCS#11 module {module}"
# Fault: class, what is wrong, what to do.
_WORDS: Final[Mapping[Fault, tuple[type[HsmError], str, str]]] = MappingProxyType(
    {
        Fault.BINDING_MISSING: (
            BindingMissingError,
            "token {token!r} cannot be used: the Python package python-pkcs11 cannot be loaded ({reason})",
            "Install it: pip install 'kmsplan[hsm]'",
        ),
        Fault.MODULE_UNUSABLE: (
            ModuleUnusableError,
            "the PKCS#11 module {module} of token {token!r} cannot be used: {reason}",
            "Correct hsm.module or install it; SoftHSM needs SOFTHSM2_CONF and its token folder too",
        ),
        Fault.TOKEN_MISSING: (
            TokenMissingError,
            "the PKCS#11 module {module} has no token labelled {token!r}; it has {reason}",
            "Correct hsm.token, connect the token or put its folder back, or make one: " + _INIT,
        ),
        Fault.TOKEN_AMBIGUOUS: (
            TokenAmbiguousError,
            "the PKCS#11 module {module} has several tokens labelled {token!r} ({reason}): the wrong one could be used",
            "Give the other tokens another label, or remove them",
        ),
        Fault.TOKEN_UNINITIALISED: (
            TokenUninitialisedError,
            _WHERE + " has no user PIN yet ({reason})",
            "Set one: pkcs11-tool --module {module} --login --login-type so --init-pin",
        ),
        Fault.PIN_REFUSED: (
            PinRefusedError,
            _WHERE + " refuses the PIN ({reason})",
            "Correct what hsm.pin refers to and start again; it is not tried twice: tokens lock after wrong tries",
        ),
        Fault.PIN_LOCKED: (
            PinLockedError,
            _WHERE + " has locked its user PIN ({reason})",
            "Its security officer unlocks it: pkcs11-tool --module {module} --login --login-type so --init-pin",
        ),
        Fault.ABSENT: (
            MaterialMissingError,
            "token {token!r} does not hold the key {reason}: it was destroyed there",
            "Restore the token from its backup, or schedule the deletion of the key",
        ),
        Fault.UNUSABLE: (
            KeyUnusableError,
            "token {token!r} works, but not with this key: {reason}",
            "See pkcs11-tool --module {module} --list-objects, and restore the token from its backup if it is damaged",
        ),
        Fault.NOT_LOADED: (
            NotLoadedError,
            "the worker of token {token!r} does not keep the key long enough to use it",
            "Too many keys of the encrypted database are in use at once; try again with fewer",
        ),
        Fault.NO_KEK: (
            KekMissingError,
            "token {token!r} does not hold the object {reason!r}, which wraps the keys kept as HsmEncryptedDatabase",
            "Restore the token from its backup, or schedule the deletion of these keys",
        ),
        Fault.NO_SENTINEL: (
            SentinelMissingError,
            _WHERE
            + " does not hold the object 'kmsplan-sentinel', so nothing can be said of its keys: it is not the token "
            "they were made in, or it was initialised again, or its store is gone",
            "Put the right token or its backup in place",
        ),
        Fault.SICK: (
            TokenFailedError,
            _WHERE + " does not work: {reason}",
            "Check the token, its store (permissions, free space) and its connection, then try again",
        ),
        Fault.INTERNAL: (
            TokenFailedError,
            "the worker of token {token!r} failed: {reason}",
            "This is a defect of kmsplan; please report it",
        ),
    }
)


def from_fault(error: TokenFaultError, module: str, token: str) -> Exception:
    """Return the error for people that a fault stands for: an HsmError, or what the caller did wrong."""
    if error.fault is Fault.INVALID_CIPHERTEXT:
        return InvalidCiphertextError()
    if error.fault is Fault.INVALID_MATERIAL:
        return InvalidMaterialError()
    if error.fault is Fault.UNFIT:
        return UnfitObjectError(error.reason)
    if error.fault is Fault.INCAPABLE:
        return NotOfferedError(f"token {token!r} of the PKCS#11 module {module} {error.reason}")
    kind, what, remedy = _WORDS[error.fault]
    return kind(f"{what}. {remedy}".format(module=module, token=token, reason=error.reason))
