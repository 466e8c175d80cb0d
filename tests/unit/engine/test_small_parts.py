"""Parts too small for a module of their own: handles, presence, moments, ids of resources, software material."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import handles, moment
from kmsplan.engine.handles import Handles
from kmsplan.engine.keystore.folder import make_folder
from kmsplan.engine.proof import prove
from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError, ProtectionUnavailableError
from kmsplan.engine.protection.publickey import encrypt, pem, verify
from kmsplan.engine.protection.software import SoftwareProtection
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.engines import Clock

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.handles import Handle


class _Handle:
    def sign(self, algorithm: str, digest: bytes) -> bytes:
        return algorithm.encode() + digest


def _no() -> Handle:
    raise LookupError


def test_a_handle_is_opened_once_and_kept_for_its_lifetime() -> None:
    clock = Clock()
    kept = Handles(clock)
    handle = kept.get("k", "v", _Handle)
    clock.move(handles.LIFETIME - timedelta(seconds=1))
    assert kept.get("k", "v", _no) is handle
    clock.move(timedelta(seconds=1))
    with pytest.raises(LookupError):
        kept.get("k", "v", _no)


def test_a_key_takes_all_its_handles_with_it() -> None:
    kept = Handles(Clock())
    for version in ("v1", "v2"):
        kept.get("k", version, _Handle)
    kept.get("other", "v", _Handle)
    kept.drop("k")
    kept.drop("none")
    for version in ("v1", "v2"):
        with pytest.raises(LookupError):
            kept.get("k", version, _no)
    assert kept.get("other", "v", _no)
    kept.clear()
    with pytest.raises(LookupError):
        kept.get("other", "v", _no)


def test_the_key_that_was_not_used_for_longest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "KEYS", 2)
    kept = Handles(Clock())
    for key in ("a", "b", "a", "c"):
        kept.get(key, "v", _Handle)
    assert kept.get("a", "v", _no)
    assert kept.get("c", "v", _no)
    with pytest.raises(LookupError):
        kept.get("b", "v", _no)


def test_times_are_written_in_utc_and_whole_seconds() -> None:
    assert moment.text(datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)) == "2026-02-03T04:05:06Z"
    east = timezone(timedelta(hours=8))
    assert moment.text(datetime(2026, 1, 1, tzinfo=east)) == "2025-12-31T16:00:00Z"
    assert moment.later("2026-12-31T23:59:59Z", 86_401) == "2027-01-02T00:00:00Z"


def test_software_material_is_never_missing_and_has_nothing_to_give_back() -> None:
    software = SoftwareProtection(os.urandom)
    assert software.missing([b"r"]) == frozenset()
    software.destroy(b"r")
    software.close()
    assert KeySpec.AES_128 in software.specs()
    with pytest.raises(TypeError, match="comes from the keystore"):
        software.open(KeySpec.AES_256, b"r", None)


@pytest.mark.parametrize("spec", [KeySpec.AES_128, KeySpec.AES_192, KeySpec.AES_256])
def test_symmetric_material_has_its_specs_length(spec: KeySpec) -> None:
    generated = SoftwareProtection(os.urandom).generate(spec, KeyUsage.ENCRYPT, b"")
    assert generated.secret is not None
    assert len(generated.secret) * 8 == int(spec[-3:])
    assert generated.public_key is None


def test_a_key_of_an_algorithm_that_is_not_kept_here_has_no_handle() -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - this test alone
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - as above

    key = ed25519.Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(TypeError, match="no handle"):
        SoftwareProtection(os.urandom).open(KeySpec.EC_P256, b"", SecretBytes(secret))
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert not verify(public, "ECDSA_SHA_256", bytes(32), b"")
    with pytest.raises(TypeError, match="only RSA"):
        encrypt(public, "RSAES_OAEP_SHA_256", b"x")
    assert pem(public).startswith("-----BEGIN PUBLIC KEY-----\n")


def test_a_proof_takes_the_first_algorithm_that_the_backend_has() -> None:
    software = SoftwareProtection(os.urandom)
    generated = software.generate(KeySpec.RSA_2048, KeyUsage.SIGN, b"")
    real = software.open(KeySpec.RSA_2048, b"", generated.secret)
    asked: list[str] = []

    class OldToken:
        def sign(self, algorithm: str, digest: bytes) -> bytes:
            asked.append(algorithm)
            if "PSS" in algorithm:
                raise NotOfferedError
            return real.sign(algorithm, digest)  # type: ignore[union-attr]

    prove(OldToken(), KeySpec.RSA_2048, KeyUsage.SIGN, generated.public_key)
    assert asked == ["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"]


def test_a_backend_that_has_none_of_the_algorithms_proves_nothing() -> None:
    class Nothing:
        def sign(self, algorithm: str, digest: bytes) -> bytes:
            raise NotOfferedError(algorithm, digest)

    public = SoftwareProtection(os.urandom).generate(KeySpec.EC_P256, KeyUsage.SIGN, b"").public_key
    with pytest.raises(ProtectionUnavailableError, match="self-test"):
        prove(Nothing(), KeySpec.EC_P256, KeyUsage.SIGN, public)


def test_a_key_that_does_not_open_what_it_sealed_proves_nothing() -> None:
    class Forgetful:
        def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
            return plaintext + aad

        def decrypt(self, *_: bytes) -> bytes:
            raise InvalidCiphertextError

    with pytest.raises(ProtectionUnavailableError, match="self-test"):
        prove(Forgetful(), KeySpec.AES_256, KeyUsage.ENCRYPT, None)


def test_an_empty_folder_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
