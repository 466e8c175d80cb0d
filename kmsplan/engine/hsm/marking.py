"""What a secret key makes of a fixed text: the same for the same key, another for every other, and nothing about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm import mechanism
from kmsplan.kms.spec import SPECS, Family, KeySpec

if TYPE_CHECKING:
    from kmsplan.engine.hsm.seat import Seat

# An IV that no encryption takes but by a chance of 2^-96: what it yields is known to who may decrypt with the key only.
_IV: Final = b"kmsplan-mark"
_TEXT: Final = b"which material is this?"


def mark(seat: Seat, spec: KeySpec, key: int) -> bytes:
    """Return the mark of a symmetric key.

    Raises:
        PKCS11Error: the token does not use it.
    """
    facts = SPECS[spec]
    if facts.family is Family.AES:
        return seat.encrypt(key, _IV, b"", _TEXT)
    return seat.sign(key, mechanism.SIGNING[facts.algorithms[0]][0], _TEXT)
