"""What the embedded engine offers, as data: the part of the KMS tables that it carries out."""

from __future__ import annotations

from typing import Final

from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyType, specs_for

# MAC keys wait for GenerateMac; SM2, SM4 and 3DES for a backend that has them.
_FAMILIES: Final = frozenset({Family.AES, Family.RSA, Family.EC})


def _offered(key_type: KeyType) -> tuple[KeySpec, ...]:
    return tuple(spec for spec in specs_for(key_type) if SPECS[spec].family in _FAMILIES)


SOFTWARE_SPECS: Final = _offered(KeyType.SOFTWARE)
"""Specs of keys in software instances."""

HARDWARE_SPECS: Final = _offered(KeyType.HARDWARE)
"""Specs of keys in hardware instances, as far as their token can make and use them (`Protection.specs`)."""
