"""Which files of the package cryptography_vectors are run through the engine, by which test; which are not, and why.

A release of the package that brings a file that neither table knows fails here.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.vectors import ROOT

NOT_OFFERED = "the engine offers no such algorithm"
NO_MODE = "the engine offers GCM, and uses ECB to unwrap imported material; no other mode"
NO_SHA_1 = "signatures over SHA-1, and the engine signs SHA-256 digests"

USED = {
    "ciphers/AES/GCM/gcm*.rsp": "test_aes_gcm_vectors.py",
    "ciphers/AES/ECB/ECB*256.rsp": "test_wrapping_vectors.py",
    "ciphers/SM4/rfc8998.txt": "test_sm_vectors.py",
    "ciphers/SM4/draft-ribose-cfrg-sm4-10-ecb.txt": "test_wrapping_vectors.py",
    "hashes/SM3/oscca.txt": "test_sm_vectors.py",
    "HMAC/rfc-4231-sha*.txt": "test_hmac_vectors.py",
    "keywrap/kwtestvectors/KWP_A[DE]_256.txt": "test_wrapping_vectors.py",
    "asymmetric/RSA/FIPS_186-2/SigGen15_*": "test_rsa_vectors.py",
    "asymmetric/RSA/FIPS_186-2/SigVer15_*": "test_rsa_vectors.py",
    "asymmetric/RSA/FIPS_186-2/Sig*PSS_*": "test_rsa_vectors.py",
    "asymmetric/RSA/SigVer15EMTest.txt": "test_rsa_vectors.py",
    "asymmetric/RSA/oaep-label.txt": "test_rsa_vectors.py",
    "asymmetric/RSA/oaep-custom/*": "test_rsa_vectors.py",
    "asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-*.txt": "test_rsa_vectors.py",
    "asymmetric/RSA/pkcs1v15crypt-vectors.txt": "test_wrapping_vectors.py",
    "asymmetric/ECDSA/FIPS_186-?/KeyPair.rsp": "test_ecdsa_vectors.py",
    "asymmetric/ECDSA/FIPS_186-?/PKV.rsp": "test_ecdsa_vectors.py",
    "asymmetric/ECDSA/FIPS_186-3/Sig*": "test_ecdsa_vectors.py",
    "asymmetric/ECDSA/RFC6979/*": "test_ecdsa_vectors.py",
    "asymmetric/ECDSA/SECP256K1/*": "test_ecdsa_vectors.py",
    "asymmetric/PKCS8/*": "test_private_key_vectors.py",
    "asymmetric/EC/*.[pd]e[mr]": "test_private_key_vectors.py",
    "asymmetric/Traditional_OpenSSL_Serialization/*": "test_private_key_vectors.py",
    "asymmetric/DER_Serialization/*": "test_private_key_vectors.py",
    "asymmetric/PEM_Serialization/*.pem": "test_private_key_vectors.py",
    "x509/custom/rsa_pss_cert.pem": "test_rsa_vectors.py",
    "x509/custom/rsa_pss_sha256_no_null.pem": "test_rsa_vectors.py",
}
UNUSED = {
    "__*": "the package itself",
    "py.typed": "the package itself",
    "*/Readme.txt": "says what the files beside it are",
    "*/readme.txt": "says what the files beside it are",
    "*/README.txt": "says what the files beside it are",
    "ciphers/AES/[COSX]*": NO_MODE,
    "ciphers/AES/GCM-SIV/*": NO_MODE,
    "ciphers/AES/ECB/ECB*1[29][28].rsp": "material travels under AES-256",
    "ciphers/SM4/draft-ribose-cfrg-sm4-10-*": NO_MODE,
    "ciphers/[!AS]*": NOT_OFFERED,
    "ciphers/ARC4/*": NOT_OFFERED,
    "ciphers/SEED/*": NOT_OFFERED,
    "hashes/[!S]*": NOT_OFFERED,
    "hashes/SHA*": "the engine is given digests; its HMAC, PSS and OAEP have vectors of their own",
    "HMAC/rfc-2*": NOT_OFFERED,
    "keywrap/kwp_botan.txt": "keys of 128 and 192 bits, and material travels under AES-256",
    "keywrap/kwtestvectors/KWP_A?_1*": "material travels under AES-256",
    "keywrap/kwtestvectors/*_inv.txt": "the inverse cipher function (SP 800-38F, 5.1), which RFC 5649 does not use",
    "keywrap/kwtestvectors/KW_*": "key wrap without padding (RFC 3394)",
    "keywrap/kwtestvectors/TKW_*": NOT_OFFERED,
    "asymmetric/RSA/FIPS_186-2/KeyGenRSA.rsp": "made from seeds, and the engine takes none",
    "asymmetric/RSA/FIPS_186-2/Sig*RSA*": "signatures by ANSI X9.31",
    "asymmetric/RSA/pkcs-1v2-1d2-vec/pss-*.txt": NO_SHA_1,
    "asymmetric/RSA/pkcs1v15sign-vectors.txt": NO_SHA_1,
    "asymmetric/ECDSA/FIPS_186-2/Sig*": NO_SHA_1,
    "asymmetric/EC/compressed_points.txt": "the engine writes points uncompressed, and is given none",
    "asymmetric/OpenSSH/*": "no form that material is imported in",
    "asymmetric/public/*": "public keys; the engine is given those of recipients alone",
    "asymmetric/D[HS]*": NOT_OFFERED,
    "asymmetric/ECDH/*": NOT_OFFERED,
    "asymmetric/Ed*": NOT_OFFERED,
    "asymmetric/ML*": NOT_OFFERED,
    "asymmetric/X*": NOT_OFFERED,
    "x509/*": "certificates; those signed with PSS, SHA-256 and a salt of 32 bytes are used",
    "CMAC/*": NOT_OFFERED,
    "HPKE/*": NOT_OFFERED,
    "KDF/*": NOT_OFFERED,
    "chunked-encryption/*": NOT_OFFERED,
    "fernet/*": NOT_OFFERED,
    "pkcs12/*": NOT_OFFERED,
    "pkcs7/*": NOT_OFFERED,
    "poly1305/*": NOT_OFFERED,
    "twofactor/*": NOT_OFFERED,
}
FILES = sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc"
)


def test_every_file_is_used_or_there_is_a_reason() -> None:
    tables = [*USED, *UNUSED]
    assert [name for name in FILES if not any(fnmatch(name, pattern) for pattern in tables)] == []


@pytest.mark.parametrize("pattern", [*USED, *UNUSED])
def test_an_entry_is_about_files_that_are_there(pattern: str) -> None:
    assert any(fnmatch(name, pattern) for name in FILES)


@pytest.mark.parametrize("pattern", USED)
def test_a_used_file_is_read_by_the_test_that_is_named(pattern: str) -> None:
    text = (Path(__file__).parent / USED[pattern]).read_text()
    place = Path(pattern)
    assert place.parent.name in text or place.name in text
