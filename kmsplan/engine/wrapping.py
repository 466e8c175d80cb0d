"""Imported material on its way (BYOK): wrapped by who has it, unwrapped by who made the wrapping key.

kmsplan wraps with this before it sends; an engine unwraps with it what its own process may see. HSMs unwrap inside.
The algorithms are those of `kms.wrapping.WRAPPINGS`.
"""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import keywrap, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kmsplan.engine.protection.protocol import InvalidCiphertextError, InvalidMaterialError
from kmsplan.engine.protection.publickey import OAEP_PADDINGS
from kmsplan.engine.sm import sm2
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.wrapping import WRAPPINGS, WrappingKeySpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RSA_BITS: Final = 2048
_PUBLIC_EXPONENT: Final = 65537
_BLOCK_BITS: Final = 128


class _Envelope(NamedTuple):
    """How material that is too long for the wrapping key travels: under an ephemeral key, which that key wraps."""

    key_bytes: int
    wrap: Callable[[bytes, bytes], bytes]
    unwrap: Callable[[bytes, bytes], bytes]
    """Both take the ephemeral key and the content, and raise ValueError."""


class WrappingKey(NamedTuple):
    """A wrapping key pair."""

    private: SecretBytes
    """PKCS#8 DER."""
    public: bytes
    """DER SubjectPublicKeyInfo."""


def generate(spec: WrappingKeySpec) -> WrappingKey:
    """Make a wrapping key pair.

    Raises:
        NotOfferedError: SM2 does not work on this host.
    """
    if spec is WrappingKeySpec.EC_SM2:
        pair = sm2.generate()
        return WrappingKey(SecretBytes(pair.private_der()), pair.public_der())
    key = rsa.generate_private_key(_PUBLIC_EXPONENT, _RSA_BITS)
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return WrappingKey(SecretBytes(private), public)


def wrap(
    algorithm: str, public_key: bytes, material: SecretBytes, entropy: Callable[[int], bytes] = os.urandom
) -> bytes:
    """Return wrapped material, as ImportKeyMaterial takes it.

    Args:
        algorithm: one of `WRAPPINGS`.
        public_key: what GetParametersForImport gave, as DER SubjectPublicKeyInfo.
        material: a symmetric key's bytes, PKCS#8 DER of a private key, or SM2's private number (32 bytes).
        entropy: source of ephemeral keys.

    Raises:
        ValueError: the algorithm cannot wrap that much, or the public key is another one's.
        NotOfferedError: SM2 does not work on this host.
    """
    envelope = _ENVELOPES.get(algorithm)
    if envelope is None:
        return _seal(algorithm, public_key, material.reveal())
    ephemeral = entropy(envelope.key_bytes)
    return _seal(algorithm, public_key, ephemeral) + envelope.wrap(ephemeral, material.reveal())


def unwrap(algorithm: str, private_key: SecretBytes, wrapped: bytes) -> SecretBytes:
    """Return what was wrapped.

    Args:
        algorithm: one of `WRAPPINGS`.
        private_key: the wrapping key's, as PKCS#8 DER.
        wrapped: what `wrap` returned, or any other client of the API's.

    Raises:
        InvalidMaterialError: anything about it is wrong; nothing says what.
        NotOfferedError: SM2 does not work on this host.
    """
    envelope = _ENVELOPES.get(algorithm)
    try:
        if envelope is None:
            return SecretBytes(_open(algorithm, private_key.reveal(), wrapped))
        sealed, content = _split(algorithm, wrapped)
        ephemeral = _open(algorithm, private_key.reveal(), sealed)
        if len(ephemeral) != envelope.key_bytes:
            raise InvalidMaterialError
        return SecretBytes(envelope.unwrap(ephemeral, content))
    except (InvalidCiphertextError, ValueError, keywrap.InvalidUnwrap) as error:
        raise InvalidMaterialError from error


def _seal(algorithm: str, public_key: bytes, content: bytes) -> bytes:
    """Encrypt with the wrapping key."""
    if WRAPPINGS[algorithm].spec is WrappingKeySpec.EC_SM2:
        return sm2.PublicKey(public_key).encrypt(content)
    problem = f"{algorithm} takes an RSA wrapping key of {_RSA_BITS} bits, and this is none"
    try:
        key = serialization.load_der_public_key(public_key)
    except UnsupportedAlgorithm as error:
        raise ValueError(problem) from error
    # A shorter one would be easier to break than what it wraps.
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != _RSA_BITS:
        raise ValueError(problem)
    return key.encrypt(content, _RSA_PADDINGS[algorithm])


