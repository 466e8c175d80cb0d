"""One logged-in token: its keys by reference, and what can be done with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pkcs11 import Mechanism
from pkcs11.exceptions import (
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GeneralError,
    KeyHandleInvalid,
    ObjectHandleInvalid,
    PKCS11Error,
)

from kmsplan.engine.hsm import cryptoki, mechanism, probing
from kmsplan.engine.hsm.attached import Attached
from kmsplan.engine.hsm.copies import Copies
from kmsplan.engine.hsm.index import Index, Objects
from kmsplan.engine.hsm.loaded import Loaded
from kmsplan.engine.hsm.message import KEK, LOADED_BYTES, REFERENCE_BYTES, SENTINEL, Fault, TokenFaultError
from kmsplan.engine.hsm.opening import words
from kmsplan.engine.hsm.seat import Seat
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pkcs11.types import Session, Token

IV_BYTES: Final = 12
"""The IV length that GCM is fastest and safest with (SP 800-38D, 8.2)."""
_SELF_TEST: Final = b"the sentinel stands"
_STALE_HANDLE: Final = (ObjectHandleInvalid, KeyHandleInvalid)
_BAD_CIPHERTEXT: Final = (EncryptedDataInvalid, EncryptedDataLenRange)
# What SoftHSM answers to a bad ciphertext, and also when it is broken: only the sentinel tells the two apart.
_PERHAPS_BAD_CIPHERTEXT: Final = (*_BAD_CIPHERTEXT, GeneralError, FunctionFailed)
_PUBLIC_PARTS: Final = {
    Family.RSA: (cryptoki.CKA_MODULUS, cryptoki.CKA_PUBLIC_EXPONENT),
    Family.EC: (cryptoki.CKA_EC_POINT,),
}


class Driver:
    """A token with its login session.

    Args:
        library: the initialised module.
        token: the token.
        login: the read-write session that keeps the process logged in; used for making and destroying only.
        entropy: source of IVs.
    """

    def __init__(
        self, library: cryptoki.Library, token: Token, login: Session, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        self.library = library
        self.login = login
        self.index = Index(library, login)
        self.loaded = Loaded(library, login, self.index)
        self.attached = Attached(self)
        self._token = token
        self._entropy = entropy
        self._copies = Copies(library, login, self.index)
        self._login_seat = Seat(library, login)
        self._sentinel_proven = False
        self.expects_sentinel = False
        """Whether keys are in the token already: one without a sentinel is another token then, and gets none."""

    def session(self) -> Session:
        """Open a session for one thread; it is logged in because the process is."""
        return self._token.open()

    def seat(self) -> Seat:
        """Open a session for one thread, with its buffers."""
        return Seat(self.library, self.session())

    def close(self) -> None:
        """Give sessions and module back; no thread may be using them."""
        self.library.finalize()

    def description(self) -> dict[str, str]:
        """Say which module and token this is."""
        return {
            "library": f"{self.library.manufacturer_id} {'.'.join(map(str, self.library.library_version))}",
            "serial": self._token.serial.decode(errors="replace"),
            "manufacturer": self._token.manufacturer_id,
            "model": self._token.model,
        }

    def probe(self, family: Family) -> dict[KeySpec, list[str]]:
        """Return the algorithms that work, by spec."""
        with self.session() as trial:
            return probing.probe(Seat(self.library, trial), family)

    def absent(self, references: Iterable[bytes]) -> tuple[bool, list[bytes]]:
        """Say whether a fresh search finds the sentinel, and which references it does not find."""
        index = self.index
        with index.lock:
            index.survey()
            return index.stands(SENTINEL), [wanted for wanted in references if not index.stands(wanted)]

    def prepare(self) -> None:
        """Make the sentinel if there is none, or only the half of one that a killed process left.

        Raises:
            TokenFaultError: NO_SENTINEL where one is expected.
        """
        with self.index.lock:
            stands = self.index.stands(SENTINEL)
            if not stands and self.expects_sentinel:
                raise TokenFaultError(Fault.NO_SENTINEL)
            if not (stands and (self._sentinel_proven or self._sentinel_error(self._login_seat) is None)):
                self.index.destroy(SENTINEL)
                made = mechanism.generate(self.login, KeySpec.AES_256, [KeyUsage.ENCRYPT], SENTINEL)
                self.index.made(SENTINEL, made)
            self._sentinel_proven = True

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> tuple[bool, list[bytes]]:
        """Make the key of a reference unless it is complete already; say whether it was, and return its public parts.

        What is there but incomplete is what a killed generation left: it never worked, so it is destroyed and made
        again.
        """
        self.prepare()
        with self.index.lock:
            objects = self.index.objects().get(reference, Objects())
            complete = objects.working and (objects.public or SPECS[spec].symmetric)
            if not complete:
                self.index.destroy(reference)
                objects = self.index.made(reference, mechanism.generate(self.login, spec, [usage], reference))
            return bool(complete), self.made_public(spec, objects)

    def made_public(self, spec: KeySpec, objects: Objects) -> list[bytes]:
        """Return the public parts of a key that was made here.

        Raises:
            TokenFaultError: SICK; SoftHSM sees them empty now and then while other processes make keys.
        """
        parts = self.public_parts(self.login, spec, objects.public or 0)
        if not all(parts):
            raise TokenFaultError(Fault.SICK, "a public key that it has made is empty")
        return parts

    def public_parts(self, session: Session, spec: KeySpec, public: int) -> list[bytes]:
        """Return modulus and exponent (RSA), the point (EC), or nothing (secret keys)."""
        kinds = _PUBLIC_PARTS.get(SPECS[spec].family, ())
        return [self.library.attribute(session, public, kind) for kind in kinds]

    def find(self, seat: Seat, reference: bytes, *, refused: int | None = None) -> int:
        """Return the handle of a key, from memory or by a fresh search.

        Args:
            seat: the caller's.
            reference: the key's.
            refused: a handle that memory knows and the token does not.

        Raises:
            TokenFaultError: ABSENT; NO_SENTINEL or SICK where nothing can be said.
        """
        index = self.index
        with index.lock:
            fresh = index.fresh
            index.objects()
            if not fresh and index.remembered(reference) in (None, refused):
                index.survey()
            handle = index.remembered(reference)
        if handle is None:
            self.require_sentinel(seat)
            raise TokenFaultError(Fault.ABSENT, mechanism.label(reference))
        return handle

    def destroy(self, seat: Seat, reference: bytes) -> None:
        """Destroy every object of a reference, and believe only a fresh search that they are gone.

        Raises:
            TokenFaultError: NO_SENTINEL where an empty search proves nothing; SICK where an object stays.
        """
        self._copies.drop(reference)
        with self.index.lock:
            # Three rounds: what is known, what the search finds besides, and a look whether anything is left.
            for _ in range(3):
                self.index.destroy(reference)
                if reference not in self.index.survey():
                    break
            else:
                raise TokenFaultError(Fault.SICK, "the object is still found after C_DestroyObject")
        self.require_sentinel(seat)

    def encrypt(self, seat: Seat, reference: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Return IV, ciphertext and tag of AES-GCM."""
        iv = self._entropy(IV_BYTES)
        return iv + self._use(seat, reference, lambda key: seat.encrypt(key, iv, aad, plaintext))

    def decrypt(self, seat: Seat, reference: bytes, aad: bytes, sealed: bytes) -> bytes:
        """Open what `encrypt` returned."""
        iv, body = sealed[:IV_BYTES], sealed[IV_BYTES:]
        return self._use(seat, reference, lambda key: seat.decrypt(key, iv, aad, body), _PERHAPS_BAD_CIPHERTEXT)

    def sign(self, seat: Seat, reference: bytes, algorithm: str, data: bytes) -> bytes:
        """Return the token's signature over a digest, ECDSA's as the two numbers side by side; or a message's HMAC."""
        how, parameter, prefix = mechanism.SIGNING[algorithm]
        content = prefix + data
        if parameter is None:
            return self._use(seat, reference, lambda key: seat.sign(key, how, content))
        return self._use(
            seat,
            reference,
            lambda key: cryptoki.BoundKey(seat.session, key).sign(content, mechanism=how, mechanism_param=parameter),
        )

    def decrypt_oaep(self, seat: Seat, reference: bytes, algorithm: str, ciphertext: bytes) -> bytes:
        """Open an RSA-OAEP ciphertext."""
        parameter, how = mechanism.OAEP[algorithm], Mechanism.RSA_PKCS_OAEP
        return self._use(
            seat,
            reference,
            lambda key: cryptoki.BoundKey(seat.session, key).decrypt(
                ciphertext, mechanism=how, mechanism_param=parameter
            ),
            _PERHAPS_BAD_CIPHERTEXT,
        )

    def report(self, seat: Seat) -> dict[str, object]:
        """Describe what the token holds: keys, objects that are half of something, whether the sentinel works."""
        with self.index.lock:
            index = self.index.survey()
            stands = self.index.stands(SENTINEL)
        ours = {identity: objects for identity, objects in index.items() if len(identity) == REFERENCE_BYTES}
        for service in (SENTINEL, KEK):
            ours.pop(service, None)
        return {
            "sentinel": stands and not self._sentinel_error(seat),
            "keys": sum(objects.working is not None for objects in ours.values()),
            "strays": sorted(identity.hex() for identity, objects in ours.items() if objects.working is None),
        }

    def require_sentinel(self, seat: Seat) -> None:
        """Really use the sentinel.

        Raises:
            TokenFaultError: NO_SENTINEL, SICK.
        """
        with self.index.lock:
            stands = self.index.stands(SENTINEL)
        if not stands:
            raise TokenFaultError(Fault.NO_SENTINEL)
        reason = self._sentinel_error(seat)
        if reason:
            raise TokenFaultError(Fault.SICK, f"its sentinel answers {reason}")

    def _use(
        self,
        seat: Seat,
        reference: bytes,
        operate: Callable[[int], bytes],
        bad_ciphertext: tuple[type[PKCS11Error], ...] = (),
    ) -> bytes:
        """Use a key, and find out what is wrong when the token refuses."""
        handle = self._handle(seat, reference)
        try:
            try:
                return operate(handle)
            except _STALE_HANDLE:
                return operate(self._handle(seat, reference, refused=handle))
        except PKCS11Error as error:
            if not (bad_ciphertext and isinstance(error, _BAD_CIPHERTEXT)):
                self.require_sentinel(seat)
            fault = Fault.INVALID_CIPHERTEXT if isinstance(error, bad_ciphertext) else Fault.UNUSABLE
            raise TokenFaultError(fault, words(error)) from error

    def _handle(self, seat: Seat, reference: bytes, *, refused: int | None = None) -> int:
        """Return the handle to use a key by.

        Raises:
            TokenFaultError: ABSENT, NOT_LOADED; NO_SENTINEL or SICK where nothing can be said.
        """
        if len(reference) != REFERENCE_BYTES:
            if len(reference) == LOADED_BYTES:
                return self.loaded.handle(reference, refused=refused)
            return self.attached.handle(seat, reference, refused=refused)
        if refused is not None:
            self._copies.drop(reference)
            return self.find(seat, reference, refused=refused)
        known = self.index.remembered(reference) or self.find(seat, reference)
        return self._copies.best(seat.session, reference, known)

    def _sentinel_error(self, seat: Seat) -> str | None:
        """Encrypt and decrypt with the sentinel; return what went wrong."""
        iv, key = self._entropy(IV_BYTES), self.index.remembered(SENTINEL) or 0
        try:
            opened = seat.decrypt(key, iv, SENTINEL, seat.encrypt(key, iv, SENTINEL, _SELF_TEST))
        except PKCS11Error as error:
            return words(error)
        return None if opened == _SELF_TEST else "with another plaintext than it was given"
