"""Material that is made in the token and kept outside it, wrapped by a key of the token's (HsmEncryptedDatabase).

The wrapping key (KEK) is a token object that can do nothing else and never leaves. It is made when it is asked for, and
never because it was missed: material that one KEK wrapped is closed to another. Wrapped material is one byte, the KEK's
number, and what RFC 5649 makes of the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pkcs11.exceptions import PKCS11Error, UnwrappingKeyHandleInvalid, WrappingKeyHandleInvalid

from kmsplan.engine.hsm import mechanism
from kmsplan.engine.hsm.cryptoki import BoundKey
from kmsplan.engine.hsm.message import KEK, Fault, TokenFaultError
from kmsplan.engine.hsm.opening import words

if TYPE_CHECKING:
    from pkcs11.types import Session

    from kmsplan.engine.hsm.driver import Driver
    from kmsplan.engine.hsm.seat import Seat
    from kmsplan.kms.spec import KeySpec, KeyUsage

_NUMBER: Final = b"\x01"
_STALE: Final = (WrappingKeyHandleInvalid, UnwrappingKeyHandleInvalid)


def prepare(driver: Driver) -> None:
    """Make the KEK unless it is there.

    Raises:
        TokenFaultError: INCAPABLE where the token has no such keys.
    """
    driver.prepare()
    index = driver.index
    with index.lock:
        index.survey()
        if index.stands(KEK):
            return
        index.destroy(KEK)
        try:
            index.made(KEK, mechanism.generate_wrapping_secret(driver.login, KEK))
        except PKCS11Error as error:
            reason = f"makes no AES key that wraps ({words(error)}); keep the key as HsmInternal"
            raise TokenFaultError(Fault.INCAPABLE, reason) from error


def generate(driver: Driver, seat: Seat, spec: KeySpec, usage: KeyUsage) -> list[bytes]:
    """Make a key, and return it wrapped, and its public parts.

    Raises:
        TokenFaultError: NO_KEK; INCAPABLE where the token does not make or wrap such keys.
    """
    driver.prepare()
    handles: list[int] = []
    try:
        handles = mechanism.generate(seat.session, spec, [usage], None, extractable=True)
        parts = driver.public_parts(seat.session, spec, handles[-1])
        return [keep(driver, seat, handles[0]), *parts]
    except PKCS11Error as error:
        driver.require_sentinel(seat)
        reason = f"does not make {spec} keys that it wraps itself ({words(error)}); keep the key as HsmInternal"
        raise TokenFaultError(Fault.INCAPABLE, reason) from error
    finally:
        discard(driver, seat.session, *handles)


def keep(driver: Driver, seat: Seat, handle: int) -> bytes:
    """Return an extractable key wrapped by the KEK.

    Raises:
        TokenFaultError: NO_KEK; NO_SENTINEL or SICK where nothing can be said.
        PKCS11Error: the token does not wrap it.
    """
    try:
        return _NUMBER + wrapped(seat.session, _keks(driver, seat)[-1], handle)
    except _STALE:
        return _NUMBER + wrapped(seat.session, _keks(driver, seat, afresh=True)[-1], handle)


def wrapped(session: Session, kek: int, handle: int) -> bytes:
    """Return a key wrapped by another (RFC 5649).

    Raises:
        PKCS11Error: the token does not wrap it.
    """
    return mechanism.wrap(BoundKey(session, kek), BoundKey(session, handle))


def load(driver: Driver, seat: Seat, spec: KeySpec, usage: KeyUsage, reference: bytes, material: bytes) -> None:
    """Unwrap a key into a session object, to be used by its reference.

    Raises:
        TokenFaultError: NO_KEK, UNUSABLE where the KEK does not unwrap this; NO_SENTINEL or SICK.
    """
    refusal: PKCS11Error | None = None
    with driver.index.lock:
        for afresh in (False, True):
            # Two processes that made the KEK at one time both made one, and neither knows the other's at first.
            for kek in _keks(driver, seat, afresh=afresh):
                try:
                    handle = mechanism.unwrap(BoundKey(driver.login, kek), spec, usage, material[len(_NUMBER) :])
                except PKCS11Error as error:
                    refusal = error
                    continue
                return driver.loaded.put(reference, handle)
    driver.require_sentinel(seat)
    reason = f"its {mechanism.label(KEK)} does not unwrap what the keystore keeps ({words(refusal or PKCS11Error())})"
    raise TokenFaultError(Fault.UNUSABLE, reason)


def discard(driver: Driver, session: Session, *handles: int) -> None:
    """Destroy session objects."""
    for handle in handles:
        try:
            driver.library.destroy(session, handle)
        except PKCS11Error:
            continue  # it ends with the session


def _keks(driver: Driver, seat: Seat, *, afresh: bool = False) -> list[int]:
    """Return the handles of the KEK, from memory or by a fresh search; there is one, or there are very few.

    Raises:
        TokenFaultError: NO_KEK; NO_SENTINEL or SICK where nothing can be said.
    """
    index = driver.index
    with index.lock:
        if afresh or not index.stands(KEK):
            index.survey()
        if index.stands(KEK):
            return index.objects()[KEK].handles
    driver.require_sentinel(seat)
    raise TokenFaultError(Fault.NO_KEK, mechanism.label(KEK))
