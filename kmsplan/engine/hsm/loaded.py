"""Keys that the keystore keeps wrapped, unwrapped into session objects while they are used (HsmEncryptedDatabase).

They have references of their own length, which say that a search would not find them. The one that was not used for
longest gives way, and each one does after `LIFETIME`, so that none outlives its key or the key that wraps it for long;
its user loads it again.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final

from pkcs11.exceptions import PKCS11Error

from kmsplan.engine.hsm.message import Fault, TokenFaultError

if TYPE_CHECKING:
    from pkcs11.types import Session

    from kmsplan.engine.hsm.cryptoki import Library
    from kmsplan.engine.hsm.index import Index

LIMIT: Final = 512
LIFETIME: Final = 300.0
"""Seconds."""


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
        self._lock = Lock()
        self._keys: OrderedDict[bytes, tuple[int, float]] = OrderedDict()

    def handle(self, reference: bytes, *, refused: int | None = None) -> int:
        """Return the handle of a loaded key.

        Args:
            reference: the key's.
            refused: a handle that the token does not know any more.

        Raises:
            TokenFaultError: NOT_LOADED.
        """
        with self._lock:
            handle, until = self._keys.get(reference, (None, 0.0))
            if handle is not None and handle != refused and monotonic() < until:
                self._keys.move_to_end(reference)
                return handle
            self._keys.pop(reference, None)
        if handle is not None:
            with self._index.lock:
                self._destroy(handle)
        raise TokenFaultError(Fault.NOT_LOADED)

    def put(self, reference: bytes, handle: int) -> None:
        """Keep a key that was just unwrapped in the login session; the index's lock is held."""
        now = monotonic()
        with self._lock:
            ended = [old for old, (_, until) in self._keys.items() if old == reference or now >= until]
            spare = [self._keys.pop(old)[0] for old in ended]
            self._keys[reference] = handle, now + LIFETIME
            if len(self._keys) > LIMIT:
                spare.append(self._keys.popitem(last=False)[1][0])
        for one in spare:
            self._destroy(one)

    def _destroy(self, handle: int) -> None:
        try:
            self._library.destroy(self._login, handle)
        except PKCS11Error:
            return  # it ends with the process
