"""Key material in this process: made, used and forgotten here, kept wrapped by the keystore.

The material of a symmetric key is its bytes, that of a key pair its PKCS#8 DER.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kmsplan.engine.offer import HARDWARE_SPECS, SOFTWARE_SPECS
from kmsplan.engine.protection import accepting
from kmsplan.engine.protection.protocol import Generated
from kmsplan.engine.protection.softkey import AesHandle, EcHandle, HmacHandle, RsaHandle, Sm2Handle, Sm4Handle
from kmsplan.engine.sm import sm2
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kmsplan.engine.protection.protocol import Handle

_PUBLIC_EXPONENT: Final = 65537
_SM2_SPECS: Final = frozenset({KeySpec.EC_SM2})

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class SoftwareProtection:
    """Makes and opens material with the package `cryptography`, and with the system's OpenSSL for SM2.

    Args:
        entropy: source of symmetric keys and IVs; key pairs come from OpenSSL's generator.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy

    def specs(self) -> frozenset[KeySpec]:
        """Return everything that this backend can make; what an instance offers of it is the KMS's table."""
        every = frozenset((*SOFTWARE_SPECS, *HARDWARE_SPECS))
        return every if sm2.supported() else every - _SM2_SPECS

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> Generated:
        """Make material and hand it out for wrapping.

        Raises:
            NotOfferedError: SM2 does not work on this host.
        """
        del usage, reference  # one material serves either usage; the keystore keeps it, so no reference is needed
        facts = SPECS[spec]
        if facts.symmetric:
            return Generated(SecretBytes(self._entropy(facts.bits // 8)), None)
        if facts.family is Family.SM2:
            pair = sm2.generate()
            return Generated(SecretBytes(pair.private_der()), pair.public_der())
        key = (
            rsa.generate_private_key(_PUBLIC_EXPONENT, facts.bits)
            if facts.family is Family.RSA
            else ec.generate_private_key(accepting.CURVES[spec]())
        )
        return Generated(SecretBytes(accepting.private_bytes(key)), public_bytes(key))

    def accept(self, spec: KeySpec, material: SecretBytes) -> Generated:
        """Check imported material and return it as the keystore keeps it; see `Accepter`."""
        return accepting.accept(spec, material)

    def open(self, spec: KeySpec, reference: bytes, secret: SecretBytes | None) -> Handle:
        """Return a handle on unwrapped material.

        Raises:
            NotOfferedError: SM2 or SM4 does not work on this host.
        """
        del reference
        if secret is None:
            raise TypeError("the material of a software key comes from the keystore")
        return self._open(SPECS[spec].family, secret)

    def _open(self, family: Family, secret: SecretBytes) -> Handle:
        match family:
            case Family.AES:
                return AesHandle(secret, self._entropy)
            case Family.SM4:
                return Sm4Handle(secret, self._entropy)
            case Family.HMAC:
                return HmacHandle(secret)
            case Family.SM2:
                return Sm2Handle(sm2.PrivateKey(secret.reveal()))
        # Checking an RSA key takes 50 ms; this one was checked or made here, and the keystore's AEAD says that it is
        # unchanged.
        key = serialization.load_der_private_key(secret.reveal(), None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, rsa.RSAPrivateKey):
            return RsaHandle(key)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return EcHandle(key)
        raise TypeError(f"no handle for {type(key).__name__}")

    def missing(self, references: Collection[bytes]) -> frozenset[bytes]:
        """Return nothing: the material is in the keystore."""
        del references
        return frozenset()

    def destroy(self, reference: bytes) -> None:
        """Do nothing: the keystore destroys its wrapped material."""

    def close(self) -> None:
        """Do nothing."""


def public_bytes(key: PrivateKey) -> bytes:
    """Return DER SubjectPublicKeyInfo of a key pair's public half (RFC 5280, 4.1.2.7)."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
