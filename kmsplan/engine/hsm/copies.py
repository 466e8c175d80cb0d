"""Session copies of token keys that are used much: SoftHSM decrypts a token key's value at every use, a copy's not.

A copy is as sensitive as the key, and ends with the process. Whoever destroys the key in another process does not reach
it, so the key itself is looked at again after `TRUST` at the latest. A token that copies nothing goes without.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final

from pkcs11.exceptions import PKCS11Error

from kmsplan.engine.hsm.cryptoki import CKA_CLASS

if TYPE_CHECKING:
    from pkcs11.types import Session

    from kmsplan.engine.hsm.cryptoki import Library
    from kmsplan.engine.hsm.index import Index

TRUST: Final = 0.25
"""Seconds for which a copy is used before the key is looked at again."""
HOT: Final = 32
"""Uses after which a key is copied."""
_LIMIT: Final = 256


class _Use:
    """How much a key was used, and its copy."""

    __slots__ = ("copy", "count", "original", "until")

    def __init__(self, original: int) -> None:
        self.original = original
        self.count = 0
        self.copy: int | None = None
        self.until = 0.0


class Copies:
    """The copies of one process.

    Args:
        library: the module.
        login: the session that the copies belong to.
        index: its lock serialises making and destroying.
    """

    def __init__(self, library: Library, login: Session, index: Index) -> None:
        self._library = library
        self._login = login
        self._index = index
        self._lock = Lock()
        self._uses: OrderedDict[bytes, _Use] = OrderedDict()

    def best(self, session: Session, reference: bytes, original: int) -> int:
        """Return the handle to use a key by: its copy's or its own.

        Args:
            session: the caller's.
            reference: the key's.
            original: the key's own handle.
        """
        use = self._uses.get(reference)
        if use is None or use.original != original:
            use = self._begin(reference, original)
        if use.copy is not None:
            if monotonic() < use.until or self._stands(session, use):
                return use.copy
            self.drop(reference)
            return original
        use.count += 1
        if use.count == HOT:
            self._copy(use)
        return original

    def drop(self, reference: bytes) -> None:
        """Destroy the copy of a key."""
        with self._lock:
            use = self._uses.pop(reference, None)
        if use is not None:
            self._destroy(use)

    def _begin(self, reference: bytes, original: int) -> _Use:
        self.drop(reference)
        with self._lock:
            use = self._uses[reference] = _Use(original)
            oldest = self._uses.popitem(last=False)[1] if len(self._uses) > _LIMIT else None
        if oldest is not None:
            self._destroy(oldest)
        return use

    def _stands(self, session: Session, use: _Use) -> bool:
        """Say whether the key itself is still there."""
        try:
            self._library.attribute(session, use.original, CKA_CLASS)
        except PKCS11Error:
            return False
        use.until = monotonic() + TRUST
        return True

    def _copy(self, use: _Use) -> None:
        try:
            with self._index.lock:
                copy = self._library.copy(self._login, use.original)
        except PKCS11Error:
            return  # it is not asked again; the key itself serves
        use.copy, use.until = copy, monotonic() + TRUST

    def _destroy(self, use: _Use) -> None:
        if use.copy is None:
            return
        try:
            with self._index.lock:
                self._library.destroy(self._login, use.copy)
        except PKCS11Error:
            return  # it ends with the process
