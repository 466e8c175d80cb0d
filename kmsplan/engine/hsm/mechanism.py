"""How the project's specs and algorithms are said in PKCS#11 (v2.40 current mechanisms, section 2)."""

from __future__ import annotations

from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pkcs11 import MGF, Attribute, KeyType, Mechanism, MechanismFlag

from kmsplan.engine.hsm.message import SENTINEL
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pkcs11.types import Object, Session

CURVES: Final[Mapping[KeySpec, bytes]] = MappingProxyType(
    {
        KeySpec.EC_P256: bytes.fromhex("06082a8648ce3d030107"),
        KeySpec.EC_P256K: bytes.fromhex("06052b8104000a"),
    }
)
"""CKA_EC_PARAMS: the curve's object identifier in DER (SEC 2)."""

SPECS_BY_FAMILY: Final[Mapping[Family, tuple[KeySpec, ...]]] = MappingProxyType(
    {
        family: tuple(spec for spec, facts in SPECS.items() if facts.family is family)
        for family in (Family.AES, Family.RSA, Family.EC)
    }
)
"""What this backend can try at all; the token says what of it works."""

# DigestInfo of SHA-256 up to the digest (RFC 8017, 9.2 note 1): CKM_RSA_PKCS pads, the caller frames.
_SHA256_DIGEST_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
SIGNING: Final[Mapping[str, tuple[Mechanism, Any, bytes]]] = MappingProxyType(
    {
        "RSA_PSS_SHA_256": (Mechanism.RSA_PKCS_PSS, (Mechanism.SHA256, MGF.SHA256, 32), b""),
        "RSA_PKCS1_SHA_256": (Mechanism.RSA_PKCS, None, _SHA256_DIGEST_INFO),
        "ECDSA_SHA_256": (Mechanism.ECDSA, None, b""),
    }
)
"""Algorithm: mechanism, parameter, prefix of the digest. Parameters are explicit: the binding's defaults are SHA-1."""
OAEP: Final[Mapping[str, tuple[Mechanism, MGF, None]]] = MappingProxyType(
    {
        "RSAES_OAEP_SHA_256": (Mechanism.SHA256, MGF.SHA256, None),
        "RSAES_OAEP_SHA_1": (Mechanism.SHA_1, MGF.SHA1, None),
    }
)
"""Algorithm: hash, mask generation function, no label (RFC 8017, 7.1)."""

_CAPABILITIES: Final = MappingProxyType(
    {
        KeyUsage.ENCRYPT: MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
        KeyUsage.SIGN: MechanismFlag.SIGN | MechanismFlag.VERIFY,
    }
)
_SECRET: Final = MappingProxyType({Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False})


def label(reference: bytes) -> str:
    """Return the CKA_LABEL of the objects of one reference."""
    return SENTINEL.decode() if reference == SENTINEL else f"kmsplan-{reference.hex()}"


def generate(session: Session, spec: KeySpec, usages: Iterable[KeyUsage], reference: bytes | None) -> list[int]:
    """Make a key that never leaves the token, and return its handles: secret key, or private and public key.

    Args:
        session: where; read-write for token objects.
        spec: one of `SPECS_BY_FAMILY`.
        usages: what the key may be used for.
        reference: CKA_ID of a token object; None makes a session object, for trying.

    Raises:
        PKCS11Error: the token cannot or does not.
    """
    facts = SPECS[spec]
    names: dict[str, Any] = {"store": False}
    if reference is not None:
        names = {"store": True, "id": bytes(reference), "label": label(reference)}
    names["capabilities"] = reduce(or_, (_CAPABILITIES[usage] for usage in usages))
    if facts.family is Family.AES:
        return _handles(session.generate_key(KeyType.AES, facts.bits, template=dict(_SECRET), **names))
    names |= {"private_template": dict(_SECRET), "public_template": {Attribute.PRIVATE: False}}
    if facts.family is Family.RSA:
        public, private = session.generate_keypair(KeyType.RSA, facts.bits, **names)
    else:
        curve = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: CURVES[spec]}, local=True)
        public, private = curve.generate_keypair(**names)
    return _handles(private, public)


def _handles(*keys: Object) -> list[int]:
    return [key.handle or 0 for key in keys]
