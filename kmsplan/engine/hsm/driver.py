"""One logged-in token: its objects by reference, and what can be done with them.

Searching, making and destroying are serialised, because SoftHSM fails a search now and then while another thread
creates. Using keys needs no lock: each thread has its own session.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from pkcs11 import GCMParams, Mechanism
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
from kmsplan.engine.hsm.message import REFERENCE_BYTES, SENTINEL, Fault, TokenFaultError
from kmsplan.engine.hsm.opening import words
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pkcs11.types import Session, Token

IV_BYTES: Final = 12
"""The IV length that GCM is fastest and safest with (SP 800-38D, 8.2)."""
_TAG_BITS: Final = 128
_SELF_TEST: Final = b"the sentinel stands"
_STALE_HANDLE: Final = (ObjectHandleInvalid, KeyHandleInvalid)
_BAD_CIPHERTEXT: Final = (EncryptedDataInvalid, EncryptedDataLenRange)
# What SoftHSM answers to a bad ciphertext, and also when it is broken: only the sentinel tells the two apart.
_PERHAPS_BAD_CIPHERTEXT: Final = (*_BAD_CIPHERTEXT, GeneralError, FunctionFailed)


@dataclass(slots=True)
class Objects:
    """The objects that share one CKA_ID."""

    working: int | None = None
    """Handle of the secret key or private key."""
    public: int | None = None
    handles: list[int] = field(default_factory=list)
    """All of them, half-made ones too."""


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
        self._library = library
        self._token = token
        self._login = login
        self._entropy = entropy
        self._lock = Lock()
        # A survey replaces the whole index; handles are trusted until the token refuses one.
        self._index: dict[bytes, Objects] | None = None
        self._sentinel_proven = False

    def session(self) -> Session:
        """Open a session for one thread; it is logged in because the process is."""
        return self._token.open()

    def close(self) -> None:
        """Give sessions and module back; no thread may be using them."""
        self._library.finalize()

    def description(self) -> dict[str, str]:
        """Say which module and token this is."""
        return {
            "library": f"{self._library.manufacturer_id} {'.'.join(map(str, self._library.library_version))}",
            "serial": self._token.serial.decode(errors="replace"),
            "manufacturer": self._token.manufacturer_id,
            "model": self._token.model,
        }

    def probe(self, family: Family) -> dict[KeySpec, list[str]]:
        """Return the algorithms that work, by spec."""
        with self.session() as trial:
            return probing.probe(trial, family)

    def absent(self, references: Iterable[bytes]) -> tuple[bool, list[bytes]]:
        """Say whether a fresh search finds the sentinel, and which references it does not find."""
        with self._lock:
            index = self._survey()
            return _stands(index, SENTINEL), [wanted for wanted in references if not _stands(index, wanted)]

    def prepare(self) -> None:
        """Make the sentinel if there is none, or only the half of one that a killed process left."""
        with self._lock:
            standing = _stands(self._objects(), SENTINEL)
            if not standing or not (self._sentinel_proven or self._sentinel_error(self._login) is None):
                self._destroy(self._objects().get(SENTINEL, Objects()))
                self._make(KeySpec.AES_256, KeyUsage.ENCRYPT, SENTINEL)
            self._sentinel_proven = True

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> tuple[bool, list[bytes]]:
        """Make the key of a reference unless it is complete already; say whether it was, and return its public parts.

        Public parts are modulus and exponent (RSA), the point (EC), or nothing (AES). What is there but incomplete is
        what a killed generation left: it never worked, so it is destroyed and made again.
        """
        self.prepare()
        with self._lock:
            objects = self._objects().get(reference, Objects())
            complete = objects.working and (objects.public or SPECS[spec].family is Family.AES)
            if not complete:
                self._destroy(objects)
                objects = self._make(spec, usage, reference)
            kinds = {
                Family.RSA: (cryptoki.CKA_MODULUS, cryptoki.CKA_PUBLIC_EXPONENT),
                Family.EC: (cryptoki.CKA_EC_POINT,),
            }
            parts = kinds.get(SPECS[spec].family, ())
            return bool(complete), [self._library.attribute(self._login, objects.public or 0, kind) for kind in parts]

    def find(self, session: Session, reference: bytes, *, refused: int | None = None) -> int:
        """Return the handle of a key, from memory or by a fresh search.

        Args:
            session: the caller's.
            reference: the key's.
            refused: a handle that memory knows and the token does not.

        Raises:
            TokenFaultError: ABSENT; NO_SENTINEL or SICK where nothing can be said.
        """
        with self._lock:
            fresh = self._index is None
            index = self._objects()
            if not fresh and (not _stands(index, reference) or index[reference].working == refused):
                index = self._survey()
            handle = index[reference].working if reference in index else None
        if handle is None:
            self._require_sentinel(session)
            raise TokenFaultError(Fault.ABSENT, mechanism.label(reference))
        return handle

    def destroy(self, session: Session, reference: bytes) -> None:
        """Destroy every object of a reference, and believe only a fresh search that they are gone.

        Raises:
            TokenFaultError: NO_SENTINEL where an empty search proves nothing; SICK where an object stays.
        """
        with self._lock:
            # Three rounds: what is known, what the search finds besides, and a look whether anything is left.
            for _ in range(3):
                self._destroy(self._objects().get(reference, Objects()))
                if reference not in self._survey():
                    break
            else:
                raise TokenFaultError(Fault.SICK, "the object is still found after C_DestroyObject")
        self._require_sentinel(session)

    def encrypt(self, session: Session, reference: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Return IV, ciphertext and tag of AES-GCM."""
        iv = self._entropy(IV_BYTES)
        return iv + self._use(session, reference, lambda key: _gcm(key.encrypt, plaintext, iv, aad))

    def decrypt(self, session: Session, reference: bytes, aad: bytes, sealed: bytes) -> bytes:
        """Open what `encrypt` returned."""
        iv, body = sealed[:IV_BYTES], sealed[IV_BYTES:]
        return self._use(session, reference, lambda key: _gcm(key.decrypt, body, iv, aad), _PERHAPS_BAD_CIPHERTEXT)

    def sign(self, session: Session, reference: bytes, algorithm: str, digest: bytes) -> bytes:
        """Return the token's signature; ECDSA as the two numbers side by side."""
        how, parameter, prefix = mechanism.SIGNING[algorithm]
        data = prefix + digest
        return self._use(session, reference, lambda key: key.sign(data, mechanism=how, mechanism_param=parameter))

    def decrypt_oaep(self, session: Session, reference: bytes, algorithm: str, ciphertext: bytes) -> bytes:
        """Open an RSA-OAEP ciphertext."""
        parameter, how = mechanism.OAEP[algorithm], Mechanism.RSA_PKCS_OAEP
        return self._use(
            session,
            reference,
            lambda key: key.decrypt(ciphertext, mechanism=how, mechanism_param=parameter),
            _PERHAPS_BAD_CIPHERTEXT,
        )

    def report(self, session: Session) -> dict[str, object]:
        """Describe what the token holds: keys, objects that are half of something, whether the sentinel works."""
        with self._lock:
            index = self._survey()
        ours = {identity: objects for identity, objects in index.items() if len(identity) == REFERENCE_BYTES}
        ours.pop(SENTINEL, None)
        return {
            "sentinel": _stands(index, SENTINEL) and not self._sentinel_error(session),
            "keys": sum(objects.working is not None for objects in ours.values()),
            "strays": sorted(identity.hex() for identity, objects in ours.items() if objects.working is None),
        }

    def _use(
        self,
        session: Session,
        reference: bytes,
        operate: Callable[[cryptoki.BoundKey], bytes],
        bad_ciphertext: tuple[type[PKCS11Error], ...] = (),
    ) -> bytes:
        """Use a key, and find out what is wrong when the token refuses."""
        known = (self._index or {}).get(reference)
        handle = (known and known.working) or self.find(session, reference)
        try:
            try:
                return operate(cryptoki.BoundKey(session, handle))
            except _STALE_HANDLE:
                handle = self.find(session, reference, refused=handle)
                return operate(cryptoki.BoundKey(session, handle))
        except PKCS11Error as error:
            if not (bad_ciphertext and isinstance(error, _BAD_CIPHERTEXT)):
                self._require_sentinel(session)
            fault = Fault.INVALID_CIPHERTEXT if isinstance(error, bad_ciphertext) else Fault.UNUSABLE
            raise TokenFaultError(fault, words(error)) from error

    def _require_sentinel(self, session: Session) -> None:
        """Really use the sentinel.

        Raises:
            TokenFaultError: NO_SENTINEL, SICK.
        """
        with self._lock:
            standing = _stands(self._objects(), SENTINEL)
        if not standing:
            raise TokenFaultError(Fault.NO_SENTINEL)
        reason = self._sentinel_error(session)
        if reason:
            raise TokenFaultError(Fault.SICK, f"its sentinel answers {reason}")

    def _sentinel_error(self, session: Session) -> str | None:
        """Encrypt and decrypt with the sentinel; return what went wrong."""
        iv = self._entropy(IV_BYTES)
        try:
            key = cryptoki.BoundKey(session, (self._index or {})[SENTINEL].working or 0)
            opened = _gcm(key.decrypt, _gcm(key.encrypt, _SELF_TEST, iv, SENTINEL), iv, SENTINEL)
        except (PKCS11Error, KeyError) as error:
            return words(error)
        return None if opened == _SELF_TEST else "with another plaintext than it was given"

    def _objects(self) -> dict[bytes, Objects]:
        return self._survey() if self._index is None else self._index

    def _survey(self) -> dict[bytes, Objects]:
        """Search the whole token afresh; 60 ms per 1,000 objects of SoftHSM.

        Raises:
            TokenFaultError: SICK.
        """
        index: dict[bytes, Objects] = {}
        try:
            for handle, object_class, identity in self._library.objects(self._login):
                objects = index.setdefault(identity, Objects())
                objects.handles.append(handle)
                if object_class in (cryptoki.CKO_SECRET_KEY, cryptoki.CKO_PRIVATE_KEY):
                    objects.working = handle
                elif object_class == cryptoki.CKO_PUBLIC_KEY:
                    objects.public = handle
        except PKCS11Error as error:
            raise TokenFaultError(Fault.SICK, f"a search answers {words(error)}") from error
        self._index = index
        return index

    def _make(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> Objects:
        handles = mechanism.generate(self._login, spec, [usage], reference)
        objects = Objects(working=handles[0], public=handles[1] if len(handles) > 1 else None, handles=handles)
        self._objects()[reference] = objects
        return objects

    def _destroy(self, objects: Objects) -> None:
        for handle in objects.handles:
            try:
                self._library.destroy(self._login, handle)
            except ObjectHandleInvalid:
                continue  # somebody else was faster


def _stands(index: dict[bytes, Objects], reference: bytes) -> bool:
    return reference in index and index[reference].working is not None


def _gcm(operation: Callable[..., bytes], data: bytes, iv: bytes, aad: bytes) -> bytes:
    return operation(data, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(iv, aad, _TAG_BITS))
