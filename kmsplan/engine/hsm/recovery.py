"""The public key of a private key that a token keeps to itself, from a signature it made (SEC 1, 4.1.6).

PKCS#11 gives an unwrapped private key no CKA_EC_POINT. A signature fits two public keys; a second one tells which. All
numbers here are public.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsplan.kms.spec import KeySpec

if TYPE_CHECKING:
    from collections.abc import Mapping

Point: TypeAlias = "tuple[int, int] | None"
"""None is the point at infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """y^2 = x^3 + ax + b over p, with a base point of order n (SEC 2; FIPS 186-5)."""

    kind: type[ec.EllipticCurve]
    p: int
    a: int
    b: int
    n: int
    base: tuple[int, int]


_CURVES: Final[Mapping[KeySpec, _Curve]] = MappingProxyType(
    {
        KeySpec.EC_P256: _Curve(
            kind=ec.SECP256R1,
            p=0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
            a=-3,
            b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
            n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
            base=(
                0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
                0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
            ),
        ),
        KeySpec.EC_P256K: _Curve(
            kind=ec.SECP256K1,
            p=2**256 - 2**32 - 977,
            a=0,
            b=7,
            n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
            base=(
                0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
                0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
            ),
        ),
    }
)


def candidates(spec: KeySpec, digest: bytes, signature: bytes) -> list[bytes]:
    """Return the public keys, as DER SubjectPublicKeyInfo, under which an ECDSA signature over a digest holds.

    Args:
        spec: EC_P256 or EC_P256K.
        digest: 32 bytes.
        signature: ASN.1 DER.
    """
    curve = _CURVES[spec]
    r, s = decode_dss_signature(signature)
    inverse = pow(r, -1, curve.n)
    offset = _times(curve, -int.from_bytes(digest, "big") * inverse, curve.base)
    keys = (_add(curve, _times(curve, s * inverse, point), offset) for point in _lifted(curve, r))
    return [_der(curve, key) for key in keys if key is not None]


def _lifted(curve: _Curve, x: int) -> list[tuple[int, int]]:
    """Return the two points with that coordinate; that r was reduced modulo n has a chance of 2^-128."""
    square = (pow(x, 3, curve.p) + curve.a * x + curve.b) % curve.p
    y = pow(square, (curve.p + 1) // 4, curve.p)  # both p are 3 modulo 4
    return [(x, y), (x, curve.p - y)] if y * y % curve.p == square else []


def _times(curve: _Curve, factor: int, point: Point) -> Point:
    total: Point = None
    for bit in f"{factor % curve.n:b}":
        total = _add(curve, total, total)
        if bit == "1":
            total = _add(curve, total, point)
    return total


def _add(curve: _Curve, one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x, y), (u, v) = one, other
    if x == u and (y + v) % curve.p == 0:
        return None
    rise, run = (3 * x * x + curve.a, 2 * y) if one == other else (v - y, u - x)
    slope = rise * pow(run, -1, curve.p) % curve.p
    third = (slope * slope - x - u) % curve.p
    return third, (slope * (x - third) - y) % curve.p


def _der(curve: _Curve, point: tuple[int, int]) -> bytes:
    key = ec.EllipticCurvePublicNumbers(*point, curve.kind()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
