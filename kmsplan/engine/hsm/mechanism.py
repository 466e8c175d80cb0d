"""How the project's specs and algorithms are said in PKCS#11 (v2.40 current mechanisms, section 2)."""

from __future__ import annotations

from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pkcs11 import MGF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.constants import DEFAULT

from kmsplan.engine.hsm.message import KEK, SENTINEL
from kmsplan.kms.spec import ALGORITHMS, SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pkcs11.types import Object, Session

    from kmsplan.engine.hsm.cryptoki import BoundKey

CURVES: Final[Mapping[KeySpec, bytes]] = MappingProxyType(
    {
        KeySpec.EC_P256: bytes.fromhex("06082a8648ce3d030107"),
        KeySpec.EC_P256K: bytes.fromhex("06052b8104000a"),
    }
)
"""CKA_EC_PARAMS: the curve's object identifier in DER (SEC 2)."""

_KEY_TYPES: Final[Mapping[Family, KeyType]] = MappingProxyType(
    {
        Family.AES: KeyType.AES,
        Family.HMAC: KeyType.GENERIC_SECRET,
        Family.RSA: KeyType.RSA,
        Family.EC: KeyType.EC,
    }
)
SPECS_BY_FAMILY: Final[Mapping[Family, tuple[KeySpec, ...]]] = MappingProxyType(
    {
        family: tuple(
            spec
            for spec, facts in SPECS.items()
            if facts.family is family and any(ALGORITHMS[name].mechanism for name in facts.algorithms)
        )
        for family in _KEY_TYPES
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
        "HMAC_SHA_224": (Mechanism.SHA224_HMAC, None, b""),
        "HMAC_SHA_256": (Mechanism.SHA256_HMAC, None, b""),
        "HMAC_SHA_384": (Mechanism.SHA384_HMAC, None, b""),
        "HMAC_SHA_512": (Mechanism.SHA512_HMAC, None, b""),
    }
)
"""Algorithm: mechanism, parameter, prefix of the data. Parameters are explicit: the binding's defaults are SHA-1."""
OAEP: Final[Mapping[str, tuple[Mechanism, MGF, None]]] = MappingProxyType(
    {
        "RSAES_OAEP_SHA_256": (Mechanism.SHA256, MGF.SHA256, None),
        "RSAES_OAEP_SHA_1": (Mechanism.SHA_1, MGF.SHA1, None),
    }
)
"""Algorithm: hash, mask generation function, no label (RFC 8017, 7.1)."""

WRAPPING_BITS: Final = 2048
_WRAPS: Final = MechanismFlag.WRAP | MechanismFlag.UNWRAP
_CAPABILITIES: Final = MappingProxyType(
    {
        KeyUsage.ENCRYPT: MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
        KeyUsage.SIGN: MechanismFlag.SIGN | MechanismFlag.VERIFY,
        KeyUsage.MAC: MechanismFlag.SIGN | MechanismFlag.VERIFY,
    }
)
_PRIVATE_CAPABILITIES: Final = MappingProxyType(
    {KeyUsage.ENCRYPT: MechanismFlag.DECRYPT, KeyUsage.SIGN: MechanismFlag.SIGN}
)
# The binding's template for private keys has these, and tokens refuse them; DEFAULT leaves them out.
_PUBLIC_ONLY: Final = dict.fromkeys((Attribute.ENCRYPT, Attribute.VERIFY, Attribute.WRAP), DEFAULT)


def label(reference: bytes) -> str:
    """Return the CKA_LABEL of the objects of one reference."""
    return reference.decode() if reference in (SENTINEL, KEK) else f"kmsplan-{reference.hex()}"


def generate(
    session: Session, spec: KeySpec, usages: Iterable[KeyUsage], reference: bytes | None, *, extractable: bool = False
) -> list[int]:
    """Make a key, and return its handles: secret key, or private and public key.

    Args:
        session: where; read-write for token objects.
        spec: one of `SPECS_BY_FAMILY`.
        usages: what the key may be used for.
        reference: CKA_ID of a token object; None makes a session object.
        extractable: whether another key of the token may wrap it; in the clear it never leaves.

    Raises:
        PKCS11Error: the token cannot or does not.
    """
    facts, template = SPECS[spec], _secret(extractable=extractable)
    names = _names(reference) | {"capabilities": reduce(or_, (_CAPABILITIES[usage] for usage in usages))}
    if facts.family is Family.AES:
        return _handles(session.generate_key(KeyType.AES, facts.bits, template=template, **names))
    if facts.family is Family.HMAC:
        names["mechanism"] = Mechanism.GENERIC_SECRET_KEY_GEN
        return _handles(session.generate_key(KeyType.GENERIC_SECRET, facts.bits, template=template, **names))
    names |= {"private_template": template, "public_template": {Attribute.PRIVATE: False}}
    if facts.family is Family.RSA:
        public, private = session.generate_keypair(KeyType.RSA, facts.bits, **names)
    else:
        curve = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: CURVES[spec]}, local=True)
        public, private = curve.generate_keypair(**names)
    return _handles(private, public)


