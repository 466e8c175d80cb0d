from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import EnableKey, ImportKeyMaterial
from kmsplan.kms.secret import SecretBytes
from kmsplan.provider.importing import Importing

if TYPE_CHECKING:
    from collections.abc import Mapping

AES, RSA = "Aliyun_AES_256", "RSA_2048"


@dataclass
class Parameters:
    token: bytes
    public_key: bytes


@dataclass
class Target:
    """A KMS that offers some wrapping algorithms and notes what it is sent."""

    offered: tuple[str, ...] = ("RSAES_OAEP_SHA_256",)
    code: str = "UnsupportedOperation"
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    sent: list[tuple[str, bytes, bytes, int | None]] = field(default_factory=list)

    def parameters_for_import(self, key: str, algorithm: str, spec: str) -> Parameters:
        self.asked.append((key, algorithm, spec))
        if algorithm not in self.offered:
            raise KmsError(self.code)
        return Parameters(b"token of " + algorithm.encode(), b"public key")

    def import_material(self, key: str, wrapped: bytes, token: bytes, expires: int | None) -> None:
        self.sent.append((key, wrapped, token, expires))


def wrap(algorithm: str, public_key: bytes, material: SecretBytes) -> bytes:
    return b"|".join((algorithm.encode(), public_key, material.reveal()[::-1]))


@dataclass
class Finder:
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def __call__(self, material: Mapping[str, Any], spec: str) -> SecretBytes:
        self.asked.append(material)
        return SecretBytes(f"{spec} material".encode())


def operation(spec: str = AES, **options: Any) -> ImportKeyMaterial:
    return ImportKeyMaterial(key="key-1", spec=spec, material={"file": "a", "format": "raw"}, **options)


def test_material_is_found_wrapped_and_sent_with_its_token() -> None:
    target = Target()
    Importing(Finder(), wrap).carry_out(target, operation(expires=4711))
    assert target.asked == [("key-1", "RSAES_OAEP_SHA_256", "RSA_2048")]
    wrapped = b"RSAES_OAEP_SHA_256|public key|" + b"Aliyun_AES_256 material"[::-1]
    assert target.sent == [("key-1", wrapped, b"token of RSAES_OAEP_SHA_256", 4711)]


@pytest.mark.parametrize("code", ["UnsupportedOperation", "Rejected.UnsupportedOperation", "InvalidParameter"])
def test_the_first_algorithm_that_the_kms_offers_is_taken(code: str) -> None:
    target = Target(offered=("RSAES_OAEP_SHA_1",), code=code)
    Importing(Finder(), wrap).carry_out(target, operation())
    assert [algorithm for _, algorithm, _ in target.asked] == ["RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"]
    assert len(target.sent) == 1


@pytest.mark.parametrize("spec", [AES, RSA, "EC_SM2"])
def test_where_no_algorithm_is_offered_nothing_is_sent(spec: str) -> None:
    target = Target(offered=())
    with pytest.raises(KmsError) as caught:
        Importing(Finder(), wrap).carry_out(target, operation(spec))
    assert caught.value.code == "UnsupportedOperation"
    assert target.sent == []
    assert "RSAES_PKCS1_V1_5" not in {algorithm for _, algorithm, _ in target.asked}


def test_any_other_refusal_ends_it_at_once() -> None:
    target = Target(offered=(), code="Rejected.PendingDeletion")
    with pytest.raises(KmsError, match="PendingDeletion"):
        Importing(Finder(), wrap).carry_out(target, operation())
    assert len(target.asked) == 1


def test_what_is_required_first_is_found_once_and_nothing_else_is() -> None:
    finder, target = Finder(), Target()
    importing = Importing(finder, wrap)
    importing.require([EnableKey(key="key-2"), operation(), operation(expires=1)])
    importing.carry_out(target, operation())
    assert finder.asked == [{"file": "a", "format": "raw"}]


def test_material_that_is_not_there_is_said_before_anything_is_asked() -> None:
    def find(material: Mapping[str, Any], spec: str) -> SecretBytes:
        raise LookupError(f"{material} {spec}")

    target = Target()
    with pytest.raises(LookupError):
        Importing(find, wrap).carry_out(target, operation())
    assert target.asked == []
