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
    from collections.abc import Callable

    from pkcs11.types import Session

    from kmsplan.engine.hsm.cryptoki import Library

    _Pair = tuple[str, Callable[..., int], Callable[..., int]]

CKM_AES_GCM: Final = 0x1087
_TAG_BITS: Final = 128
_TAG_BYTES: Final = 16
_IV_BYTES: Final = 12
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
        functions = library.functions
        self._signing: _Pair = ("Sign", functions["C_SignInit"], functions["C_Sign"])
        self._encrypting: _Pair = ("Encrypt", functions["C_EncryptInit"], functions["C_Encrypt"])
        self._decrypting: _Pair = ("Decrypt", functions["C_DecryptInit"], functions["C_Decrypt"])
        self._length = _ulong()
        self._length_at = ctypes.addressof(self._length)
        self._gcm = _GcmParameters(iv_bytes=_IV_BYTES, iv_bits=8 * _IV_BYTES, tag_bits=_TAG_BITS)
        self._gcm_mechanism = _Mechanism(CKM_AES_GCM, ctypes.addressof(self._gcm), ctypes.sizeof(self._gcm))
        self._gcm_at = ctypes.addressof(self._gcm_mechanism)
        self._mechanism = _Mechanism(0, None, 0)
        self._mechanism_at = ctypes.addressof(self._mechanism)
        self._make_room(_ROOM)

    def encrypt(self, key: int, iv: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Return ciphertext and tag.

        Raises:
            PKCS11Error: the token does not.
        """
        return self._run(self._encrypting, key, iv, aad, plaintext)

    def decrypt(self, key: int, iv: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext of ciphertext and tag.

        Raises:
            PKCS11Error: the token does not.
        """
        return self._run(self._decrypting, key, iv, aad, ciphertext)

    def sign(self, key: int, mechanism: int, data: bytes) -> bytes:
        """Return what a signing mechanism without a parameter makes of the data.

        Raises:
            PKCS11Error: the token does not.
        """
        self._mechanism.mechanism = mechanism
        _, initialise, operate = self._signing
        value = initialise(self._session, self._mechanism_at, key)
        if value:
            check("C_SignInit", value)
        self._length.value = _LONGEST_SIGNATURE
        value = operate(self._session, data, len(data), self._room_at, self._length_at)
        if value:
            check("C_Sign", value)
        return self._room[: self._length.value].tobytes()

    def _run(self, pair: _Pair, key: int, iv: bytes, aad: bytes, content: bytes) -> bytes:
        needed = max(len(content) + _TAG_BYTES, _IV_BYTES + len(aad))
        if needed > self._room_bytes:
            self._make_room(needed)
        self._parameters[: _IV_BYTES + len(aad)] = iv + aad
        self._gcm.aad_bytes = len(aad)
        name, initialise, operate = pair
        value = initialise(self._session, self._gcm_at, key)
        if value:
            check(f"C_{name}Init", value)
        self._length.value = self._room_bytes
        value = operate(self._session, content, len(content), self._room_at, self._length_at)
        if value:
            check(f"C_{name}", value)
        return self._room[: self._length.value].tobytes()

    def _make_room(self, size: int) -> None:
        self._room_bytes = size
        result, parameters = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
        self._room, self._room_at = memoryview(result).cast("B"), ctypes.addressof(result)
        self._parameters = memoryview(parameters).cast("B")
        self._gcm.iv = ctypes.addressof(parameters)
        self._gcm.aad = self._gcm.iv + _IV_BYTES
