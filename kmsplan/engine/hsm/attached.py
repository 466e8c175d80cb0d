"""Token objects that keys of ours stand for, used and never changed.

Which object that is, a search by CKA_ID says, and it is believed only if it is one key, and the one that was attached:
whoever may write to the token could have put another in its place, whose material they know.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from pkcs11.exceptions import PKCS11Error

from kmsplan.engine.hsm import fitness, marking, objects
from kmsplan.engine.hsm.attachment import Attachment, fingerprint_of
from kmsplan.engine.hsm.message import SENTINEL, Fault, TokenFaultError
from kmsplan.engine.hsm.opening import words
from kmsplan.kms.spec import SPECS, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.engine.hsm.driver import Driver
    from kmsplan.engine.hsm.seat import Seat


TRUST: Final = 1.0
"""Seconds for which a search serves to attach objects, when many are."""

_NOT_FOUND: Final = frozenset({Fault.ABSENT, Fault.UNUSABLE, Fault.NO_SENTINEL})
"""What keeps an object from being found; where there is no sentinel either, the search itself says nothing."""


class Attached:
    """The attached objects of one token.

    Args:
        driver: the token.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        # Handles that were seen to be the right object's. Each use of another object has to get past `_recognised`.
        self._handles: dict[bytes, int] = {}
        self._until = 0.0

    def attach(self, seat: Seat, spec: KeySpec, usage: KeyUsage, identity: bytes) -> list[bytes]:
        """Check that a key can stand for the object of a CKA_ID; return its fingerprint and its public parts.

        Raises:
            TokenFaultError: UNFIT; NO_SENTINEL or SICK where nothing can be said.
        """
        driver = self._driver
        driver.prepare()
        with driver.index.lock:
            self._look_around()
            found = self._group(identity, afresh=True)
            if found is None:
                driver.require_sentinel(seat)
                raise TokenFaultError(
                    Fault.UNFIT, "the token holds no key of this CKA_ID; kmsplan import --all says what it holds"
                )
            try:
                _require(identity, found, spec, usage)
            except fitness.UnfitError as error:
                raise TokenFaultError(Fault.UNFIT, str(error)) from error
            try:
                parts = self._parts(seat, spec, found)
            except PKCS11Error as error:
                driver.require_sentinel(seat)
                raise TokenFaultError(Fault.UNFIT, f"the token does not use it as {spec}: {words(error)}") from error
        return [fingerprint_of(spec, parts), *([] if SPECS[spec].symmetric else parts)]

    def handle(self, seat: Seat, reference: bytes, *, refused: int | None = None) -> int:
        """Return the handle of an attached object, from memory or by a search.

        Args:
            seat: the caller's.
            reference: the object's.
            refused: a handle that memory knows and the token does not.

        Raises:
            TokenFaultError: ABSENT; UNUSABLE where it is not the object that was attached; NO_SENTINEL or SICK.
        """
        known = self._handles.get(reference)
        if known is not None and known != refused:
            return known
        index = self._driver.index
        with index.lock:
            fresh = index.fresh
            index.objects()
            if not fresh and refused is not None:
                index.survey()
            return self._recognised(seat, reference)

    def absent(self, seat: Seat, references: Iterable[bytes]) -> tuple[bool, list[bytes]]:
        """Say whether a fresh search finds the sentinel, and for which references it does not find the object."""
        index, gone = self._driver.index, []
        with index.lock:
            index.survey()
            for reference in references:
                try:
                    self._recognised(seat, reference)
                except TokenFaultError as error:
                    if error.fault not in _NOT_FOUND:
                        raise
                    gone.append(reference)
            return index.stands(SENTINEL), gone

    def _recognised(self, seat: Seat, reference: bytes) -> int:
        """Return the handle of the object as the last search found it, if it is the one that was attached."""
        self._handles.pop(reference, None)
        attachment = Attachment.parse(reference)
        found = self._group(attachment.identity, afresh=True)
        if found is None:
            self._driver.require_sentinel(seat)
            raise TokenFaultError(Fault.ABSENT, f"object {attachment.identity.hex()}")
        problem = self._strange(seat, attachment, found)
        if problem:
            self._driver.require_sentinel(seat)
            raise TokenFaultError(Fault.UNUSABLE, f"object {attachment.identity.hex()}: {problem}")
        self._handles[reference] = found.keys[0].handle
        return found.keys[0].handle

    def _strange(self, seat: Seat, attachment: Attachment, found: objects.Group) -> str | None:
        """Return how the objects of a CKA_ID differ from what was attached, or None."""
        try:
            spec = fitness.fitting(attachment.identity, found)
            parts = self._parts(seat, spec, found) if spec is attachment.spec else []
        except fitness.UnfitError as error:
            return str(error)
        except PKCS11Error as error:
            return words(error)
        if fingerprint_of(spec, parts) != attachment.fingerprint:
            return "another key is in its place by now, and is not used"
        return None

    def _look_around(self) -> None:
        """Search afresh, unless that was done a moment ago: a search takes longer the more there is to find."""
        if monotonic() >= self._until:
            self._driver.index.survey()
            self._until = monotonic() + TRUST

    def _group(self, identity: bytes, *, afresh: bool) -> objects.Group | None:
        """Return the keys of a CKA_ID, by the last search; with `afresh`, another one where that has found none."""
        known = self._driver.index.objects().get(identity)
        found = None if known is None else objects.group(self._driver, known.handles).get(identity)
        if found is None and afresh:
            self._driver.index.survey()  # others may have made it, or brought it back, since
            return self._group(identity, afresh=False)
        return found

    def _parts(self, seat: Seat, spec: KeySpec, found: objects.Group) -> list[bytes]:
        """Return what tells the key from others; see `fingerprint_of`."""
        if SPECS[spec].symmetric:
            return [marking.mark(seat, spec, found.keys[0].handle)]
        return self._driver.public_parts(self._driver.login, spec, found.publics[0].handle)


def _require(identity: bytes, found: objects.Group, spec: KeySpec, usage: KeyUsage) -> None:
    """Check that a key of that spec and usage can stand for an object.

    Raises:
        UnfitError: it cannot.
    """
    if found.ours:
        raise fitness.UnfitError("an engine of kmsplan made it, as its label says, and will destroy it with its key")
    kind = fitness.fitting(identity, found)
    if kind is not spec:
        raise fitness.UnfitError(f"it is a key of spec {kind}, not of {spec}; say what it is")
    allowed = fitness.usages(spec, found)
    if usage not in allowed:
        raise fitness.UnfitError(f"it may be used for {' and '.join(allowed)} alone, not for {usage}; say that")
