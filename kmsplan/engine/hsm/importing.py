"""Imported material, unwrapped inside the token (BYOK); it is never in the memory of any of our processes.

A symmetric key comes under RSA-OAEP. A private key comes as CKM_RSA_AES_KEY_WRAP says, and is taken in its two steps,
because fewer tokens know the mechanism than know its parts: an AES key under RSA-OAEP, then PKCS#8 under that by RFC
5649.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from pkcs11 import Mechanism
from pkcs11.exceptions import FunctionFailed, GeneralError, PKCS11Error

from kmsplan.engine.hsm import cryptoki, keeping, marking, mechanism
from kmsplan.engine.hsm.cryptoki import BoundKey
from kmsplan.engine.hsm.message import Fault, TokenFaultError
from kmsplan.engine.hsm.opening import words
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from pkcs11.types import Session

    from kmsplan.engine.hsm.driver import Driver
    from kmsplan.engine.hsm.seat import Seat

_MODULUS_BYTES: Final = mechanism.WRAPPING_BITS // 8
_KEY_WRAP_OVERHEAD: Final = 8
_BLOCK: Final = 8
_SICKNESS: Final = (GeneralError, FunctionFailed)


def probe(driver: Driver) -> dict[str, object]:
    """Say what of this the token does, found out by doing it with session objects."""
    found: dict[str, object] = {"oaep": [], "pairs": False, "lengths": False}
    with driver.session() as trial:
        try:
            private, public = mechanism.generate_wrapping_pair(trial, None)
            secret = mechanism.generate(trial, KeySpec.AES_256, [KeyUsage.ENCRYPT], None, extractable=True)[0]
        except PKCS11Error:
            return found
        tried = {name: _unwrapped(trial, private, public, secret, name) for name in mechanism.OAEP}
        keys = [key for key in tried.values() if key is not None]
        found["oaep"] = [name for name, key in tried.items() if key is not None]
        found["lengths"] = bool(keys) and _told_length(driver, trial, keys[0]) == SPECS[KeySpec.AES_256].material_bytes
        found["pairs"] = _unwraps_pairs(trial)
    return found


def wrapping_key(driver: Driver, reference: bytes) -> list[bytes]:
    """Make a wrapping key pair unless it is there, and return its modulus and exponent.

    Raises:
        TokenFaultError: INCAPABLE where the token does not make one.
    """
    driver.prepare()
    index = driver.index
    with index.lock:
        objects = index.objects().get(reference)
        if objects is None or objects.working is None or objects.public is None:
            index.destroy(reference)
            try:
                objects = index.made(reference, mechanism.generate_wrapping_pair(driver.login, reference))
            except PKCS11Error as error:
                raise TokenFaultError(Fault.INCAPABLE, f"makes no RSA key that unwraps ({words(error)})") from error
        return driver.made_public(KeySpec.RSA_2048, objects)


class Unwrapping:
    """One import.

    Args:
        driver: the token.
        seat: the caller's.
        spec: of the key.
        usage: of the key.
        oaep: the algorithm that the wrapping key unwraps by, one of `mechanism.OAEP`.
    """

    def __init__(self, driver: Driver, seat: Seat, spec: KeySpec, usage: KeyUsage, oaep: str) -> None:
        self._driver = driver
        self._seat = seat
        self._session = seat.session
        self._facts = SPECS[spec]
        self._spec = spec
        self._usage = usage
        self._oaep = oaep

    def run(self, reference: bytes | None, wrapping_reference: bytes, wrapped: bytes) -> list[bytes]:
        """Unwrap and keep a key; return what `Op.UNWRAP` says.

        Raises:
            TokenFaultError: INVALID_MATERIAL; ABSENT where the wrapping key is gone; NO_KEK, SICK, NO_SENTINEL.
        """
        self._driver.prepare()
        wrapper = self._driver.find(self._seat, wrapping_reference)
        try:
            with ExitStack() as scratch:
                if self._facts.symmetric:
                    return self._secret(scratch, reference, wrapper, wrapped)
                return self._pair(scratch, reference, wrapper, wrapped)
        except PKCS11Error as error:
            if isinstance(error, _SICKNESS):
                self._driver.require_sentinel(self._seat)
            raise TokenFaultError(Fault.INVALID_MATERIAL) from error

    def _secret(self, scratch: ExitStack, reference: bytes | None, wrapper: int, wrapped: bytes) -> list[bytes]:
        unwrapping = BoundKey(self._session, wrapper)
        # Extractable, and only for as long as it takes to learn its length: some tokens tell it by no attribute.
        trial = mechanism.unwrap(unwrapping, self._spec, self._usage, wrapped, oaep=self._oaep, extractable=True)
        self._scratch(scratch, trial)
        self._require_length(scratch, trial)
        made = marking.mark(self._seat, self._spec, trial)
        if reference is None:
            return [made, keeping.keep(self._driver, self._seat, trial)]
        self._store(wrapper, reference, wrapped, oaep=self._oaep)
        return [made]

    def _pair(self, scratch: ExitStack, reference: bytes | None, wrapper: int, wrapped: bytes) -> list[bytes]:
        ephemeral = mechanism.unwrap_secret(BoundKey(self._session, wrapper), self._oaep, wrapped[:_MODULUS_BYTES])
        self._scratch(scratch, ephemeral)
        unwrapping, content = BoundKey(self._session, ephemeral), wrapped[_MODULUS_BYTES:]
        trial = mechanism.unwrap(unwrapping, self._spec, self._usage, content, extractable=True)
        self._scratch(scratch, trial)
        parts = self._require_kind(trial)
        if reference is None:
            return [*parts, b"", keeping.keep(self._driver, self._seat, trial)]
        self._store(ephemeral, reference, content, oaep=None)
        return [*parts, b""]

    def _store(self, wrapper: int, reference: bytes, wrapped: bytes, *, oaep: str | None) -> None:
        """Unwrap once more, into a token object that never leaves."""
        driver = self._driver
        with driver.index.lock:
            driver.index.destroy(reference)
            inside = BoundKey(driver.login, wrapper)
            handle = mechanism.unwrap(inside, self._spec, self._usage, wrapped, oaep=oaep, reference=reference)
            driver.index.made(reference, [handle])

    def _require_length(self, scratch: ExitStack, key: int) -> None:
        """Check that a secret key is as long as its spec says.

        Raises:
            TokenFaultError: INVALID_MATERIAL.
        """
        wanted = self._facts.material_bytes or 0
        told = _told_length(self._driver, self._session, key)
        if told:
            fits = told == wanted
        else:
            # Wrapped it is as long as itself, rounded up to eight bytes; the rest says its use, which knows a minimum.
            kek = mechanism.generate_wrapping_secret(self._session, None)[0]
            self._scratch(scratch, kek)
            length = len(keeping.wrapped(self._session, kek, key)) - _KEY_WRAP_OVERHEAD
            fits = length == -(-wanted // _BLOCK) * _BLOCK
        if not fits:
            raise TokenFaultError(Fault.INVALID_MATERIAL)

    def _require_kind(self, key: int) -> list[bytes]:
        """Check that a private key is of the spec's kind and size; return what it says of its public half.

        Raises:
            TokenFaultError: INVALID_MATERIAL.
        """
        library, session = self._driver.library, self._session
        if self._facts.family is Family.EC:
            fits, parts = library.attribute(session, key, cryptoki.CKA_EC_PARAMS) == mechanism.CURVES[self._spec], []
        else:
            parts = self._driver.public_parts(session, self._spec, key)
            fits = int.from_bytes(parts[0], "big").bit_length() == self._facts.bits
        if not fits:
            raise TokenFaultError(Fault.INVALID_MATERIAL)
        return parts

    def _scratch(self, scratch: ExitStack, handle: int) -> None:
        scratch.callback(keeping.discard, self._driver, self._session, handle)


def _unwrapped(session: Session, private: int, public: int, secret: int, oaep: str) -> int | None:
    """Wrap a key and unwrap it again; return the handle, or None where the token does not."""
    way = {"mechanism": Mechanism.RSA_PKCS_OAEP, "mechanism_param": mechanism.OAEP[oaep]}
    try:
        wrapped = BoundKey(session, public).wrap_key(BoundKey(session, secret), **way)
        return mechanism.unwrap(BoundKey(session, private), KeySpec.AES_256, KeyUsage.ENCRYPT, wrapped, oaep=oaep)
    except PKCS11Error:
        return None


def _unwraps_pairs(session: Session) -> bool:
    """Say whether RFC 5649 brings private keys out and in."""
    try:
        kek = BoundKey(session, mechanism.generate_wrapping_secret(session, None)[0])
        private = mechanism.generate(session, KeySpec.EC_P256, [KeyUsage.SIGN], None, extractable=True)[0]
        wrapped = mechanism.wrap(kek, BoundKey(session, private))
        mechanism.unwrap(kek, KeySpec.EC_P256, KeyUsage.SIGN, wrapped)
    except PKCS11Error:
        return False
    return True


def _told_length(driver: Driver, session: Session, key: int) -> int:
    """Return CKA_VALUE_LEN of an unwrapped key; SoftHSM leaves it at 0."""
    try:
        return int.from_bytes(driver.library.attribute(session, key, cryptoki.CKA_VALUE_LEN), "little")
    except PKCS11Error:
        return 0
