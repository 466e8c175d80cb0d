"""Whether a key of ours can stand for a key in a token, and if not, why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pkcs11 import KeyType

from kmsplan.engine.hsm import cryptoki, mechanism, objects
from kmsplan.kms.hsmobject import ID_BYTES
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.hsm.objects import Group, TokenObject

_HMAC: Final[Mapping[int, KeySpec]] = {
    KeyType.SHA224_HMAC: KeySpec.HMAC_SHA_224,
    KeyType.SHA256_HMAC: KeySpec.HMAC_SHA_256,
    KeyType.SHA384_HMAC: KeySpec.HMAC_SHA_384,
    KeyType.SHA512_HMAC: KeySpec.HMAC_SHA_512,
}
"""Key types that are for one HMAC; GENERIC_SECRET is for each, by its length."""
_FAMILIES: Final[Mapping[int, Family]] = {
    KeyType.AES: Family.AES,
    KeyType.RSA: Family.RSA,
    KeyType.EC: Family.EC,
    KeyType.GENERIC_SECRET: Family.HMAC,
    **dict.fromkeys(_HMAC, Family.HMAC),
}
_NEEDED: Final[Mapping[KeyUsage, tuple[int, ...]]] = {
    KeyUsage.ENCRYPT: (objects.CKA_DECRYPT,),
    KeyUsage.SIGN: (objects.CKA_SIGN,),
    KeyUsage.MAC: (objects.CKA_SIGN,),
}
"""What the secret or private key must be allowed; the public half of a pair is used outside the token."""


_NEW: Final = "make a new key in its place, for nobody can make this one safe"


class UnfitError(Exception):
    """Why no key can stand for an object."""


def fitting(identity: bytes, found: Group) -> KeySpec:
    """Return the spec of a key that can stand for the objects of one CKA_ID.

    Raises:
        UnfitError: none can.
    """
    _require_one(identity, found)
    (one,) = found.keys
    _require_kept(one)
    spec = _spec(one)
    if not SPECS[spec].symmetric and not found.publics:
        raise UnfitError("it is a private key, and there is no public key of the same CKA_ID; write that beside it")
    if not usages(spec, found):
        raise UnfitError("it may neither decrypt nor sign (CKA_DECRYPT, CKA_SIGN)")
    return spec


def usages(spec: KeySpec, found: Group) -> list[KeyUsage]:
    """Return what a key of that spec may be for, the usual first: what the object is allowed."""
    facts, (one,) = SPECS[spec], found.keys
    allowed = [usage for usage in facts.usages if all(map(one.is_true, _NEEDED[usage]))]
    if facts.family is Family.AES and not one.is_true(objects.CKA_ENCRYPT):
        return []
    return sorted(allowed, key=lambda usage: usage is not facts.default_usage)


def _require_one(identity: bytes, found: Group) -> None:
    """Check that it is said which object is meant."""
    if not identity:
        raise UnfitError("it has no CKA_ID, by which a key names its object; give it one of its own")
    if len(identity) > ID_BYTES:
        raise UnfitError(f"its CKA_ID has {len(identity)} bytes; up to {ID_BYTES} can be named")
    if not found.keys:
        raise UnfitError("it is a public key alone")
    count = max(len(found.keys), len(found.publics))
    if count > 1:
        raise UnfitError(f"{count} keys have this CKA_ID, and nothing tells which is meant; give each one of its own")


def _require_kept(one: TokenObject) -> None:
    """Check that the token keeps the key to itself."""
    if not one.is_true(objects.CKA_SENSITIVE):
        raise UnfitError(f"it can be read out in the clear (CKA_SENSITIVE is not set); {_NEW}")
    if one.is_true(objects.CKA_EXTRACTABLE) or not one.content(objects.CKA_EXTRACTABLE):
        raise UnfitError(f"it can be taken out of the token, wrapped by another key (CKA_EXTRACTABLE is set); {_NEW}")
    if not one.is_true(objects.CKA_PRIVATE):
        raise UnfitError(f"it can be used without the PIN (CKA_PRIVATE is not set); {_NEW}")
    if one.is_true(objects.CKA_ALWAYS_AUTHENTICATE):
        raise UnfitError(f"it wants the PIN anew at every use (CKA_ALWAYS_AUTHENTICATE is set); {_NEW}")


def _spec(one: TokenObject) -> KeySpec:
    """Return the spec that type and size amount to."""
    kind = one.number(objects.CKA_KEY_TYPE)
    family = _FAMILIES.get(kind)
    secret = one.object_class == cryptoki.CKO_SECRET_KEY
    if family is None or secret != (family in (Family.AES, Family.HMAC)):
        raise UnfitError(f"it is of the key type {_type_name(kind)}; no key spec is")
    specs = mechanism.SPECS_BY_FAMILY[family]
    if family is Family.EC:
        found = next((spec for spec in specs if mechanism.CURVES[spec] == one.content(cryptoki.CKA_EC_PARAMS)), None)
        size = "on that curve"
    else:
        bits = _bits(one, secret=secret)
        named = _HMAC.get(kind)
        found = next((spec for spec in specs if SPECS[spec].bits == bits and named in (None, spec)), None)
        size = f"of {bits} bits"
    if found is None:
        raise UnfitError(f"there is no key spec for a key of type {_type_name(kind)} {size}")
    return found


def _bits(one: TokenObject, *, secret: bool) -> int:
    if not secret:
        return int.from_bytes(one.content(cryptoki.CKA_MODULUS), "big").bit_length()
    length = one.number(cryptoki.CKA_VALUE_LEN)
    if length <= 0:
        raise UnfitError("the token does not tell its length (CKA_VALUE_LEN)")
    return length * 8


def _type_name(kind: int) -> str:
    return next((one.name for one in KeyType if one.value == kind), f"{kind:#x}" if kind >= 0 else "that is not told")
