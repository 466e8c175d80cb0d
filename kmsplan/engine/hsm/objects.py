"""The keys in a token, by CKA_ID, as the token tells of them. Nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pkcs11.exceptions import PKCS11Error

from kmsplan.engine.hsm import cryptoki
from kmsplan.engine.hsm.attachment import OWN_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.hsm.driver import Driver

CKA_PRIVATE: Final = 0x2
CKA_LABEL: Final = 0x3
CKA_KEY_TYPE: Final = 0x100
CKA_SENSITIVE: Final = 0x103
CKA_ENCRYPT: Final = 0x104
CKA_DECRYPT: Final = 0x105
CKA_SIGN: Final = 0x108
CKA_EXTRACTABLE: Final = 0x162
CKA_LOCAL: Final = 0x163
CKA_NEVER_EXTRACTABLE: Final = 0x164
CKA_ALWAYS_AUTHENTICATE: Final = 0x202
_READ: Final = (
    cryptoki.CKA_CLASS,
    cryptoki.CKA_TOKEN,
    cryptoki.CKA_ID,
    CKA_PRIVATE,
    CKA_LABEL,
    CKA_KEY_TYPE,
    CKA_SENSITIVE,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_SIGN,
    CKA_EXTRACTABLE,
    CKA_LOCAL,
    CKA_NEVER_EXTRACTABLE,
    CKA_ALWAYS_AUTHENTICATE,
    cryptoki.CKA_MODULUS,
    cryptoki.CKA_VALUE_LEN,
    cryptoki.CKA_EC_PARAMS,
)
_KEYS: Final = frozenset({cryptoki.CKO_SECRET_KEY, cryptoki.CKO_PRIVATE_KEY})


class TokenObject:
    """One object's attributes.

    Args:
        handle: its own.
        told: what the token tells of it.
    """

    def __init__(self, handle: int, told: Mapping[int, bytes]) -> None:
        self.handle = handle
        self._told = told
        self.identity = told.get(cryptoki.CKA_ID, b"")
        self.object_class = self.number(cryptoki.CKA_CLASS)
        self.label = told.get(CKA_LABEL, b"").decode(errors="replace").rstrip("\0 ")

    def number(self, kind: int) -> int:
        """Return an attribute that is a CK_ULONG; -1 where the token does not tell it."""
        value = self._told.get(kind, b"")
        return int.from_bytes(value, "little") if value else -1

    def is_true(self, kind: int) -> bool:
        """Say whether an attribute is told, and true."""
        return self._told.get(kind, b"\0")[:1] not in (b"", b"\0")

    def content(self, kind: int) -> bytes:
        """Return an attribute that is a byte string."""
        return self._told.get(kind, b"")


@dataclass(slots=True)
class Group:
    """The token objects of one CKA_ID."""

    keys: list[TokenObject]
    """Secret and private keys."""
    publics: list[TokenObject]

    @property
    def ours(self) -> bool:
        """Whether an engine made any of them, this one or another: every engine labels its own so."""
        return any(one.label.startswith(OWN_LABEL) for one in (*self.keys, *self.publics))

    @property
    def label(self) -> str:
        """What the key is called, or its public half."""
        return next((one.label for one in (*self.keys, *self.publics) if one.label), "")


def group(driver: Driver, handles: list[int]) -> dict[bytes, Group]:
    """Return the keys among token objects, by CKA_ID; the login session is used, under the index's lock."""
    found: dict[bytes, Group] = {}
    for handle in handles:
        try:
            one = TokenObject(handle, driver.library.attributes(driver.login, handle, _READ))
        except PKCS11Error:
            continue  # gone since the search, or damaged beyond being an object
        if not one.is_true(cryptoki.CKA_TOKEN):
            continue
        if one.object_class in _KEYS:
            found.setdefault(one.identity, Group([], [])).keys.append(one)
        elif one.object_class == cryptoki.CKO_PUBLIC_KEY:
            found.setdefault(one.identity, Group([], [])).publics.append(one)
    return found