def _open(algorithm: str, private_key: bytes, sealed: bytes) -> bytes:
    """Decrypt with the wrapping key."""
    if WRAPPINGS[algorithm].spec is WrappingKeySpec.EC_SM2:
        return sm2.PrivateKey(private_key).decrypt(sealed)
    # Made here and kept under an AEAD, so that it need not be checked for 50 ms.
    key = serialization.load_der_private_key(private_key, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{algorithm} goes with an RSA wrapping key")
    # A PKCS#1 v1.5 padding that is wrong opens as random bytes, so that nobody can learn from trying. About one in 300
    # is as long as a symmetric key, and is taken for one; see docs/how-to-bring-your-own-key.md.
    return key.decrypt(sealed, _RSA_PADDINGS[algorithm])


def _split(algorithm: str, wrapped: bytes) -> tuple[bytes, bytes]:
    """Return the wrapped ephemeral key and the wrapped content."""
    # RSA's part is as long as the modulus; SM2's varies, and what follows it is the 32-byte number.
    cut = len(wrapped) - sm2.SCALAR_BYTES if algorithm == "SM2PKE_SM4_ECB" else _RSA_BITS // 8
    if not 0 < cut < len(wrapped):
        raise InvalidMaterialError
    return wrapped[:cut], wrapped[cut:]


def _aes_ecb_wrap(key: bytes, content: bytes) -> bytes:
    padder = padding.PKCS7(_BLOCK_BITS).padder()
    return _ecb(algorithms.AES256(key), padder.update(content) + padder.finalize(), opens=False)


def _aes_ecb_unwrap(key: bytes, content: bytes) -> bytes:
    unpadder = padding.PKCS7(_BLOCK_BITS).unpadder()
    return unpadder.update(_ecb(algorithms.AES256(key), content, opens=True)) + unpadder.finalize()


def _sm4_wrap(key: bytes, content: bytes) -> bytes:
    if len(content) != sm2.SCALAR_BYTES:
        raise ValueError(f"an SM2 private number has {sm2.SCALAR_BYTES} bytes, not {len(content)}")
    return _ecb(algorithms.SM4(key), content, opens=False)


def _sm4_unwrap(key: bytes, content: bytes) -> bytes:
    return _ecb(algorithms.SM4(key), content, opens=True)


def _ecb(cipher: algorithms.AES256 | algorithms.SM4, content: bytes, *, opens: bool) -> bytes:
    # The API says ECB; the ephemeral key serves this once, and what it hides is random enough.
    mode = modes.ECB()  # noqa: S305 - as said
    running = Cipher(cipher, mode).decryptor() if opens else Cipher(cipher, mode).encryptor()
    return running.update(content) + running.finalize()


_KWP: Final = _Envelope(32, keywrap.aes_key_wrap_with_padding, keywrap.aes_key_unwrap_with_padding)
_ENVELOPES: Final[Mapping[str, _Envelope]] = MappingProxyType(
    {
        "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD": _Envelope(32, _aes_ecb_wrap, _aes_ecb_unwrap),
        "RSA_AES_KEY_WRAP_SHA_256": _KWP,
        "RSA_AES_KEY_WRAP_SHA_1": _KWP,
        "SM2PKE_SM4_ECB": _Envelope(16, _sm4_wrap, _sm4_unwrap),
    }
)
_RSA_PADDINGS: Final[Mapping[str, rsa_padding.AsymmetricPadding]] = MappingProxyType(
    {
        **OAEP_PADDINGS,
        "RSAES_PKCS1_V1_5": rsa_padding.PKCS1v15(),
        "RSAES_OAEP_SHA_256_AES_256_ECB_PKCS7_PAD": OAEP_PADDINGS["RSAES_OAEP_SHA_256"],
        "RSA_AES_KEY_WRAP_SHA_256": OAEP_PADDINGS["RSAES_OAEP_SHA_256"],
        "RSA_AES_KEY_WRAP_SHA_1": OAEP_PADDINGS["RSAES_OAEP_SHA_1"],
    }
)
