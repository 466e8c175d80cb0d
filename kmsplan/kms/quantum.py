"""What a large quantum computer would do to a key of each spec.

Shor's algorithm breaks RSA and elliptic curves of any size (NIST IR 8547, initial public draft of November 2024,
section 2; SM2 is an elliptic curve). Grover's halves the bits of a search at best. The levels are NIST's security
categories 1 to 6, met by what is as hard to break as AES-128 (1), AES-192 (3) or AES-256 (5), and 0 where none is met;
they say what is known of an algorithm, and nothing of how it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.kms.spec import KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Mapping


class QuantumClass(StrEnum):
    """How a key fares."""

    VULNERABLE = "quantum-vulnerable"
    """Broken outright, whatever its size."""
    REDUCED = "reduced"
    """Left with the least margin that NIST has a category for, or with less."""
    RESISTANT = "resistant"
    """Left with a wide margin."""


@dataclass(frozen=True, slots=True)
class Quantum:
    """One spec's class, level and strength."""

    kind: QuantumClass
    level: int
    """NIST's security category, 0 where none is met."""
    classical_bits: int
    """Strength without a quantum computer (SP 800-57 part 1 rev. 5, 5.6.1)."""
    why: str


_SHOR: Final = "Shor's algorithm finds the private key from the public one"
_GROVER: Final = "Grover's algorithm halves the bits of a key search at best"


def _broken(bits: int) -> Quantum:
    return Quantum(QuantumClass.VULNERABLE, 0, bits, _SHOR)


def _searched(kind: QuantumClass, level: int, bits: int) -> Quantum:
    return Quantum(kind, level, bits, _GROVER)


_REDUCED, _RESISTANT = QuantumClass.REDUCED, QuantumClass.RESISTANT
QUANTUM: Final[Mapping[str, Quantum]] = MappingProxyType(
    {
        KeySpec.AES_256: _searched(_RESISTANT, 5, 256),
        KeySpec.AES_192: _searched(_RESISTANT, 3, 192),
        KeySpec.AES_128: _searched(_REDUCED, 1, 128),
        KeySpec.SM4: _searched(_REDUCED, 1, 128),
        # 168 bits, of which a meeting in the middle leaves 112; no longer approved to encrypt (SP 800-131A rev. 2).
        KeySpec.DES3_192: _searched(_REDUCED, 0, 112),
        KeySpec.RSA_2048: _broken(112),
        KeySpec.RSA_3072: _broken(128),
        KeySpec.RSA_4096: _broken(128),  # between two rows of the table, which counts as the lower one
        KeySpec.EC_P256: _broken(128),
        KeySpec.EC_P256K: _broken(128),
        KeySpec.EC_SM2: _broken(128),
        # As hard as the search for the key, which is as long as the hash.
        KeySpec.HMAC_SHA_224: _searched(_RESISTANT, 3, 224),
        KeySpec.HMAC_SHA_256: _searched(_RESISTANT, 5, 256),
        KeySpec.HMAC_SHA_384: _searched(_RESISTANT, 5, 384),
        KeySpec.HMAC_SHA_512: _searched(_RESISTANT, 5, 512),
        KeySpec.HMAC_SM3: _searched(_RESISTANT, 5, 256),
    }
)


def quantum(spec: str | None) -> Quantum | None:
    """Return what is known of a spec, by the API's name; None for one that the project does not know."""
    return QUANTUM.get(spec) if spec else None


def harvestable(spec: str | None, usage: str | None) -> bool:
    """Whether what such a key encrypts today can be kept, and read when there is a quantum computer.

    A forged signature needs the computer first; a stolen ciphertext waits for it.
    """
    found = quantum(spec)
    return found is not None and found.kind is QuantumClass.VULNERABLE and usage == KeyUsage.ENCRYPT
