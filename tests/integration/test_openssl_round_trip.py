"""A served engine against the OpenSSL command line, in both directions: neither takes the other's word for anything.

Every key that OpenSSL has to know comes into the engine by BYOK, wrapped by OpenSSL by every wrapping algorithm.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.offer import SOFTWARE_SPECS
from kmsplan.engine.sm import sm2
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage
from kmsplan.kms.wrapping import wrappings_for
from tests.openssl import OpenSsl
from tests.served import serve
from tests.signing import Signer
from tests.softhsm import LABEL, MODULE, PIN, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.signing import Reply

pytestmark = pytest.mark.hsm
MESSAGE = b"the message"
INSTANCES = f"""\
kmsplan: 1
instances:
  core: {{type: software}}
  vault: {{type: hardware, hsm: {{module: {MODULE}, token: {LABEL}, pin: {{env: HSM_PIN}}}}}}
"""
HASHES = {"HMAC_SM3": "SM3"} | {f"HMAC_SHA_{bits}": f"SHA{bits}" for bits in (224, 256, 384, 512)}
CIPHERS = {KeySpec.AES_256: "aes-256", KeySpec.AES_192: "aes-192", KeySpec.AES_128: "aes-128", KeySpec.SM4: "sm4"}
SOFTWARE_MATERIAL = [
    (spec, one.name) for spec in SOFTWARE_SPECS if SPECS[spec].symmetric for one in wrappings_for(spec)
]
# PKCS#11 has no SM2.
PLACES = [
    *(("core", spec) for spec in (KeySpec.RSA_2048, KeySpec.EC_P256, KeySpec.EC_P256K, KeySpec.EC_SM2)),
    *(("vault", spec) for spec in (KeySpec.RSA_2048, KeySpec.EC_P256, KeySpec.EC_P256K)),
]


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@dataclass(frozen=True)
class Kms:
    """A served engine with a software and a hardware instance, called by signed requests."""

    signer: Signer
    instances: dict[str, str]
    openssl: OpenSsl

    def call(self, action: str, **parameters: str) -> Any:
        reply = self.tried(action, **parameters)
        assert reply.status == 200, reply.body
        return reply.json

    def tried(self, action: str, **parameters: str) -> Reply:
        return self.signer.call(action, parameters)

    def key(self, where: str, spec: KeySpec, usage: KeyUsage, origin: str = "Aliyun_KMS") -> str:
        place = {"DKMSInstanceId": self.instances[where], "Origin": origin}
        made = self.call("CreateKey", **place, KeySpec=spec.value, KeyUsage=usage.value)
        return str(made["KeyMetadata"]["KeyId"])

    def named(self, key: str) -> dict[str, str]:
        """Return the two parameters that name a key's only version."""
        (version,) = self.call("ListKeyVersions", KeyId=key)["KeyVersions"]["KeyVersion"]
        return {"KeyId": key, "KeyVersionId": version["KeyVersionId"]}

    def imported(self, where: str, spec: KeySpec, usage: KeyUsage, material: bytes, algorithm: str) -> str | None:
        """Import material that openssl wraps; None where the instance does not unwrap it by this algorithm."""
        wrapping = next(one for one in wrappings_for(spec) if one.name == algorithm)
        key = self.key(where, spec, usage, "EXTERNAL")
        parameters = {"WrappingAlgorithm": algorithm, "WrappingKeySpec": wrapping.spec.value}
        reply = self.tried("GetParametersForImport", KeyId=key, **parameters)
        if reply.code == "UnsupportedOperation":
            return None
        assert reply.status == 200, reply.body
        public = self.openssl.run("pkey", "-pubin", "-inform", "DER", given=base64.b64decode(reply.json["PublicKey"]))
        wrapped = _text(self.openssl.wrap(public.decode(), algorithm, material))
        token = {"ImportToken": reply.json["ImportToken"], "KeyMaterialExpireUnix": "0"}
        self.call("ImportKeyMaterial", KeyId=key, EncryptedKeyMaterial=wrapped, **token)
        return key

    def brought(self, where: str, spec: KeySpec, usage: KeyUsage, material: bytes) -> str:
        """Import material by the first algorithm that the instance unwraps it by."""
        tried = (self.imported(where, spec, usage, material, one.name) for one in wrappings_for(spec))
        return next(key for key in tried if key is not None)


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kms]:
    if not sm2.supported():
        pytest.skip("no SM2 on this host")
    root = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HSM_PIN", PIN)
        SoftHsm.create(tmp_path_factory.mktemp("token"), patch)
        for served in serve(root, configuration=INSTANCES):
            served.project.apply()
            instances = {name: served.project.identity(f"instance.{name}") for name in ("core", "vault")}
            signer = Signer(served.endpoint, served.access_key_id, served.access_key_secret)
            yield Kms(signer, instances, OpenSsl(tmp_path_factory.mktemp("openssl")))


