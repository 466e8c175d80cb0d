"""The PKCS#11 module, loaded through python-pkcs11 with what that package leaves out (PKCS#11 v2.40, sections 4 and 5).

python-pkcs11 opens tokens and sessions, makes keys and uses them. Three things are done here, because it
- initialises the module as single-threaded and then calls it from many threads, which corrupts SoftHSM's memory;
- reads some twenty attributes per object found, and breaks off at the first unreadable object;
- binds each key object to one session, where one handle is good in all sessions of the process.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

from pkcs11 import _pkcs11
from pkcs11.exceptions import (
    DeviceError,
    DeviceRemoved,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionFailed,
    GeneralError,
    KeyHandleInvalid,
    KeySizeRange,
    KeyTypeInconsistent,
    MechanismInvalid,
    MechanismParamInvalid,
    ObjectHandleInvalid,
    PKCS11Error,
    SessionHandleInvalid,
    TokenNotPresent,
)
from pkcs11.types import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pkcs11.types import Session

CKA_CLASS: Final = 0x0
CKA_TOKEN: Final = 0x1
CKA_ID: Final = 0x102
CKA_MODULUS: Final = 0x120
CKA_PUBLIC_EXPONENT: Final = 0x122
CKA_VALUE_LEN: Final = 0x161
CKA_EC_PARAMS: Final = 0x180
CKA_EC_POINT: Final = 0x181
CKO_PUBLIC_KEY: Final = 2
CKO_PRIVATE_KEY: Final = 3
CKO_SECRET_KEY: Final = 4

_CKF_OS_LOCKING_OK: Final = 2
_CKR_OK: Final = 0
_ERRORS: Final[dict[int, type[PKCS11Error]]] = {
    0x05: GeneralError,
    0x06: FunctionFailed,
    0x30: DeviceError,
    0x32: DeviceRemoved,
    0x40: EncryptedDataInvalid,
    0x41: EncryptedDataLenRange,
    0x60: KeyHandleInvalid,
    0x62: KeySizeRange,
    0x63: KeyTypeInconsistent,
    0x70: MechanismInvalid,
    0x71: MechanismParamInvalid,
    0x82: ObjectHandleInvalid,
    0xB3: SessionHandleInvalid,
    0xE0: TokenNotPresent,
}
_BATCH: Final = 1024
_ID_ROOM: Final = 64
"""Bytes kept for a CKA_ID when listing; a longer one is no reference of ours."""
_ATTRIBUTE_ROOM: Final = 1024
"""Bytes kept for one of several attributes: twice the longest modulus."""
_ATTRIBUTES_SAY: Final = frozenset({_CKR_OK, 0x11, 0x12, 0x150})
"""CKR_ATTRIBUTE_SENSITIVE, _TYPE_INVALID and BUFFER_TOO_SMALL: each attribute's length says if it was read (5.7.5)."""

_ulong = ctypes.c_ulong
_pointer = ctypes.c_void_p


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        ("create_mutex", _pointer),
        ("destroy_mutex", _pointer),
        ("lock_mutex", _pointer),
        ("unlock_mutex", _pointer),
        ("flags", _ulong),
        ("reserved", _pointer),
    )


class _Attribute(ctypes.Structure):
    """CK_ATTRIBUTE."""

    _fields_ = (("type", _ulong), ("value", _pointer), ("length", _ulong))


