from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kmsplan.approval.error import SigningKeyError
from kmsplan.approval.privatekey import create, read
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from pathlib import Path

PHRASE = SecretBytes(b"correct-horse")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ada.pem"


def refused(path: Path, passphrase: SecretBytes | None = None) -> str:
    with pytest.raises(SigningKeyError) as caught:
        read(path, passphrase)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("passphrase", [None, PHRASE])
def test_a_key_comes_back_from_its_file_and_signs(path: Path, passphrase: SecretBytes | None) -> None:
    made = create(path, passphrase, os.urandom)
    found = read(path, passphrase)
    assert found.public == made.public
    found.public.verify(b"m", made.sign(b"m"))


def test_the_file_is_its_owners_alone_whatever_the_umask(path: Path) -> None:
    old = os.umask(0)
    try:
        create(path, None, os.urandom)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_not_written_over(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(SigningKeyError, match="never written over"):
        create(path, None, os.urandom)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_a_key_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    create(path, None, os.urandom)
    path.chmod(mode)
    assert f"(mode {mode:04o})" in refused(path)
    assert f"chmod 600 {path}" in refused(path)


def test_a_wrong_passphrase_opens_nothing_and_is_not_repeated(path: Path) -> None:
    create(path, PHRASE, os.urandom)
    assert "the passphrase does not open it" in refused(path, SecretBytes(b"battery-staple"))
    assert "battery" not in refused(path, SecretBytes(b"battery-staple"))


def test_an_encrypted_key_asks_for_its_passphrase(path: Path) -> None:
    create(path, PHRASE, os.urandom)
    assert "--passphrase-env" in refused(path)


def test_a_passphrase_for_a_key_without_one_does_no_harm(path: Path) -> None:
    made = create(path, None, os.urandom)
    assert read(path, PHRASE).public == made.public


@pytest.mark.parametrize("content", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_private_key_is_refused(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o600)
    assert "no private key in PKCS#8 PEM" in refused(path)


def test_a_key_of_another_kind_is_refused(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    assert "is no Ed25519 key" in refused(path)
