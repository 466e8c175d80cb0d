"""How imported material travels (BYOK): the wrapping algorithms of GetParametersForImport, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.kms.spec import SPECS, Family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.kms.spec import KeySpec

TOKEN_SECONDS: Final = 24 * 3600
"""How long an import token is taken; within that time it may be used as often as one likes."""


class WrappingKeySpec(StrEnum):
    """What the KMS's wrapping key can be."""

    RSA_2048 = "RSA_2048"
    EC_SM2 = "EC_SM2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """One wrapping algorithm."""

    name: str
    spec: WrappingKeySpec
    families: frozenset[Family]
    """The key families whose material it carries."""


_SYMMETRIC: Final = frozenset(Family) - {Family.RSA, Family.EC, Family.SM2}
_PAIRS: Final = frozenset({Family.RSA, Family.EC})
_RSA = WrappingKeySpec.RSA_2048
_SM2 = WrappingKeySpec.EC_SM2

WRAPPINGS: Final[Mapping[str, Wrapping]] = MappingProxyType(
    {
        wrapping.name: wrapping
        for wrapping in (
            Wrapping(name="RSAES_OAEP_SHA_256", spec=_RSA, families=_SYMMETRIC),
            # The cloud takes it for old keys only; there are HSMs that know no other OAEP.
            Wrapping(name="RSAES_OAEP_SHA_1", spec=_RSA, families=_SYMMETRIC),
            Wrapping(name="RSAES_PKCS1_V1_5", spec=_RSA, families=_SYMMETRIC),
            Wrapping(name="SM2PKE", spec=_SM2, families=_SYMMETRIC),
            # RSA-OAEP of an ephemeral AES-256 key, then AES-256-ECB with PKCS#7 padding of the PKCS#8 DER.
            Wrapping(name="RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD", spec=_RSA, families=_PAIRS),
            # PKCS#11's CKM_RSA_AES_KEY_WRAP: RSA-OAEP of an ephemeral AES-256 key, then RFC 5649 of the PKCS#8 DER. Not
            # the cloud's, but an HSM can unwrap it inside: PKCS#11 has no AES-ECB for private keys.
            Wrapping(name="RSA_AES_KEY_WRAP_SHA_256", spec=_RSA, families=_PAIRS),
            Wrapping(name="RSA_AES_KEY_WRAP_SHA_1", spec=_RSA, families=_PAIRS),
            # SM2 of an ephemeral SM4 key, then SM4-ECB without padding of the 32-byte private number.
            Wrapping(name="SM2PKE_SM4_ECB", spec=_SM2, families=frozenset({Family.SM2})),
        )
    }
)


def wrappings_for(spec: KeySpec) -> tuple[Wrapping, ...]:
    """Return what carries the material of a key of `spec`, the best first."""
    family = SPECS[spec].family
    return tuple(wrapping for wrapping in WRAPPINGS.values() if family in wrapping.families)
