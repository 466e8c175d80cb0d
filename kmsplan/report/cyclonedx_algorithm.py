"""The algorithms that keys are for, in the words of a cryptography bill of materials (CycloneDX 1.6)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.kms.quantum import QUANTUM
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Facts(NamedTuple):
    name: str
    """As CycloneDX's registry of algorithms writes it; {} is the size of the key."""
    primitive: str
    oid: str = ""
    mode: str = ""
    padding: str = ""


_FACTS: Final[Mapping[str, _Facts]] = MappingProxyType(
    {
        "AES_GCM": _Facts("AES-{}-GCM", "ae", mode="gcm"),
        "SM4_GCM": _Facts("SM4-GCM", "ae", "1.2.156.10197.1.104.8", mode="gcm"),
        "DES3_CBC": _Facts("3DES-CBC", "block-cipher", "1.2.840.113549.3.7", mode="cbc"),
        "RSAES_OAEP_SHA_256": _Facts("RSAES-OAEP-SHA-256-{}", "pke", "1.2.840.113549.1.1.7", padding="oaep"),
        "SM2PKE": _Facts("SM2-PKE", "pke", "1.2.156.10197.1.301.3"),
        "RSA_PSS_SHA_256": _Facts("RSASSA-PSS-SHA-256-{}", "signature", "1.2.840.113549.1.1.10"),
        "ECDSA_SHA_256": _Facts("ECDSA-SHA-256", "signature", "1.2.840.10045.4.3.2"),
        "SM2DSA": _Facts("SM2-DSA", "signature", "1.2.156.10197.1.501"),
        "HMAC_SHA_224": _Facts("HMAC-SHA-224", "mac", "1.2.840.113549.2.8"),
        "HMAC_SHA_256": _Facts("HMAC-SHA-256", "mac", "1.2.840.113549.2.9"),
        "HMAC_SHA_384": _Facts("HMAC-SHA-384", "mac", "1.2.840.113549.2.10"),
        "HMAC_SHA_512": _Facts("HMAC-SHA-512", "mac", "1.2.840.113549.2.11"),
        "HMAC_SM3": _Facts("HMAC-SM3", "mac", "1.2.156.10197.1.401.2"),
    }
)
"""By the API's name; object identifiers of NIST, ANSI X9.62, PKCS#1 and GM/T 0006."""
_AES_GCM: Final = MappingProxyType(
    {128: "2.16.840.1.101.3.4.1.6", 192: "2.16.840.1.101.3.4.1.26", 256: "2.16.840.1.101.3.4.1.46"}
)
_FUNCTIONS: Final[Mapping[KeyUsage, tuple[str, ...]]] = MappingProxyType(
    {
        KeyUsage.ENCRYPT: ("keygen", "encrypt", "decrypt"),
        KeyUsage.SIGN: ("keygen", "sign", "verify"),
        KeyUsage.MAC: ("keygen", "tag", "verify"),
    }
)


def reference(spec: str, usage: str) -> str:
    """Return the bom-ref of what keys of a spec do in a usage."""
    return f"algorithm:{spec}:{usage}"


def algorithm(spec: KeySpec, usage: KeyUsage) -> dict[str, Any]:
    """Return the component of the algorithm that such a key uses where nothing else is asked for."""
    facts, strength = SPECS[spec], QUANTUM[spec]
    told = _FACTS[facts.algorithms_for(usage)[0]]
    properties = {
        "primitive": told.primitive,
        "parameterSetIdentifier": str(facts.bits),
        "curve": facts.curve,
        "mode": told.mode,
        "padding": told.padding,
        "cryptoFunctions": _FUNCTIONS[usage],
        "classicalSecurityLevel": strength.classical_bits,
        "nistQuantumSecurityLevel": strength.level,
    }
    oid = _AES_GCM[facts.bits] if facts.family is Family.AES else told.oid
    return {
        "type": "cryptographic-asset",
        "bom-ref": reference(spec, usage),
        "name": told.name.format(facts.bits),
        "cryptoProperties": {
            "assetType": "algorithm",
            "algorithmProperties": {name: value for name, value in properties.items() if value not in (None, "")},
            "oid": oid,
        },
        "properties": [
            {"name": "kmsplan:spec", "value": spec.value},
            {"name": "kmsplan:quantum", "value": strength.kind.value},
            {"name": "kmsplan:quantum-reason", "value": strength.why},
        ],
    }
