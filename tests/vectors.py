"""Reads the public test vectors that the package cryptography_vectors carries (NIST CAVP, RSA Laboratories)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cryptography_vectors
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(cryptography_vectors.__file__).parent


def cases(name: str) -> Iterator[dict[str, str]]:
    """Yield each case of a CAVP response file: its own lines, and those of the sections that it stands in.

    A line is `NAME = VALUE`, a section `[NAME = VALUE]` or `[NAME]`; an empty line ends a case. A line with `#` is
    a comment; a lone word, `FAIL`, is a name with an empty value.
    """
    section: dict[str, str] = {}
    case: dict[str, str] = {}
    for raw in (ROOT / name).read_text().splitlines():
        line = raw.strip()
        if line.startswith("#"):
            continue
        if line.startswith("["):
            head, _, value = line.strip("[]").partition("=")
            if not value:
                section = {}
            section[head.strip()] = value.strip()
        elif line:
            head, _, value = line.partition("=")
            case[head.strip()] = value.strip()
        elif case:
            yield {**section, **case}
            case = {}
    if case:
        yield {**section, **case}


def oaep_groups(name: str) -> Iterator[tuple[dict[str, int], list[tuple[bytes, bytes]]]]:
    """Yield, for each key of an RSA Laboratories file, its numbers and its pairs of message and ciphertext."""
    numbers: dict[str, int] = {}
    pairs: list[tuple[bytes, bytes]] = []
    heading, digits = "", ""
    for raw in [*(ROOT / name).read_text().splitlines(), "# Modulus:"]:
        line = raw.strip()
        if not line.startswith("#"):
            digits += line.replace(" ", "") if heading else ""
            continue
        if heading and digits:
            _store(heading, digits, numbers, pairs)
        if line == "# Modulus:" and pairs:
            yield numbers, pairs
            numbers, pairs = {}, []
        heading, digits = (line.strip("# :"), "") if line.endswith(":") else ("", "")


_NUMBERS = {"Modulus", "Public exponent", "Prime 1", "Prime 2"}
# How the file with intermediate values names what the others name otherwise.
_HEADINGS = {"Message to be encrypted": "Message", "Ciphertext, the RSA encryption of EM": "Encryption"}


def _store(heading: str, digits: str, numbers: dict[str, int], pairs: list[tuple[bytes, bytes]]) -> None:
    heading = _HEADINGS.get(heading, heading)
    if heading == "Message":
        pairs.append((bytes.fromhex(digits), b""))
    elif heading == "Encryption":
        pairs[-1] = (pairs[-1][0], bytes.fromhex(digits))
    elif heading in _NUMBERS:
        numbers.setdefault(heading, int(digits, 16))


def rsa_private(numbers: dict[str, int]) -> rsa.RSAPrivateKey:
    """Return the key of the numbers that `oaep_groups` yields."""
    public = rsa.RSAPublicNumbers(numbers["Public exponent"], numbers["Modulus"])
    return rsa_of_primes(numbers["Prime 1"], numbers["Prime 2"], public)


def rsa_of_primes(p: int, q: int, public: rsa.RSAPublicNumbers) -> rsa.RSAPrivateKey:
    """Return the key pair of a public key and the two primes of its modulus."""
    d = pow(public.e, -1, (p - 1) * (q - 1))
    private = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return private.private_key(unsafe_skip_rsa_key_validation=True)


def pkcs8(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Return PKCS#8 DER, as material to import is sent."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    """Return SubjectPublicKeyInfo DER, as the engine keeps public keys."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
