"""The OpenSSL command line, as somebody uses it who has nothing of ours."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from kmsplan.kms.spec import KeySpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RSA = ("-algorithm", "RSA", "-pkeyopt")
_GENERATED = {
    KeySpec.RSA_2048: (*_RSA, "rsa_keygen_bits:2048"),
    KeySpec.RSA_3072: (*_RSA, "rsa_keygen_bits:3072"),
    KeySpec.EC_P256: ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    KeySpec.EC_P256K: ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
    KeySpec.EC_SM2: ("-algorithm", "SM2"),
}
_SM2_SIGNATURE = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678")
_SIGNATURES = {
    "RSA_PSS_SHA_256": (
        *("-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_padding_mode:pss"),
        *("-pkeyopt", "rsa_pss_saltlen:32", "-pkeyopt", "rsa_mgf1_md:sha256"),
    ),
    "RSA_PKCS1_SHA_256": ("-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_padding_mode:pkcs1"),
    "ECDSA_SHA_256": ("-pkeyopt", "digest:sha256"),
    "SM2DSA": _SM2_SIGNATURE,
}
_ENCRYPTIONS = {
    "RSAES_OAEP_SHA_256": (
        *("-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"),
        *("-pkeyopt", "rsa_mgf1_md:sha256"),
    ),
    "RSAES_OAEP_SHA_1": ("-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha1"),
    "RSAES_PKCS1_V1_5": ("-pkeyopt", "rsa_padding_mode:pkcs1"),
    "SM2PKE": (),
}
# How material too long for the wrapping key travels: by what, and the ephemeral key's length; by which cipher.
_ENVELOPES = {
    "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD": ("RSAES_OAEP_SHA_256", 32, ("-aes-256-ecb",)),
    "RSA_AES_KEY_WRAP_SHA_256": ("RSAES_OAEP_SHA_256", 32, ("-id-aes256-wrap-pad", "-iv", "A65959A6")),
    "RSA_AES_KEY_WRAP_SHA_1": ("RSAES_OAEP_SHA_1", 32, ("-id-aes256-wrap-pad", "-iv", "A65959A6")),
    "SM2PKE_SM4_ECB": ("SM2PKE", 16, ("-sm4-ecb", "-nopad")),
}


@dataclass(frozen=True)
class OpenSsl:
    """Runs `openssl` on files in a folder. Keys are PEM files that it made itself."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def run(self, *arguments: str, given: bytes = b"", code: int = 0) -> bytes:
        """Run `openssl ARGUMENTS` and return what it prints."""
        done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, timeout=60, check=False)
        assert done.returncode == code, (arguments, done.stderr.decode())
        return done.stdout

    def file(self, content: bytes) -> str:
        """Write a file and return its path."""
        path = self.folder / f"openssl-{next(self._numbers)}"
        path.write_bytes(content)
        return str(path)

    def random(self, size: int) -> bytes:
        """Return random bytes."""
        return self.run("rand", str(size))

    def generate(self, spec: KeySpec) -> str:
        """Make a key pair and return the path of the private key."""
        return self.file(self.run("genpkey", *_GENERATED[spec]))

    def public_pem(self, key: str) -> str:
        """Return the public half of a key."""
        return self.run("pkey", "-in", key, "-pubout").decode()

    def public_der(self, key: str) -> bytes:
        """Return the public half of a key, as SubjectPublicKeyInfo."""
        return self.run("pkey", "-in", key, "-pubout", "-outform", "DER")

    def material(self, key: str, spec: KeySpec) -> bytes:
        """Return a private key as it is imported: PKCS#8 DER, and of SM2 the private number."""
        if spec is not KeySpec.EC_SM2:
            return self.run("pkcs8", "-topk8", "-nocrypt", "-in", key, "-outform", "DER")
        found = re.search(rb"priv:\s+([0-9a-f:\s]+)", self.run("pkey", "-in", key, "-noout", "-text"))
        assert found is not None
        return bytes.fromhex(re.sub(r"[:\s]", "", found[1].decode())).rjust(32, b"\0")[-32:]

    def sign(self, key: str, algorithm: str, content: bytes) -> bytes:
        """Sign a digest; for SM2 a message, whose digest openssl makes with the default identity."""
        return self.run("pkeyutl", "-sign", "-inkey", key, "-in", self.file(content), *_SIGNATURES[algorithm])

    def verifies(self, public_pem: str, algorithm: str, content: bytes, signature: bytes) -> bool:
        """Say whether a signature holds, over what `sign` takes."""
        files = ("-inkey", self.file(public_pem.encode()), "-in", self.file(content))
        command = ("pkeyutl", "-verify", "-pubin", *files, "-sigfile", self.file(signature), *_SIGNATURES[algorithm])
        done = subprocess.run(["openssl", *command], capture_output=True, timeout=60, check=False)
        assert (done.returncode == 0) is (b"Signature Verified Successfully" in done.stdout)
        return done.returncode == 0

    def encrypt(self, public_pem: str, algorithm: str, plaintext: bytes) -> bytes:
        """Encrypt with a public key."""
        inputs = ("-inkey", self.file(public_pem.encode()), "-in", self.file(plaintext))
        return self.run("pkeyutl", "-encrypt", "-pubin", *inputs, *_ENCRYPTIONS[algorithm])

    def decrypt(self, key: str, algorithm: str, ciphertext: bytes) -> bytes:
        """Decrypt with a private key."""
        return self.run("pkeyutl", "-decrypt", "-inkey", key, "-in", self.file(ciphertext), *_ENCRYPTIONS[algorithm])

    def wrap(self, public_pem: str, algorithm: str, material: bytes) -> bytes:
        """Wrap material as the wrapping algorithm says."""
        if algorithm not in _ENVELOPES:
            return self.encrypt(public_pem, algorithm, material)
        way, size, cipher = _ENVELOPES[algorithm]
        ephemeral = self.random(size)
        content = self.run("enc", *cipher, "-K", ephemeral.hex(), "-in", self.file(material))
        return self.encrypt(public_pem, way, ephemeral) + content

    def mac(self, key: bytes, digest: str, message: bytes) -> bytes:
        """Return the HMAC of a message."""
        options = ("-digest", digest, "-macopt", f"hexkey:{key.hex()}", "-in", self.file(message))
        return bytes.fromhex(self.run("mac", *options, "HMAC").decode())

    def gcm_plaintext(self, cipher: str, key: bytes, sealed: bytes) -> bytes:
        """Return what IV (12 bytes), ciphertext and tag (16 bytes) hold. GCM is CTR from a counter of 2 on
        (SP 800-38D, 7.1); the command line has CTR, and no GCM, so the tag is not looked at."""
        counter = sealed[:12] + (2).to_bytes(4, "big")
        return self.run("enc", "-d", f"-{cipher}-ctr", "-K", key.hex(), "-iv", counter.hex(), given=sealed[12:-16])
