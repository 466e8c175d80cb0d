"""What every protection backend does alike with material that comes from outside, or is kept outside."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, TypeAlias

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kmsplan.engine import wrapping
from kmsplan.engine.proof import prove
from kmsplan.engine.protection.protocol import (
    Accepter,
    Encrypter,
    Importer,
    InvalidMaterialError,
    Mac,
    NotOfferedError,
    Wrapper,
    WrapperMissingError,
)
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage
from kmsplan.kms.wrapping import WRAPPINGS, wrappings_for
from tests.softhsm import random_reference

if TYPE_CHECKING:
    from kmsplan.engine.protection.protocol import Generated, Handle, Protection

_Pair: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_HASHES = {KeySpec.HMAC_SHA_224: "sha224", KeySpec.HMAC_SHA_256: "sha256", KeySpec.HMAC_SHA_384: "sha384"}
_CURVES = {KeySpec.EC_P256: ec.SECP256R1(), KeySpec.EC_P256K: ec.SECP256K1()}
_PAIRS: dict[KeySpec, _Pair] = {
    KeySpec.RSA_2048: rsa.generate_private_key(65537, 2048),
    **{spec: ec.generate_private_key(curve) for spec, curve in _CURVES.items()},
}
_SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
_WRAPPING_PLACE = random_reference()
"""Of the one wrapping key of these tests in a token: each is made in a quarter of a second."""
_SECRET_SPECS = [spec for spec in KeySpec if SPECS[spec].symmetric and SPECS[spec].family is not Family.DES3]


def _pkcs8(key: _Pair) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _public(key: _Pair) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class _Way:
    """How material gets into a backend: unwrapped by it, or by this process for it."""

    def __init__(self, protection: Protection, spec: KeySpec) -> None:
        self.protection = protection
        self.spec = spec
        self.inside = isinstance(protection, Importer)
        if spec not in protection.specs():
            pytest.skip(f"no {spec} here")
        if isinstance(protection, Importer):
            self.algorithms = protection.wrappings(spec)
            self._reference = _WRAPPING_PLACE
            self.public = protection.wrapping_key(self._reference)
        else:
            self.algorithms = tuple(one.name for one in wrappings_for(spec))
        if not self.algorithms:
            pytest.skip(f"no wrapping for {spec} here")

    def send(
        self, usage: KeyUsage, material: bytes, *, algorithm: str | None = None, damage: int | None = None
    ) -> Generated:
        """Wrap and import material."""
        algorithm = algorithm or self.algorithms[0]
        if isinstance(self.protection, Importer):
            wrapped = _damaged(wrapping.wrap(algorithm, self.public, SecretBytes(material)), damage)
            self.place = random_reference()
            return self.protection.unwrap(self.spec, usage, self.place, algorithm, wrapped, self._reference)
        pair = wrapping.generate(WRAPPINGS[algorithm].spec)
        wrapped = _damaged(wrapping.wrap(algorithm, pair.public, SecretBytes(material)), damage)
        assert isinstance(self.protection, Accepter)
        self.place = b""
        return self.protection.accept(self.spec, wrapping.unwrap(algorithm, pair.private, wrapped))

    def opened(self, usage: KeyUsage, material: bytes, *, algorithm: str | None = None) -> Handle:
        """Import material and open it."""
        generated = self.send(usage, material, algorithm=algorithm)
        handle = self.protection.open(self.spec, self.place, generated.secret)
        prove(handle, self.spec, usage, generated.public_key)
        return handle


def _damaged(wrapped: bytes, at: int | None) -> bytes:
    return wrapped if at is None else wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]


@pytest.mark.parametrize("spec", _SECRET_SPECS)
def test_an_imported_secret_key_is_the_one_that_was_sent(protection: Protection, spec: KeySpec) -> None:
    way, usage = _Way(protection, spec), SPECS[spec].default_usage
    for algorithm in way.algorithms:
        material = os.urandom(SPECS[spec].material_bytes or 0)
        handle = way.opened(usage, material, algorithm=algorithm)
        if SPECS[spec].family is Family.AES:
            assert isinstance(handle, Encrypter)
            sealed = handle.encrypt(b"page", b"context")
            assert AESGCM(material).decrypt(sealed[:12], sealed[12:], b"context") == b"page"
        elif spec in _HASHES:
            assert isinstance(handle, Mac)
            assert handle.mac(spec.value, b"page") == hmac.digest(material, b"page", _HASHES[spec])


@pytest.mark.parametrize("spec", list(_PAIRS))
def test_an_imported_private_key_goes_with_its_public_key(protection: Protection, spec: KeySpec) -> None:
    way, key = _Way(protection, spec), _PAIRS[spec]
    for algorithm in way.algorithms:
        for usage in SPECS[spec].usages:
            generated = way.send(usage, _pkcs8(key), algorithm=algorithm)
            assert generated.public_key == _public(key)
            handle = protection.open(spec, way.place, generated.secret)
            prove(handle, spec, usage, generated.public_key)


def test_an_imported_sm2_key_is_its_private_number(protection: Protection) -> None:
    way = _Way(protection, KeySpec.EC_SM2)
    handle = way.opened(KeyUsage.SIGN, hashlib.sha256(b"a private number").digest())
    assert handle


@pytest.mark.parametrize("spec", _SECRET_SPECS)
def test_a_secret_key_of_another_length_is_refused(protection: Protection, spec: KeySpec) -> None:
    way, wanted = _Way(protection, spec), SPECS[spec].material_bytes or 0
    for length in (1, wanted - 8, wanted - 1, wanted + 1, wanted + 8):
        with pytest.raises(InvalidMaterialError):
            way.send(SPECS[spec].default_usage, os.urandom(length))


@pytest.mark.parametrize("spec", list(_PAIRS))
def test_another_kind_of_private_key_is_refused(protection: Protection, spec: KeySpec) -> None:
    way = _Way(protection, spec)
    others = [_pkcs8(key) for other, key in _PAIRS.items() if other is not spec]
    others += [_pkcs8(ec.generate_private_key(ec.SECP384R1())), _pkcs8(_SMALL)]
    for material in (*others, _pkcs8(_PAIRS[spec])[:-1], os.urandom(32)):
        with pytest.raises(InvalidMaterialError):
            way.send(KeyUsage.SIGN, material)


@pytest.mark.parametrize("spec", [KeySpec.AES_256, KeySpec.EC_P256, KeySpec.EC_SM2])
def test_damage_on_the_way_is_refused_with_one_word(protection: Protection, spec: KeySpec) -> None:
    way = _Way(protection, spec)
    material = os.urandom(32) if spec not in _PAIRS else _pkcs8(_PAIRS[spec])
    said = set()
    for at in (0, 100, -33, -1):
        with pytest.raises(InvalidMaterialError) as caught:
            way.send(SPECS[spec].default_usage, material, damage=at)
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_fingerprint_tells_whether_it_is_the_same_material_again(protection: Protection) -> None:
    for spec in (KeySpec.AES_256, KeySpec.HMAC_SHA_256, KeySpec.EC_P256):
        way, usage = _Way(protection, spec), SPECS[spec].default_usage
        one, other = (
            (os.urandom(32), os.urandom(32))
            if SPECS[spec].symmetric
            else (_pkcs8(_PAIRS[spec]), _pkcs8(ec.generate_private_key(ec.SECP256R1())))
        )
        first, again, another = (way.send(usage, material).fingerprint for material in (one, one, other))
        assert first is not None
        assert len(first) == 32
        assert first == again != another
        assert one not in first


def test_an_algorithm_it_does_not_unwrap_by_is_refused_with_those_it_does(protection: Protection) -> None:
    if not isinstance(protection, Importer):
        pytest.skip("this process unwraps for it")
    way = _Way(protection, KeySpec.AES_256)
    with pytest.raises(NotOfferedError, match=r"does not unwrap .*by SM2PKE; it can by .*RSAES_OAEP_SHA_1"):
        protection.unwrap(KeySpec.AES_256, KeyUsage.ENCRYPT, way._reference, "SM2PKE", b"", way._reference)


def test_wrapped_material_is_kept_outside_and_used_inside(protection: Protection) -> None:
    if not isinstance(protection, Wrapper):
        pytest.skip("its material is outside anyway")
    protection.prepare_wrapping()
    for spec in sorted(protection.specs() - {KeySpec.RSA_3072, KeySpec.RSA_4096}):
        for usage in SPECS[spec].usages:
            made = protection.generate_wrapped(spec, usage)
            assert made.secret is not None
            handle = protection.open_wrapped(spec, usage, made.secret)
            prove(handle, spec, usage, made.public_key)
            protection.close()
            prove(handle, spec, usage, made.public_key)


def test_what_wraps_is_made_when_it_is_asked_for_and_only_then(unused: Protection) -> None:
    if not isinstance(unused, Wrapper):
        pytest.skip("its material is outside anyway")
    for _ in range(2):
        with pytest.raises(WrapperMissingError):
            unused.generate_wrapped(KeySpec.AES_256, KeyUsage.ENCRYPT)
        assert not unused.wraps()
    unused.prepare_wrapping()
    made = unused.generate_wrapped(KeySpec.AES_256, KeyUsage.ENCRYPT)
    assert made.secret is not None
    unused.prepare_wrapping()
    assert unused.wraps()
    unused.close()
    assert unused.wraps()
    prove(
        unused.open_wrapped(KeySpec.AES_256, KeyUsage.ENCRYPT, made.secret),
        KeySpec.AES_256,
        KeyUsage.ENCRYPT,
        None,
    )


def test_imported_material_can_be_kept_outside_too(protection: Protection) -> None:
    if not isinstance(protection, Wrapper) or not isinstance(protection, Importer):
        pytest.skip("its material is outside anyway")
    protection.prepare_wrapping()
    for spec, material in ((KeySpec.AES_256, os.urandom(32)), (KeySpec.EC_P256, _pkcs8(_PAIRS[KeySpec.EC_P256]))):
        usage, place = SPECS[spec].default_usage, random_reference()
        algorithm = protection.wrappings(spec)[0]
        wrapped = wrapping.wrap(algorithm, protection.wrapping_key(place), SecretBytes(material))
        generated = protection.unwrap(spec, usage, None, algorithm, wrapped, place)
        assert generated.secret is not None
        assert material not in generated.secret.reveal()
        prove(protection.open_wrapped(spec, usage, generated.secret), spec, usage, generated.public_key)
