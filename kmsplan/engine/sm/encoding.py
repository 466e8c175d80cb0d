"""What an SM2 ciphertext is in ASN.1 (GM/T 0009, 7.2), in DER alone.

OpenSSL reads all of BER, and a coordinate beyond the prime as what it is modulo the prime: a ciphertext would have many
forms.
"""

from __future__ import annotations

from typing import Final

_PRIME: Final = int("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF", 16)
"""Of the curve's field (GM/T 0003.5)."""
_HASH_BYTES: Final = 32
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_OCTET_STRING: Final = 0x04
_HEAD_BYTES: Final = 2
_LONG_FORM: Final = 0x80


def is_ciphertext(der: bytes) -> bool:
    """Return whether it is the sequence of C1 (two integers), C3 (a hash) and C2 (one byte at least) alone."""
    try:
        body, behind = _element(der, _SEQUENCE)
        checked, rest = _element(_behind_coordinate(_behind_coordinate(body)), _OCTET_STRING)
        sealed, more = _element(rest, _OCTET_STRING)
    except ValueError:
        return False
    return len(checked) == _HASH_BYTES and len(sealed) > 0 and not behind and not more


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return what the first element holds, and what follows it.

    Raises:
        ValueError: it has another tag, its length is not written in the shortest way, or it is cut off.
    """
    if len(der) < _HEAD_BYTES or der[0] != tag:
        raise ValueError
    length, start = der[1], _HEAD_BYTES
    if length >= _LONG_FORM:
        digits = length - _LONG_FORM
        start += digits
        length = int.from_bytes(der[_HEAD_BYTES:start], "big")
        if length < _LONG_FORM or digits != (length.bit_length() + 7) // 8:
            raise ValueError
    end = start + length
    if len(der) < end:
        raise ValueError
    return der[start:end], der[end:]


def _behind_coordinate(der: bytes) -> bytes:
    """Return what follows a coordinate.

    Raises:
        ValueError: there is none, or it is not in the field, or not written in the shortest way.
    """
    content, behind = _element(der, _INTEGER)
    number = int.from_bytes(content, "big", signed=True)
    if not 0 <= number < _PRIME or len(content) != number.bit_length() // 8 + 1:
        raise ValueError
    return behind
