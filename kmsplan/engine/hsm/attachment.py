"""Token objects that somebody else made, and that keys of ours stand for: how the engine refers to one.

A reference to an object of our own is its CKA_ID, 16 bytes. A reference to somebody else's is longer, so that the two
are never taken for each other: nothing that makes or destroys objects takes a longer one. It says which key the object
was when it was attached, because whoever may write to the token could put another one in its place.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.engine.framing import framed
from kmsplan.engine.hsm.message import LOADED_BYTES
from kmsplan.kms.spec import KeySpec

if TYPE_CHECKING:
    from collections.abc import Iterable

OWN_LABEL: Final = "kmsplan-"
"""What the CKA_LABEL of every object that an engine makes begins with."""
_FINGERPRINT_BYTES: Final = 32
_END: Final = b"\0"


class Attachment(NamedTuple):
    """An object of a token that a key stands for."""

    fingerprint: bytes
    """32 bytes that tell this key from every other one; see `fingerprint_of`."""
    spec: KeySpec
    identity: bytes
    """CKA_ID."""

    @property
    def reference(self) -> bytes:
        """What the engine calls it: at least 18 bytes."""
        return self.fingerprint + self.spec.encode() + _END + self.identity

    @classmethod
    def parse(cls, reference: bytes) -> Attachment:
        """Return what `reference` stands for.

        Raises:
            ValueError: it stands for no such object.
        """
        spec, end, identity = reference[_FINGERPRINT_BYTES:].partition(_END)
        if not end or not identity:
            raise ValueError("a reference to no object that was attached")
        return cls(reference[:_FINGERPRINT_BYTES], KeySpec(spec.decode("ascii")), identity)


def is_attached(reference: bytes) -> bool:
    """Return whether a reference stands for an object that somebody else made."""
    return len(reference) > LOADED_BYTES


def left_in_hsm(references: Iterable[bytes]) -> dict[str, Any]:
    """Return what the audit trail says of objects that stay in their HSM when their key is deleted."""
    names = [Attachment.parse(reference).identity.hex() for reference in references]
    return {"LeftInHsm": names} if names else {}


def fingerprint_of(spec: KeySpec, parts: Iterable[bytes]) -> bytes:
    """Return 32 bytes that tell a key from others.

    Args:
        spec: of the key.
        parts: the public parts of a pair; of a secret key what it makes of a fixed text (`marking`), which says nothing
            of the key.
    """
    return hashlib.sha256(framed(b"kmsplan attached 1", spec.encode(), *parts)).digest()