def _content(algorithm: str) -> bytes:
    """Return what openssl takes to sign: the digest, but for SM2 the message."""
    return MESSAGE if algorithm == "SM2DSA" else hashlib.sha256(MESSAGE).digest()


def _digest(algorithm: str, public_pem: str) -> str:
    """Return what the API takes to sign."""
    if algorithm != "SM2DSA":
        return _text(hashlib.sha256(MESSAGE).digest())
    der = base64.b64decode("".join(public_pem.splitlines()[1:-1]))
    return _text(sm2.digest(der, MESSAGE))


@pytest.mark.parametrize(("where", "spec"), [*PLACES, ("core", KeySpec.RSA_3072), ("core", KeySpec.RSA_4096)])
def test_openssl_verifies_what_the_engine_signs(kms: Kms, where: str, spec: KeySpec) -> None:
    named = kms.named(kms.key(where, spec, KeyUsage.SIGN))
    public = kms.call("GetPublicKey", **named)["PublicKey"]
    for algorithm in SPECS[spec].algorithms_for(KeyUsage.SIGN):
        answer = kms.call("AsymmetricSign", **named, Algorithm=algorithm, Digest=_digest(algorithm, public))
        signature, content = base64.b64decode(answer["Value"]), _content(algorithm)
        assert kms.openssl.verifies(public, algorithm, content, signature)
        assert not kms.openssl.verifies(public, algorithm, bytes(len(content)), signature)


@pytest.mark.parametrize(("where", "spec"), PLACES)
def test_an_imported_pair_is_openssls_and_each_verifies_the_other(kms: Kms, where: str, spec: KeySpec) -> None:
    own = kms.openssl.generate(spec)
    material, public, algorithms = kms.openssl.material(own, spec), kms.openssl.public_pem(own), []
    for one in wrappings_for(spec):
        key = kms.imported(where, spec, KeyUsage.SIGN, material, one.name)
        if key is None:
            continue
        algorithms.append(one.name)
        named = kms.named(key)
        assert kms.call("GetPublicKey", **named)["PublicKey"] == public
        for algorithm in SPECS[spec].algorithms_for(KeyUsage.SIGN):
            told = {**named, "Algorithm": algorithm, "Digest": _digest(algorithm, public)}
            ours = base64.b64decode(kms.call("AsymmetricSign", **told)["Value"])
            theirs = kms.openssl.sign(own, algorithm, _content(algorithm))
            assert kms.openssl.verifies(public, algorithm, _content(algorithm), ours)
            assert kms.call("AsymmetricVerify", **told, Value=_text(theirs))["Value"] is True
            other = {**told, "Digest": _text(bytes(32))}
            assert kms.call("AsymmetricVerify", **other, Value=_text(theirs))["Value"] is False
    expected = [one.name for one in wrappings_for(spec)] if where == "core" else ["RSA_AES_KEY_WRAP_SHA_1"]
    assert algorithms == expected


@pytest.mark.parametrize(
    ("where", "spec", "algorithm", "longest"),
    [
        ("core", KeySpec.RSA_2048, "RSAES_OAEP_SHA_256", 190),
        ("core", KeySpec.RSA_2048, "RSAES_OAEP_SHA_1", 214),
        ("vault", KeySpec.RSA_2048, "RSAES_OAEP_SHA_1", 214),
        ("core", KeySpec.EC_SM2, "SM2PKE", 6047),
    ],
)
def test_each_opens_what_the_other_encrypts(kms: Kms, where: str, spec: KeySpec, algorithm: str, longest: int) -> None:
    own = kms.openssl.generate(spec)
    key = kms.brought(where, spec, KeyUsage.ENCRYPT, kms.openssl.material(own, spec))
    named = {**kms.named(key), "Algorithm": algorithm}
    public = kms.call("GetPublicKey", **kms.named(key))["PublicKey"]
    for plaintext in (b"x", kms.openssl.random(longest)):
        sealed = kms.openssl.encrypt(public, algorithm, plaintext)
        opened = kms.call("AsymmetricDecrypt", **named, CiphertextBlob=_text(sealed))["Plaintext"]
        assert base64.b64decode(opened) == plaintext
        blob = kms.call("AsymmetricEncrypt", **named, Plaintext=_text(plaintext))["CiphertextBlob"]
        assert kms.openssl.decrypt(own, algorithm, base64.b64decode(blob)) == plaintext


