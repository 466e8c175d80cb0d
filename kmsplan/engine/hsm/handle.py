"""Handles on keys in a token; each call is one message to the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.hsm.encoding import der_signature
from kmsplan.engine.hsm.error import KeyUnusableError
from kmsplan.engine.hsm.message import Op
from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError
from kmsplan.kms.spec import ALGORITHMS, SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.hsm.ability import Abilities
    from kmsplan.engine.hsm.supervisor import Supervisor

_SEALED_OVERHEAD: Final = 12 + 16
"""IV and tag: no ciphertext is shorter."""


class TokenKey:
    """A key in the token, by its reference."""

    def __init__(self, supervisor: Supervisor, abilities: Abilities, spec: KeySpec, reference: bytes) -> None:
        self._supervisor = supervisor
        self._abilities = abilities
        self._spec = spec
        self._reference = reference

    def _raw_signature(self, algorithm: str, digest: bytes) -> bytes:
        self._require(algorithm, KeyUsage.SIGN)
        wanted = ALGORITHMS[algorithm].digest_bytes
        if len(digest) != wanted:
            raise ValueError(f"{algorithm} signs a digest of {wanted} bytes, not of {len(digest)}")
        return self._use(Op.SIGN, algorithm, digest)

    def _require(self, algorithm: str, usage: KeyUsage) -> None:
        if algorithm not in SPECS[self._spec].algorithms_for(usage):
            raise ValueError(f"{algorithm} is no {usage} algorithm of {self._spec}")

    def _use(self, op: Op, algorithm: str, content: bytes) -> bytes:
        try:
            return self._supervisor.call(op, self._reference, algorithm.encode(), content)[0]
        except KeyUnusableError as error:
            if algorithm in self._abilities.algorithms(self._spec):
                raise
            raise NotOfferedError(
                f"the token works, but it cannot do {algorithm} with {self._spec} keys; "
                f"it can do {', '.join(self._abilities.algorithms(self._spec)) or 'nothing'}"
            ) from error


class AesKey(TokenKey):
    """CKM_AES_GCM."""

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return IV (12 bytes), ciphertext and tag (16 bytes).

        Raises:
            HsmError: the token or the key does not work.
        """
        return self._supervisor.call(Op.ENCRYPT, self._reference, aad, plaintext)[0]

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """Open what `encrypt` returned.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
            HsmError: the token or the key does not work.
        """
        if len(sealed) < _SEALED_OVERHEAD:
            raise InvalidCiphertextError
        return self._supervisor.call(Op.DECRYPT, self._reference, aad, sealed)[0]


class EcKey(TokenKey):
    """CKM_ECDSA."""

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the ECDSA signature as ASN.1 DER.

        Raises:
            ValueError: the spec has no such algorithm, or the digest not its length.
            HsmError: the token or the key does not work.
        """
        return der_signature(self._raw_signature(algorithm, digest))


class RsaKey(TokenKey):
    """CKM_RSA_PKCS_PSS, CKM_RSA_PKCS and CKM_RSA_PKCS_OAEP; the token refuses what the key was not made for."""

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the RSA signature.

        Raises:
            ValueError: the spec has no such algorithm, or the digest not its length.
            NotOfferedError: the token does not know the algorithm.
            HsmError: the token or the key does not work.
        """
        return self._raw_signature(algorithm, digest)

    def asymmetric_decrypt(self, algorithm: str, ciphertext: bytes) -> bytes:
        """Open an OAEP ciphertext.

        Raises:
            ValueError: the spec has no such algorithm.
            InvalidCiphertextError: anything about the ciphertext is wrong.
            NotOfferedError: the token does not know the algorithm.
            HsmError: the token or the key does not work.
        """
        self._require(algorithm, KeyUsage.ENCRYPT)
        if len(ciphertext) != SPECS[self._spec].bits // 8:
            raise InvalidCiphertextError
        return self._use(Op.DECRYPT_OAEP, algorithm, ciphertext)


Handle = AesKey | EcKey | RsaKey
HANDLES: Final[dict[Family, type[AesKey | EcKey | RsaKey]]] = {Family.AES: AesKey, Family.EC: EcKey, Family.RSA: RsaKey}
