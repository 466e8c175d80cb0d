"""From module, label and PIN to a token that is logged in; every way it can fail is a fault of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pkcs11 import TokenFlag
from pkcs11.exceptions import (
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    TokenNotPresent,
    TokenNotRecognised,
    UserPinNotInitialized,
)

from kmsplan.engine.hsm.cryptoki import Library
from kmsplan.engine.hsm.message import Fault, TokenFaultError

if TYPE_CHECKING:
    from pkcs11.types import Session, Token

_LOGIN_FAULTS: Final[tuple[tuple[type[PKCS11Error], Fault], ...]] = (
    (PinLocked, Fault.PIN_LOCKED),
    (PinIncorrect, Fault.PIN_REFUSED),
    (PinInvalid, Fault.PIN_REFUSED),
    (PinLenRange, Fault.PIN_REFUSED),
    (PinExpired, Fault.PIN_REFUSED),
    (UserPinNotInitialized, Fault.TOKEN_UNINITIALISED),
)


# Return values that python-pkcs11 has no class for.
_UNNAMED: Final = {
    "Unmapped error code 0x68": "KeyFunctionNotPermitted",
    "Unmapped error code 0x140": "CurveNotSupported",
}


def words(error: BaseException) -> str:
    """Return the name of a PKCS#11 error, and what is said with it."""
    name, said = type(error).__name__, str(error)
    return _UNNAMED.get(said) or (f"{name} ({said})" if said else name)


def load(module: str) -> Library:
    """Load and initialise a module.

    Raises:
        TokenFaultError: MODULE_UNUSABLE.
    """
    # A bare file name is looked up by the dynamic loader, so only a path can be missing.
    if "/" in module and not Path(module).is_file():
        raise TokenFaultError(Fault.MODULE_UNUSABLE, "there is no such file")
    try:
        return Library(module)
    except (PKCS11Error, OSError, AttributeError) as error:
        raise TokenFaultError(Fault.MODULE_UNUSABLE, words(error)) from error


def find(library: Library, label: str) -> Token:
    """Return the one initialised token with that label.

    Raises:
        TokenFaultError: TOKEN_MISSING, TOKEN_AMBIGUOUS, TOKEN_UNINITIALISED, SICK.
    """
    tokens = _tokens(library)
    named = [token for token in tokens if token.label == label and token.flags & TokenFlag.TOKEN_INITIALIZED]
    if not named:
        raise TokenFaultError(Fault.TOKEN_MISSING, _present(tokens))
    if len(named) > 1:
        serials = ", ".join(token.serial.decode(errors="replace") for token in named)
        raise TokenFaultError(Fault.TOKEN_AMBIGUOUS, f"serial numbers {serials}")
    if not named[0].flags & TokenFlag.USER_PIN_INITIALIZED:
        raise TokenFaultError(Fault.TOKEN_UNINITIALISED, "CKF_USER_PIN_INITIALIZED is not set")
    return named[0]


def log_in(token: Token, pin: bytes) -> Session:
    """Open the session that keeps the process logged in; closing it would log out all others (5.6).

    Raises:
        TokenFaultError: PIN_REFUSED, PIN_LOCKED, TOKEN_UNINITIALISED, SICK.
    """
    if token.flags & TokenFlag.USER_PIN_LOCKED:
        raise TokenFaultError(Fault.PIN_LOCKED, "CKF_USER_PIN_LOCKED is set")
    try:
        return token.open(rw=True, user_pin=pin.decode())
    except UnicodeDecodeError:
        # The decoding error would quote the PIN.
        raise TokenFaultError(Fault.PIN_REFUSED, "it is not UTF-8 text, which a PIN must be") from None
    except PKCS11Error as error:
        fault = next((fault for kind, fault in _LOGIN_FAULTS if isinstance(error, kind)), Fault.SICK)
        raise TokenFaultError(fault, words(error)) from error


def _tokens(library: Library) -> list[Token]:
    found = []
    try:
        for slot in library.get_slots(token_present=True):
            try:
                found.append(slot.get_token())
            except (TokenNotPresent, TokenNotRecognised):
                continue
    except PKCS11Error as error:
        raise TokenFaultError(Fault.SICK, words(error)) from error
    return found


def _present(tokens: list[Token]) -> str:
    labels = sorted(token.label for token in tokens if token.flags & TokenFlag.TOKEN_INITIALIZED)
    named = "the tokens " + ", ".join(map(repr, labels)) if labels else "no token at all"
    blank = len(tokens) - len(labels)
    return named + (f", and {blank} not initialised" if blank else "")
