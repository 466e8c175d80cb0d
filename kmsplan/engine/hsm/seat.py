"""One thread's session, and what is done there by the module's own functions (PKCS#11 v2.40, 5.8 to 5.11).

Those are the calls that take a moment only: AES-GCM, HMAC, ECDSA. python-pkcs11 makes new objects for each call and
asks for the length of each result first, which takes as long as the token takes; and it passes NSS that length for a
room, which NSS finds too small.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.cryptoki import check

if TYPE_CHECKING:
    from pkcs11.types import Session

    from kmsplan.engine.hsm.cryptoki import Library

CKM_AES_GCM: Final = 0x1087
_TAG_BITS: Final = 128
_TAG_BYTES: Final = 16
_IV_BYTES: Final = 12
_IV_ROOM: Final = 16
_ROOM: Final = 16384
_LONGEST_SIGNATURE: Final = 512

_ulong = ctypes.c_ulong
_pointer = ctypes.c_void_p


class _GcmParameters(ctypes.Structure):
    """CK_GCM_PARAMS."""

    _fields_ = (
        ("iv", _pointer),
        ("iv_bytes", _ulong),
        ("iv_bits", _ulong),
        ("aad", _pointer),
        ("aad_bytes", _ulong),
        ("tag_bits", _ulong),
    )


class _Mechanism(ctypes.Structure):
    """CK_MECHANISM."""

    _fields_ = (("mechanism", _ulong), ("parameter", _pointer), ("length", _ulong))


class Seat:
    """A session with its buffers; for one thread at a time.

    Args:
        library: the module.
        session: the session.
    """

    def __init__(self, library: Library, session: Session) -> None:
        self.session = session
        self._session: int = session.handle  # type: ignore[attr-defined]
        self._functions = library.functions
        self._make_room(_ROOM)
        self._length = _ulong()
        self._length_at = ctypes.addressof(self._length)
        self._gcm = _GcmParameters(iv_bytes=_IV_BYTES, iv_bits=8 * _IV_BYTES, tag_bits=_TAG_BITS)
        self._gcm_mechanism = _Mechanism(CKM_AES_GCM, ctypes.addressof(self._gcm), ctypes.sizeof(self._gcm))
        self._gcm_at = ctypes.addressof(self._gcm_mechanism)
        self._mechanism = _Mechanism(0, None, 0)
        self._mechanism_at = ctypes.addressof(self._mechanism)

    def encrypt(self, key: int, iv: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Return ciphertext and tag.

        Raises:
            PKCS11Error: the token does not.
        """
        return self._run("Encrypt", key, iv, aad, plaintext)

    def decrypt(self, key: int, iv: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext of ciphertext and tag.

        Raises:
            PKCS11Error: the token does not.
        """
        return self._run("Decrypt", key, iv, aad, ciphertext)

    def sign(self, key: int, mechanism: int, data: bytes) -> bytes:
        """Return what a signing mechanism without a parameter makes of the data.

        Raises:
            PKCS11Error: the token does not.
        """
        self._mechanism.mechanism = mechanism
        functions = self._functions
        value = functions["C_SignInit"](self._session, self._mechanism_at, key)
        if value:
            check("C_SignInit", value)
        self._length.value = _LONGEST_SIGNATURE
        value = functions["C_Sign"](self._session, data, len(data), self._room_at, self._length_at)
        if value:
            check("C_Sign", value)
        return ctypes.string_at(self._room_at, self._length.value)

    def _run(self, function: str, key: int, iv: bytes, aad: bytes, content: bytes) -> bytes:
        needed = max(len(content) + _TAG_BYTES, len(aad) + _IV_ROOM)
        if needed > self._room_bytes:
            self._make_room(needed)
        gcm, at = self._gcm, self._parameters_at
        ctypes.memmove(at, iv, _IV_BYTES)
        ctypes.memmove(at + _IV_ROOM, aad, len(aad))
        gcm.iv, gcm.aad, gcm.aad_bytes = at, at + _IV_ROOM, len(aad)
        initialise, operate = self._pairs[function]
        value = initialise(self._session, self._gcm_at, key)
        if value:
            check(f"C_{function}Init", value)
        self._length.value = self._room_bytes
        value = operate(self._session, content, len(content), self._room_at, self._length_at)
        if value:
            check(f"C_{function}", value)
        return ctypes.string_at(self._room_at, self._length.value)

    def _make_room(self, size: int) -> None:
        self._room_bytes = size
        self._room = ctypes.create_string_buffer(size)
        self._room_at = ctypes.addressof(self._room)
        self._parameters = ctypes.create_string_buffer(size)
        self._parameters_at = ctypes.addressof(self._parameters)
        self._pairs = {
            name: (self._functions[f"C_{name}Init"], self._functions[f"C_{name}"]) for name in ("Encrypt", "Decrypt")
        }
