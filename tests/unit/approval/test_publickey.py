from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kmsplan.approval.error import SignatureFileError
from kmsplan.approval.publickey import PublicKey, from_der, parse

if TYPE_CHECKING:
    from collections.abc import Callable

ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = ec.generate_private_key(ec.SECP256R1())
P256K = ec.generate_private_key(ec.SECP256K1())
RSA = rsa.generate_private_key(65537, 2048)
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
MESSAGE = b"a message"
SIGN: dict[str, tuple[Any, Callable[[bytes], bytes], str | None]] = {
    "Ed25519": (ED25519, ED25519.sign, None),
    "EC_P256": (P256, lambda message: P256.sign(message, ec.ECDSA(hashes.SHA256())), "ECDSA_SHA_256"),
    "EC_P256K": (P256K, lambda message: P256K.sign(message, ec.ECDSA(hashes.SHA256())), "ECDSA_SHA_256"),
    "RSA_2048": (RSA, lambda message: RSA.sign(message, PSS, hashes.SHA256()), "RSA_PSS_SHA_256"),
}


def der(key: Any, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.DER, form))


@pytest.mark.parametrize("name", SIGN)
def test_a_signature_holds_under_its_key_and_message_alone(name: str) -> None:
    private, sign, algorithm = SIGN[name]
    public, signature = from_der(der(private)), sign(MESSAGE)
    assert public.kms_algorithm == algorithm
    public.verify(MESSAGE, signature)
    for message, changed in ((MESSAGE + b".", signature), (MESSAGE, signature[:-1] + bytes([signature[-1] ^ 1]))):
        with pytest.raises(SignatureFileError, match="does not hold under its own key"):
            public.verify(message, changed)


def test_a_weaker_padding_is_no_signature() -> None:
    signature = RSA.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(SignatureFileError, match="does not hold"):
        from_der(der(RSA)).verify(MESSAGE, signature)


@pytest.mark.parametrize("name", SIGN)
def test_one_key_is_one_key_however_it_is_written(name: str) -> None:
    private = SIGN[name][0]
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    line = base64.b64encode(der(private)).decode()
    assert parse(pem) == parse(f"\n{pem}") == parse(line) == parse(f"{line[:20]}\n  {line[20:]}\n")
    assert parse(line).text == line


def test_an_elliptic_key_has_one_fingerprint_in_its_short_and_its_long_encoding() -> None:
    point = P256.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    head = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    short = from_der(head + point)
    assert short == from_der(der(P256))
    assert short.fingerprint == from_der(der(P256)).fingerprint


def test_a_fingerprint_is_that_of_ssh_with_another_encoding() -> None:
    fingerprint = PublicKey(der(ED25519)).fingerprint
    assert fingerprint.startswith("SHA256:")
    assert len(fingerprint) == 50


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        base64.b64encode(der(rsa.generate_private_key(65537, 1024))).decode(),  # noqa: S505 - refused
        base64.b64encode(der(ec.generate_private_key(ec.SECP384R1()))).decode(),
        base64.b64encode(der(ed448.Ed448PrivateKey.generate())).decode(),
        base64.b64encode(der(dsa.generate_private_key(1024))).decode(),  # noqa: S505 - refused
        base64.b64encode(b"\x30\x00").decode(),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB ada@host",
    ],
    ids=["nothing", "a word", "no DER", "RSA-1024", "P-384", "Ed448", "DSA", "empty DER", "another format"],
)
def test_what_is_no_key_for_signing_plans_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wanted is Ed25519, or a key of the KMS"):
        parse(text)
