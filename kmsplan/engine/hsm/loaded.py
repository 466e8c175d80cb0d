"""Keys that the keystore keeps wrapped, unwrapped into session objects while they are used (HsmEncryptedDatabase).

They have references of their own length, which say that a search would not find them. The one that was not used for
longest gives way; its user loads it again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from pkcs11.exceptions import PKCS11Error

from kmsplan.engine.hsm.message import Fault, TokenFaultError

if TYPE_CHECKING:
    from pkcs11.types import Session

    from kmsplan.engine.hsm.cryptoki import Library
    from kmsplan.engine.hsm.index import Index

LIMIT: Final = 512


class Loaded:
    """The loaded keys of one process.

    Args:
        library: the module.
        login: the session that they belong to.
        index: its lock serialises making and destroying.
    """

    def __init__(self, library: Library, login: Session, index: Index) -> None:
        self._library = library
        self._login = login
        self._index = index
        self._handles: OrderedDict[bytes, int] = OrderedDict()

    def handle(self, reference: bytes, *, refused: int | None = None) -> int:
        """Return the handle of a loaded key.

        Args:
            reference: the key's.
            refused: a handle that the token does not know any more.

        Raises:
            TokenFaultError: NOT_LOADED.
        """
        try:
            handle = self._handles[reference]
            self._handles.move_to_end(reference)
        except KeyError:
            raise TokenFaultError(Fault.NOT_LOADED) from None
        if handle == refused:
            with self._index.lock:
                self._handles.pop(reference, None)
            raise TokenFaultError(Fault.NOT_LOADED)
        return handle

    def put(self, reference: bytes, handle: int) -> None:
        """Keep a key that was just unwrapped in the login session; the index's lock is held."""
        replaced = self._handles.pop(reference, None)
        self._handles[reference] = handle
        oldest = self._handles.popitem(last=False)[1] if len(self._handles) > LIMIT else None
        for spare in (replaced, oldest):
            if spare is not None:
                self._destroy(spare)

    def _destroy(self, handle: int) -> None:
        try:
            self._library.destroy(self._login, handle)
        except PKCS11Error:
            return  # it ends with the process
