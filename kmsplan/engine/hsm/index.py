"""The objects of a token by CKA_ID: found by one search, remembered, made and destroyed one at a time.

Searching, making and destroying are serialised, because SoftHSM fails a search now and then while another thread
creates. Using keys needs no lock: each thread has its own session.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING

from pkcs11.exceptions import ObjectHandleInvalid, PKCS11Error

from kmsplan.engine.hsm import cryptoki
from kmsplan.engine.hsm.message import Fault, TokenFaultError
from kmsplan.engine.hsm.opening import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pkcs11.types import Session

    from kmsplan.engine.hsm.cryptoki import Library


@dataclass(slots=True)
class Objects:
    """The objects that share one CKA_ID."""

    working: int | None = None
    """Handle of the secret key or private key."""
    public: int | None = None
    handles: list[int] = field(default_factory=list)
    """All of them, half-made ones too."""


class Index:
    """What the token holds, as of the last search.

    Args:
        library: the initialised module.
        login: the read-write session that keeps the process logged in; used under `lock` only.
    """

    def __init__(self, library: Library, login: Session) -> None:
        self.lock = RLock()
        self._library = library
        self._login = login
        # A survey replaces the whole index; handles are trusted until the token refuses one.
        self._known: dict[bytes, Objects] | None = None

    @property
    def fresh(self) -> bool:
        """Whether nothing was searched yet."""
        return self._known is None

    def remembered(self, reference: bytes) -> int | None:
        """Return the handle of a key from memory alone."""
        known = self._known.get(reference) if self._known else None
        return known.working if known else None

    def objects(self) -> dict[bytes, Objects]:
        """Return what is known, searching where nothing is.

        Raises:
            TokenFaultError: SICK.
        """
        return self.survey() if self._known is None else self._known

    def stands(self, reference: bytes) -> bool:
        """Say whether a key is there with its working half, as far as is known."""
        return reference in self.objects() and self.objects()[reference].working is not None

    def survey(self) -> dict[bytes, Objects]:
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
        self._known = index
        return index

    def made(self, reference: bytes, handles: Sequence[int]) -> Objects:
        """Remember what was just made: the working half first."""
        public = handles[1] if len(handles) > 1 else None
        objects = Objects(working=handles[0], public=public, handles=list(handles))
        self.objects()[reference] = objects
        return objects

    def destroy(self, reference: bytes) -> None:
        """Destroy the objects of a reference that are known.

        Raises:
            PKCS11Error: one was not destroyed.
        """
        for handle in self.objects().get(reference, Objects()).handles:
            try:
                self._library.destroy(self._login, handle)
            except ObjectHandleInvalid:
                continue  # somebody else was faster