def _same_secret(kms: Kms, key: str, spec: KeySpec, material: bytes) -> None:
    """Check that a key works, and that openssl makes the same of its material."""
    if SPECS[spec].family is Family.HMAC:
        told = {"KeyId": key, "Algorithm": spec.value, "Message": _text(MESSAGE)}
        mac = kms.openssl.mac(material, HASHES[spec.value], MESSAGE)
        assert kms.call("GenerateMac", **told)["Mac"] == _text(mac)
        assert kms.call("VerifyMac", **told, Mac=_text(mac))["Value"] is True
        assert kms.call("VerifyMac", **told, Mac=_text(mac[:-1] + bytes([mac[-1] ^ 1])))["Value"] is False
    else:
        blob = kms.call("Encrypt", KeyId=key, Plaintext="the plaintext")["CiphertextBlob"]
        sealed = base64.b64decode(blob)[36:]
        assert kms.openssl.gcm_plaintext(CIPHERS[spec], material, sealed) == b"the plaintext"
        assert kms.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == "the plaintext"


@pytest.mark.parametrize(("spec", "algorithm"), SOFTWARE_MATERIAL)
def test_a_secret_key_that_openssl_wrapped_is_the_one_that_openssl_has(kms: Kms, spec: KeySpec, algorithm: str) -> None:
    material = kms.openssl.random(SPECS[spec].material_bytes or 0)
    key = kms.imported("core", spec, SPECS[spec].default_usage, material, algorithm)
    assert key is not None
    _same_secret(kms, key, spec, material)


@pytest.mark.parametrize(
    "spec",
    [
        *(KeySpec.AES_256, KeySpec.AES_192, KeySpec.AES_128),
        *(KeySpec.HMAC_SHA_256, KeySpec.HMAC_SHA_384, KeySpec.HMAC_SHA_512),
    ],
)
def test_a_secret_key_that_openssl_wrapped_is_the_one_in_the_token(kms: Kms, spec: KeySpec) -> None:
    material = kms.openssl.random(SPECS[spec].material_bytes or 0)
    key = kms.brought("vault", spec, SPECS[spec].default_usage, material)
    _same_secret(kms, key, spec, material)


@pytest.mark.parametrize("where", ["core", "vault"])
@pytest.mark.parametrize(
    ("recipient", "algorithm"),
    [
        (KeySpec.RSA_2048, "RSAES_OAEP_SHA_256"),
        (KeySpec.RSA_2048, "RSAES_OAEP_SHA_1"),
        (KeySpec.EC_SM2, "SM2PKE"),
    ],
)
def test_openssl_opens_an_exported_data_key(kms: Kms, where: str, recipient: KeySpec, algorithm: str) -> None:
    own, key = kms.openssl.generate(recipient), kms.key(where, KeySpec.AES_256, KeyUsage.ENCRYPT)
    public = _text(kms.openssl.public_der(own))
    export = {"PublicKeyBlob": public, "WrappingAlgorithm": algorithm, "WrappingKeySpec": recipient.value}
    context = {"EncryptionContext": '{"a":"b"}'}
    made = kms.call("GenerateAndExportDataKey", KeyId=key, NumberOfBytes="100", **export, **context)
    again = kms.call("ExportDataKey", CiphertextBlob=made["CiphertextBlob"], **export, **context)
    plaintext = kms.call("Decrypt", CiphertextBlob=made["CiphertextBlob"], **context)["Plaintext"]
    for exported in (made, again):
        opened = kms.openssl.decrypt(own, algorithm, base64.b64decode(exported["ExportedDataKey"]))
        assert (len(opened), _text(opened)) == (100, plaintext)