class _FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST: the version, then the functions in the order of pkcs11f.h."""

    _fields_ = (("version", ctypes.c_ubyte * 2), ("functions", _pointer * 68))


# Function: (place in the function list, argument types).
_FUNCTIONS: Final[dict[str, tuple[int, tuple[Any, ...]]]] = {
    "C_Initialize": (0, (_pointer,)),
    "C_Finalize": (1, (_pointer,)),
    "C_CopyObject": (21, (_ulong, _ulong, _pointer, _ulong, _pointer)),
    "C_DestroyObject": (22, (_ulong, _ulong)),
    "C_GetAttributeValue": (24, (_ulong, _ulong, _pointer, _ulong)),
    "C_FindObjectsInit": (26, (_ulong, _pointer, _ulong)),
    "C_FindObjects": (27, (_ulong, _pointer, _ulong, _pointer)),
    "C_FindObjectsFinal": (28, (_ulong,)),
    "C_EncryptInit": (29, (_ulong, _pointer, _ulong)),
    "C_Encrypt": (30, (_ulong, ctypes.c_char_p, _ulong, _pointer, _pointer)),
    "C_DecryptInit": (33, (_ulong, _pointer, _ulong)),
    "C_Decrypt": (34, (_ulong, ctypes.c_char_p, _ulong, _pointer, _pointer)),
    "C_SignInit": (42, (_ulong, _pointer, _ulong)),
    "C_Sign": (43, (_ulong, ctypes.c_char_p, _ulong, _pointer, _pointer)),
}


def check(function: str, value: int) -> None:
    """Raise what the return value of a PKCS#11 function stands for.

    Raises:
        PKCS11Error: it is not CKR_OK.
    """
    if value != _CKR_OK:
        named = _ERRORS.get(value)
        raise (
            PKCS11Error(f"Unmapped error code {value:#x}")
            if named is None
            else named(f"{function} returned {value:#x}")
        )


class Library(_pkcs11.lib):
    """A module initialised for many threads (CKF_OS_LOCKING_OK)."""

    def initialize(self) -> None:
        """Initialise the module; called by the base class when it is constructed.

        Raises:
            PKCS11Error: C_Initialize failed.
        """
        table = ctypes.POINTER(_FunctionList)()
        check("C_GetFunctionList", ctypes.CDLL(self.so).C_GetFunctionList(ctypes.byref(table)))
        self.functions: dict[str, Callable[..., int]] = {
            name: ctypes.CFUNCTYPE(_ulong, *arguments)(table.contents.functions[place])
            for name, (place, arguments) in _FUNCTIONS.items()
        }
        self._call("C_Initialize", ctypes.byref(_InitializeArguments(flags=_CKF_OS_LOCKING_OK)))

    def finalize(self) -> None:
        """Give the module back. No other thread may be inside it."""
        self._call("C_Finalize", None)

    def objects(self, session: Session) -> Iterator[tuple[int, int | None, bytes]]:
        """Yield handle, class and CKA_ID of every object that has a CKA_ID, in one unfiltered search.

        A filtered search fails as a whole where one object of the token is damaged, an unfiltered one does not. A class
        that cannot be read is None; an object without any readable CKA_ID is left out.

        Raises:
            PKCS11Error: the search failed.
        """
        object_class, identity = _ulong(), ctypes.create_string_buffer(_ID_ROOM)
        template = (_Attribute * 2)()
        get = self.functions["C_GetAttributeValue"]
        for handle in self._search(session):
            template[0] = _Attribute(CKA_CLASS, ctypes.addressof(object_class), ctypes.sizeof(object_class))
            template[1] = _Attribute(CKA_ID, ctypes.addressof(identity), _ID_ROOM)
            # Whatever it returns, each attribute's length says whether that attribute was read (5.7.5).
            get(session.handle, handle, template, 2)  # type: ignore[attr-defined]
            class_read = template[0].length == ctypes.sizeof(object_class)
            if 0 < template[1].length <= _ID_ROOM:
                yield handle, object_class.value if class_read else None, identity.raw[: template[1].length]

    def attribute(self, session: Session, handle: int, kind: int) -> bytes:
        """Return one attribute as the module stores it.

        Raises:
            PKCS11Error: it cannot be read.
        """
        template = _Attribute(kind, None, 0)
        arguments = (session.handle, handle, ctypes.byref(template), 1)  # type: ignore[attr-defined]
        self._call("C_GetAttributeValue", *arguments)
        room = ctypes.create_string_buffer(template.length)
        template.value = ctypes.addressof(room)
        self._call("C_GetAttributeValue", *arguments)
        return room.raw[: template.length]

    def attributes(self, session: Session, handle: int, kinds: Sequence[int]) -> dict[int, bytes]:
        """Return those of several attributes that can be read, in one call; one that is out of all measure is left out.

        Raises:
            PKCS11Error: the object itself cannot be read.
        """
        rooms = [ctypes.create_string_buffer(_ATTRIBUTE_ROOM) for _ in kinds]
        template = (_Attribute * len(kinds))(
            *(
                _Attribute(kind, ctypes.addressof(room), _ATTRIBUTE_ROOM)
                for kind, room in zip(kinds, rooms, strict=True)
            )
        )
        value = self.functions["C_GetAttributeValue"](session.handle, handle, template, len(kinds))  # type: ignore[attr-defined]
        if value not in _ATTRIBUTES_SAY:
            check("C_GetAttributeValue", value)
        return {
            kind: room.raw[: item.length]
            for kind, room, item in zip(kinds, rooms, template, strict=True)
            if item.length <= _ATTRIBUTE_ROOM
        }

    def handles(self, session: Session) -> list[int]:
        """Return the handles of all objects, those of sessions too, by an unfiltered search.

        Raises:
            PKCS11Error: the search failed.
        """
        return self._search(session)

    def destroy(self, session: Session, handle: int) -> None:
        """Destroy one object.

        Raises:
            PKCS11Error: it was not destroyed.
        """
        self._call("C_DestroyObject", session.handle, handle)  # type: ignore[attr-defined]

    def copy(self, session: Session, handle: int) -> int:
        """Copy a token object into a session object without a CKA_ID, so that no search takes it for the key itself.

        Raises:
            PKCS11Error: the token does not copy it.
        """
        no, copied = ctypes.c_ubyte(0), _ulong()
        template = (_Attribute * 2)(_Attribute(CKA_TOKEN, ctypes.addressof(no), 1), _Attribute(CKA_ID, None, 0))
        number: int = session.handle  # type: ignore[attr-defined]
        self._call("C_CopyObject", number, handle, ctypes.byref(template), 2, ctypes.byref(copied))
        return copied.value

    def _search(self, session: Session) -> list[int]:
        """Return the handles of all objects; the search is closed again whatever happens."""
        number: int = session.handle  # type: ignore[attr-defined]
        found: list[int] = []
        room, count = (_ulong * _BATCH)(), _ulong()
        self._call("C_FindObjectsInit", number, None, 0)
        try:
            while True:
                self._call("C_FindObjects", number, room, _BATCH, ctypes.byref(count))
                if not count.value:
                    return found
                found += room[: count.value]
        finally:
            self.functions["C_FindObjectsFinal"](number)

    def _call(self, function: str, *arguments: object) -> None:
        check(function, self.functions[function](*arguments))


class BoundKey(
    _pkcs11.EncryptMixin,  # type: ignore[misc, name-defined]
    _pkcs11.DecryptMixin,  # type: ignore[misc, name-defined]
    _pkcs11.SignMixin,  # type: ignore[misc, name-defined]
    _pkcs11.WrapMixin,  # type: ignore[misc, name-defined]
    _pkcs11.UnwrapMixin,  # type: ignore[misc, name-defined]
    Key,
):
    """One handle in one session: what python-pkcs11's mixins need of a key, found without asking the token."""

    __slots__ = ("handle", "session")

    key_type = None  # type: ignore[assignment]
    """Only used to choose a default mechanism, and none is ever left to choose."""

    def __init__(self, session: Session, handle: int) -> None:
        self.session = session  # type: ignore[misc]
        self.handle = handle  # type: ignore[misc]