def generate_wrapping_secret(session: Session, reference: bytes | None) -> list[int]:
    """Make an AES-256 key that does nothing but wrap and unwrap, and never leaves.

    Raises:
        PKCS11Error: the token cannot or does not.
    """
    template = _secret(extractable=False)
    return _handles(session.generate_key(KeyType.AES, 256, template=template, capabilities=_WRAPS, **_names(reference)))


def generate_wrapping_pair(session: Session, reference: bytes | None) -> list[int]:
    """Make an RSA key pair that does nothing but wrap and unwrap, and return its private and its public half.

    Raises:
        PKCS11Error: the token cannot or does not.
    """
    public, private = session.generate_keypair(
        KeyType.RSA,
        WRAPPING_BITS,
        private_template=_secret(extractable=False),
        public_template={Attribute.PRIVATE: False},
        capabilities=_WRAPS,
        **_names(reference),
    )
    return _handles(private, public)


def wrap(wrapper: BoundKey, key: BoundKey) -> bytes:
    """Return a key wrapped by RFC 5649 (CKM_AES_KEY_WRAP_PAD).

    Raises:
        PKCS11Error: the token does not.
    """
    return bytes(wrapper.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP_PAD))


def unwrap_secret(wrapper: BoundKey, oaep: str, wrapped: bytes) -> int:
    """Unwrap an AES key that does nothing but unwrap, as a session object.

    Raises:
        PKCS11Error: the token does not.
    """
    return _handles(
        wrapper.unwrap_key(
            ObjectClass.SECRET_KEY,
            KeyType.AES,
            wrapped,
            mechanism=Mechanism.RSA_PKCS_OAEP,
            mechanism_param=OAEP[oaep],
            template=_secret(extractable=False),
            capabilities=MechanismFlag.UNWRAP,
        )
    )[0]


def unwrap(
    wrapper: BoundKey,
    spec: KeySpec,
    usage: KeyUsage,
    wrapped: bytes,
    *,
    oaep: str | None = None,
    reference: bytes | None = None,
    extractable: bool = False,
) -> int:
    """Unwrap a key, and return its handle.

    Args:
        wrapper: what unwraps it.
        spec: of the key.
        usage: of the key.
        wrapped: by RSA-OAEP where `oaep` names the algorithm, by RFC 5649 where not.
        oaep: one of `OAEP`.
        reference: as for `generate`.
        extractable: as for `generate`.

    Raises:
        PKCS11Error: the token does not, or what was wrapped is no such key.
    """
    facts, template = SPECS[spec], _secret(extractable=extractable)
    how: dict[str, Any] = {"mechanism": Mechanism.AES_KEY_WRAP_PAD}
    if oaep is not None:
        how = {"mechanism": Mechanism.RSA_PKCS_OAEP, "mechanism_param": OAEP[oaep]}
    capabilities = (_CAPABILITIES if facts.symmetric else _PRIVATE_CAPABILITIES)[usage]
    if not facts.symmetric:
        template |= _PUBLIC_ONLY
    key = wrapper.unwrap_key(
        ObjectClass.SECRET_KEY if facts.symmetric else ObjectClass.PRIVATE_KEY,
        _KEY_TYPES[facts.family],
        wrapped,
        template=template,
        capabilities=capabilities,
        **_names(reference),
        **how,
    )
    return _handles(key)[0]


def _secret(*, extractable: bool) -> dict[Attribute, Any]:
    return {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: extractable}


def _names(reference: bytes | None) -> dict[str, Any]:
    if reference is None:
        return {"store": False}
    return {"store": True, "id": bytes(reference), "label": label(reference)}


def _handles(*keys: Object) -> list[int]:
    return [key.handle or 0 for key in keys]
