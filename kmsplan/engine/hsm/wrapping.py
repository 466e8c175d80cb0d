"""The client's half of importing into a token, and of keys that the token wraps for the keystore to keep."""

from __future__ import annotations

import hashlib
import json
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.hsm.encoding import subject_public_key_info
from kmsplan.engine.hsm.error import KeyUnusableError
from kmsplan.engine.hsm.handle import HANDLES, EcKey
from kmsplan.engine.hsm.message import Fault, Op, TokenFaultError
from kmsplan.engine.hsm.recovery import candidates
from kmsplan.engine.proof import works
from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.accepting import fingerprint
from kmsplan.engine.protection.protocol import Generated, InvalidMaterialError, NotOfferedError
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import SPECS, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.hsm.ability import Abilities
    from kmsplan.engine.hsm.handle import Handle
    from kmsplan.engine.hsm.supervisor import Supervisor

_OAEP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "RSAES_OAEP_SHA_256": "RSAES_OAEP_SHA_256",
        "RSAES_OAEP_SHA_1": "RSAES_OAEP_SHA_1",
        "RSA_AES_KEY_WRAP_SHA_256": "RSAES_OAEP_SHA_256",
        "RSA_AES_KEY_WRAP_SHA_1": "RSAES_OAEP_SHA_1",
    }
)
"""Wrapping algorithm: by what the wrapping key unwraps. PKCS#1 v1.5 is not here: its errors are an oracle."""
_PAIRS: Final = frozenset({"RSA_AES_KEY_WRAP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1"})
_MESSAGES: Final = tuple(hashlib.sha256(text).digest() for text in (b"whose key is this?", b"really?"))
_ECDSA: Final = "ECDSA_SHA_256"
_BLOCK: Final = 8


class Wrappings:
    """What a token wraps and unwraps.

    Args:
        supervisor: the way to its worker.
        abilities: what it can do with keys.
        token: how messages call it.
    """

    def __init__(self, supervisor: Supervisor, abilities: Abilities, token: str) -> None:
        self._supervisor = supervisor
        self._abilities = abilities
        self._token = token
        self._lock = Lock()
        self._probed: dict[str, Any] | None = None

    def algorithms(self, spec: KeySpec) -> tuple[str, ...]:
        """Return the wrapping algorithms for material of a spec; see `Importer.wrappings`."""
        if not self._abilities.algorithms(spec):
            return ()
        can, facts = self._probe(), SPECS[spec]
        # SoftHSM does not tell the length of what it unwraps, and wraps it in blocks: a key that ends within one could
        # be longer than it should be.
        if (facts.symmetric and not can["lengths"] and (facts.material_bytes or 0) % _BLOCK) or (
            not facts.symmetric and not can["pairs"]
        ):
            return ()
        return tuple(
            name for name, oaep in _OAEP.items() if oaep in can["oaep"] and (name in _PAIRS) is not facts.symmetric
        )

    def wrapping_key(self, reference: bytes) -> bytes:
        """Make a wrapping key pair; see `Importer.wrapping_key`."""
        parts = self._supervisor.call(Op.WRAPPING_KEY, reference)
        return subject_public_key_info(KeySpec.RSA_2048, parts) or b""

    def unwrap(
        self,
        spec: KeySpec,
        usage: KeyUsage,
        reference: bytes | None,
        algorithm: str,
        wrapped: bytes,
        wrapping_reference: bytes,
    ) -> Generated:
        """Unwrap material and keep it; see `Importer.unwrap`."""
        offered = self.algorithms(spec)
        if algorithm not in offered:
            raise NotOfferedError(
                f"{self._token} does not unwrap material of {spec} keys by {algorithm}; "
                + (f"it can by {' and '.join(offered)}" if offered else "it cannot at all")
            )
        kind = (spec.encode(), usage.encode())
        fields = (reference or b"", _OAEP[algorithm].encode(), wrapping_reference, wrapped)
        answer = self._supervisor.call(Op.UNWRAP, *kind, *fields)
        secret = SecretBytes(answer.pop()) if reference is None else None
        mark = answer.pop()
        try:
            public_key = self._proven(spec, usage, reference, secret, answer)
        except (KeyUnusableError, InvalidMaterialError, ValueError) as error:
            if reference is not None:
                self._supervisor.call(Op.DESTROY, reference)
            raise InvalidMaterialError from error
        return Generated(secret, public_key, fingerprint(spec, public_key or mark))

    def generate(self, spec: KeySpec, usage: KeyUsage) -> Generated:
        """Make material and hand it out wrapped; see `Wrapper.generate_wrapped`."""
        wrapped, *parts = self._supervisor.call(Op.GENERATE_WRAPPED, spec.encode(), usage.encode())
        secret, public_key = SecretBytes(wrapped), subject_public_key_info(spec, parts)
        if not self._works(self.open(spec, usage, secret), spec, usage, public_key):
            raise self._supervisor.explain(TokenFaultError(Fault.UNUSABLE, f"what it made as {spec} fails its proof"))
        return Generated(secret, public_key)

    def open(self, spec: KeySpec, usage: KeyUsage, wrapped: SecretBytes) -> Handle:
        """Return a handle on wrapped material; see `Wrapper.open_wrapped`."""
        # The same material has the same reference whoever opens it, so that a worker holds it once.
        reference = b"w" + hashlib.sha256(wrapped.reveal()).digest()[:16]
        return HANDLES[SPECS[spec].family](
            self._supervisor,
            self._abilities,
            spec,
            reference,
            lambda: self._supervisor.call(Op.LOAD, spec.encode(), usage.encode(), reference, wrapped.reveal()),
        )

    def _proven(
        self, spec: KeySpec, usage: KeyUsage, reference: bytes | None, secret: SecretBytes | None, parts: list[bytes]
    ) -> bytes | None:
        """Use imported material once, and return its public key.

        Raises:
            InvalidMaterialError: it does not work.
        """
        if secret is not None:
            handle = self.open(spec, usage, secret)
        else:
            handle = HANDLES[SPECS[spec].family](self._supervisor, self._abilities, spec, reference or b"")
        public_key = _recovered(handle, spec) if isinstance(handle, EcKey) else subject_public_key_info(spec, parts)
        if not self._works(handle, spec, usage, public_key):
            raise InvalidMaterialError
        return public_key

    def _works(self, handle: Handle, spec: KeySpec, usage: KeyUsage, public_key: bytes | None) -> bool:
        offered = self._abilities.algorithms(spec)
        algorithm = next(name for name in SPECS[spec].algorithms_for(usage) if name in offered)
        return works(handle, algorithm, public_key)

    def _probe(self) -> dict[str, Any]:
        with self._lock:
            if self._probed is None:
                self._probed = json.loads(self._supervisor.call(Op.PROBE_WRAPPINGS)[0])
            return self._probed


def _recovered(handle: EcKey, spec: KeySpec) -> bytes:
    """Return the public key of an imported key pair.

    Raises:
        InvalidMaterialError: its signatures fit no key.
    """
    one, other = (handle.sign(_ECDSA, digest) for digest in _MESSAGES)
    for key in candidates(spec, _MESSAGES[0], one):
        if publickey.verify(key, _ECDSA, _MESSAGES[1], other):
            return key
    raise InvalidMaterialError
