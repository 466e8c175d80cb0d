from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kmsplan.config.configuration import SecretReference
from kmsplan.config.diagnostic import ConfigurationError, Span
from kmsplan.config.material import UnfitMaterialError, decode, file_problem, read
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec

if TYPE_CHECKING:
    from pathlib import Path

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
PKCS8, OLD = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
OPEN = serialization.NoEncryption()
P256 = ec.generate_private_key(ec.SECP256R1())
SPAN = Span("kmsplan.yaml", 4, 7, 4, 20)
AES = KeySpec.AES_256
SIZES = [(AES, 32), (KeySpec.AES_192, 24), (KeySpec.AES_128, 16), (KeySpec.SM4, 16), (KeySpec.HMAC_SHA_512, 64)]


def unfit(content: bytes, written: str, spec: KeySpec) -> str:
    with pytest.raises(UnfitMaterialError) as caught:
        decode(SecretBytes(content), written, spec)
    return str(caught.value)


@pytest.mark.parametrize(("spec", "size"), [*SIZES, (KeySpec.EC_SM2, 32)])
def test_symmetric_material_is_its_bytes_or_their_base64(spec: KeySpec, size: int) -> None:
    content = os.urandom(size)
    written = base64.encodebytes(content)
    assert decode(SecretBytes(content), "raw", spec).reveal() == content
    assert decode(SecretBytes(b" " + written), "base64", spec).reveal() == content


def test_material_of_another_length_says_both_lengths_and_perhaps_what_it_is() -> None:
    text = base64.b64encode(bytes(32))
    assert unfit(text, "raw", AES) == (
        "The material has 44 bytes, and Aliyun_AES_256 takes 32. If it is written as Base64, say `format: base64`."
    )
    assert unfit(base64.b64encode(bytes(16)), "base64", AES) == (
        "The material has 16 bytes, and Aliyun_AES_256 takes 32."
    )


def test_what_is_not_base64_is_not_shown() -> None:
    assert unfit(b"hunter2!", "base64", AES) == "The material is not Base64, as `format: base64` says."


@pytest.mark.parametrize("form", [PKCS8, OLD])
@pytest.mark.parametrize("encoding", [DER, PEM])
def test_a_private_key_in_any_usual_form_is_sent_as_pkcs8(
    encoding: serialization.Encoding, form: serialization.PrivateFormat
) -> None:
    wanted = P256.private_bytes(DER, PKCS8, OPEN)
    content = P256.private_bytes(encoding, form, OPEN)
    assert decode(SecretBytes(content), "raw", KeySpec.EC_P256).reveal() == wanted
    assert decode(SecretBytes(base64.b64encode(content)), "base64", KeySpec.EC_P256).reveal() == wanted


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (KeySpec.EC_P256K, "on the curve secp256r1, which is not EC_P256K"),
        (KeySpec.RSA_2048, "on the curve secp256r1, which is not RSA_2048"),
    ],
)
def test_a_private_key_of_another_kind_says_which(spec: KeySpec, words: str) -> None:
    assert words in unfit(P256.private_bytes(PEM, PKCS8, OPEN), "raw", spec)


def test_an_rsa_key_of_another_size_and_another_algorithm_say_so() -> None:
    small = rsa.generate_private_key(65537, 2048).private_bytes(DER, PKCS8, OPEN)
    assert "RSA of 2048 bits, which is not RSA_3072" in unfit(small, "raw", KeySpec.RSA_3072)
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(DER, PKCS8, OPEN)
    assert "of another algorithm" in unfit(other, "raw", KeySpec.EC_P256)


def test_a_private_key_under_a_passphrase_is_refused_with_the_remedy() -> None:
    locked = P256.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"hunter2"))
    assert unfit(locked, "raw", KeySpec.EC_P256) == (
        "The private key is protected by a passphrase. Give it without one."
    )


@pytest.mark.parametrize(
    "content", [b"x", b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", bytes(200)]
)
def test_what_is_no_private_key_is_not_shown(content: bytes) -> None:
    message = unfit(content, "raw", KeySpec.EC_P256)
    assert message.startswith("The material is no intact private key")
    assert "hunter2" not in message


def test_raw_material_keeps_a_line_end_that_belongs_to_it(tmp_path: Path) -> None:
    path, content = tmp_path / "material", os.urandom(31) + b"\n"
    path.write_bytes(content)
    found = read(SecretReference("file", str(path), SPAN), {"file": "material", "format": "raw"}, AES, {})
    assert found.reveal() == content


def test_unfit_material_is_told_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "material"
    path.write_bytes(b"hunter2")
    with pytest.raises(ConfigurationError) as caught:
        read(SecretReference("file", str(path), SPAN), {"file": "material", "format": "raw"}, AES, {})
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span) == ("K607", SPAN)
    assert "hunter2" not in diagnostic.detail


@pytest.mark.parametrize(
    ("spec", "written", "size", "told"),
    [
        (AES, "raw", 32, False),
        (AES, "raw", 33, True),
        (AES, "base64", 44, False),
        (KeySpec.EC_P256, "raw", 138, False),
        (KeySpec.EC_SM2, "raw", 31, True),
    ],
)
def test_the_size_of_a_file_is_judged_where_the_spec_says_it(
    tmp_path: Path, spec: KeySpec, written: str, size: int, *, told: bool
) -> None:
    path = tmp_path / "material"
    path.write_bytes(bytes(size))
    assert (file_problem(path, written, spec) is not None) is told


def test_a_file_that_is_not_here_may_be_where_the_apply_runs(tmp_path: Path) -> None:
    assert file_problem(tmp_path / "nowhere", "raw", AES) is None
    assert file_problem(tmp_path, "raw", AES) is None
