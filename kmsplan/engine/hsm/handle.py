"""Handles on keys in a token; each call is one message to the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from kmsplan.engine.hsm.encoding import der_signature
from kmsplan.engine.hsm.error import KeyUnusableError, NotLoadedError
from kmsplan.engine.hsm.message import Op
from kmsplan.engine.protection.protocol import InvalidCiphertextError, NotOfferedError
from kmsplan.kms.spec import ALGORITHMS, SPECS, Family, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.hsm.ability import Abilities
    from kmsplan.engine.hsm.supervisor import Supervisor

_SEALED_OVERHEAD: Final = 12 + 16
"""IV and tag: no ciphertext is shorter."""
_LOADS: Final = 3
"""How often a key is loaded for one call: whenever many others are used at once, it may have to give way again."""


class TokenKey:
    """A key in the token.

    Args:
        supervisor: the way to the worker.
        abilities: what the token can do.
        spec: of the key.
        reference: of the key.
        load: gives the worker the key's wrapped material; None for token objects, which are there.
    """

    _quick: ClassVar[bool] = True
    """Whether using it takes less than a millisecond."""

    def __init__(
        self,
        supervisor: Supervisor,
        abilities: Abilities,
        spec: KeySpec,
        reference: bytes,
        load: Callable[[], object] | None = None,
    ) -> None:
        self._supervisor = supervisor
        self._abilities = abilities
        self._spec = spec
        self._reference = reference
        self._load = load

    def _checked_signature(self, algorithm: str, digest: bytes) -> bytes:
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
            return self._call(op, algorithm.encode(), content)
        except KeyUnusableError as error:
            if algorithm in self._abilities.algorithms(self._spec):
                raise
            raise NotOfferedError(
                f"the token works, but it cannot do {algorithm} with {self._spec} keys; "
                f"it can do {', '.join(self._abilities.algorithms(self._spec)) or 'nothing'}"
            ) from error

    def _call(self, op: Op, parameter: bytes, content: bytes) -> bytes:
        call = self._supervisor.call
        if self._load is None:
            return call(op, self._reference, parameter, content, quick=self._quick)[0]
        for _ in range(_LOADS):
            try:
                return call(op, self._reference, parameter, content, quick=self._quick)[0]
            except NotLoadedError:
                self._load()
        return call(op, self._reference, parameter, content, quick=self._quick)[0]


class AesKey(TokenKey):
    """CKM_AES_GCM."""

    def encrypt(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return IV (12 bytes), ciphertext and tag (16 bytes).

        Raises:
            HsmError: the token or the key does not work.
        """
        return self._call(Op.ENCRYPT, aad, plaintext)

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """Open what `encrypt` returned.

        Raises:
            InvalidCiphertextError: anything about it is wrong.
            HsmError: the token or the key does not work.
        """
        if len(sealed) < _SEALED_OVERHEAD:
            raise InvalidCiphertextError
        return self._call(Op.DECRYPT, aad, sealed)


class HmacKey(TokenKey):
    """CKM_SHA224_HMAC and its sisters."""

    def mac(self, algorithm: str, message: bytes) -> bytes:
        """Return the code of a message, untruncated.

        Raises:
            ValueError: the spec has no such algorithm.
            NotOfferedError: the token does not know the algorithm.
            HsmError: the token or the key does not work.
        """
        self._require(algorithm, KeyUsage.MAC)
        return self._use(Op.SIGN, algorithm, message)


class EcKey(TokenKey):
    """CKM_ECDSA."""

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the ECDSA signature as ASN.1 DER.

        Raises:
            ValueError: the spec has no such algorithm, or the digest not its length.
            HsmError: the token or the key does not work.
        """
        return der_signature(self._checked_signature(algorithm, digest))


class RsaKey(TokenKey):
    """CKM_RSA_PKCS_PSS, CKM_RSA_PKCS and CKM_RSA_PKCS_OAEP; the token refuses what the key was not made for."""

    _quick = False

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """Return the RSA signature.

        Raises:
            ValueError: the spec has no such algorithm, or the digest not its length.
            NotOfferedError: the token does not know the algorithm.
            HsmError: the token or the key does not work.
        """
        return self._checked_signature(algorithm, digest)

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


Handle = AesKey | HmacKey | EcKey | RsaKey
HANDLES: Final[dict[Family, type[AesKey | HmacKey | EcKey | RsaKey]]] = {
    Family.AES: AesKey,
    Family.HMAC: HmacKey,
    Family.EC: EcKey,
    Family.RSA: RsaKey,
}
