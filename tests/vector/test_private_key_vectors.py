"""Private keys as files: what OpenSSL, Java, CloudHSM and others wrote, whole and broken (pyca's collection).

An import takes PKCS#8, SEC1 or PKCS#1 in DER, and keeps what it takes in one form; all else it refuses with one word.
That includes the only files with secp256k1, which spell out the parameters of the curve.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path

import pytest

from kmsplan.engine.protection import accepting, publickey
from kmsplan.engine.protection.protocol import InvalidMaterialError, Signer
from kmsplan.engine.protection.software import SoftwareProtection
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, KeySpec, KeyUsage
from tests.vectors import ROOT

FOLDERS = ("PKCS8", "EC", "Traditional_OpenSSL_Serialization", "DER_Serialization", "PEM_Serialization")
FILES = sorted(
    path for folder in FOLDERS for path in (ROOT / "asymmetric" / folder).iterdir() if path.suffix in (".pem", ".der")
)
PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n((?:[\w-]+: .*\n)*)\n?([A-Za-z0-9+/=\s]+)-----END")
SPECS_OF_PAIRS = [spec for spec in KeySpec if not SPECS[spec].symmetric]
DIGEST = bytes(32)


def _contents(path: Path) -> list[bytes]:
    """Return the DER in a file; where PEM is too broken to be read, what stands there."""
    content = path.read_bytes()
    if path.suffix == ".der":
        return [content]
    return [base64.b64decode(body) for _, _, body in PEM.findall(content)] or [content]


@cache
def _taken(content: bytes) -> list[KeySpec]:
    """Return the specs under which material is taken, having used it under each."""
    taken = []
    for spec in SPECS_OF_PAIRS:
        try:
            accepted = accepting.accept(spec, SecretBytes(content))
        except InvalidMaterialError:
            continue
        assert accepted.public_key is not None
        handle = SoftwareProtection(bytes).open(spec, b"", accepted.secret)
        assert isinstance(handle, Signer)
        (algorithm, *_) = SPECS[spec].algorithms_for(KeyUsage.SIGN)
        assert publickey.verify(accepted.public_key, algorithm, DIGEST, handle.sign(algorithm, DIGEST))
        taken.append(spec)
    return taken


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_private_key_file_is_taken_as_one_spec_or_refused_with_one_word(path: Path) -> None:
    for content in _contents(path):
        assert len(_taken(content)) <= 1


def test_files_of_every_spec_that_the_collection_has_are_taken() -> None:
    taken = {spec for path in FILES for content in _contents(path) for spec in _taken(content)}
    assert taken == {KeySpec.RSA_2048, KeySpec.EC_P256}
