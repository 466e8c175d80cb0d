"""The client's side of importing key material (BYOK): find it, wrap it under the KMS's key, send that.

A KMS is asked for parameters by one wrapping algorithm after the other until it offers one. The material is in this
process alone, and only as `SecretBytes`; what leaves it is wrapped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import ImportKeyMaterial
from kmsplan.kms.spec import KeySpec
from kmsplan.kms.wrapping import Wrapping, wrappings_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.kms.operation import Operation
    from kmsplan.kms.secret import SecretBytes

Find = Callable[["Mapping[str, Any]", str], "SecretBytes"]
"""From the operation's `material` and the key's spec to the material; raises ConfigurationError."""
Wrap = Callable[[str, bytes, "SecretBytes"], bytes]
"""From wrapping algorithm, public key (DER) and material to what is sent."""

_NEVER_CHOSEN: Final = frozenset({"RSAES_PKCS1_V1_5"})
"""Who unwraps by it may be asked, again and again, what a ciphertext holds (Bleichenbacher, 1998)."""
_NOT_OFFERED: Final = frozenset({"UnsupportedOperation", "Rejected.UnsupportedOperation", "InvalidParameter"})
"""What a KMS answers that does not know a wrapping algorithm."""


class Parameters(Protocol):
    """What GetParametersForImport answers."""

    @property
    def token(self) -> bytes:
        """Goes with the material."""

    @property
    def public_key(self) -> bytes:
        """DER SubjectPublicKeyInfo."""


class ImportTarget(Protocol):
    """A KMS that takes material."""

    def parameters_for_import(self, key: str, algorithm: str, spec: str) -> Parameters:
        """Ask for a wrapping key.

        Raises:
            KmsError: it was refused.
        """

    def import_material(self, key: str, wrapped: bytes, token: bytes, expires: int | None) -> None:
        """Send wrapped material.

        Raises:
            KmsError: it was refused.
        """


class Importing:
    """Imports material; what it has found once it keeps until it is done.

    Args:
        find: reads material from where a configuration says it is.
        wrap: wraps it.
    """

    def __init__(self, find: Find, wrap: Wrap) -> None:
        self._find = find
        self._wrap = wrap
        self._found: dict[bytes, SecretBytes] = {}
        self._lock = Lock()

    def require(self, operations: Iterable[Operation]) -> None:
        """Find the material of every operation that imports some, before anything begins that would need it halfway.

        Raises:
            ConfigurationError: it is not there, or does not fit.
        """
        for operation in operations:
            if isinstance(operation, ImportKeyMaterial):
                self._material(operation)

    def carry_out(self, target: ImportTarget, operation: ImportKeyMaterial) -> None:
        """Carry out one import.

        Raises:
            KmsError: the KMS refused or failed.
            ConfigurationError: the material is not there, or does not fit.
        """
        material, key = self._material(operation), str(operation.key)
        wrapping, parameters = _parameters(target, key, KeySpec(operation.spec))
        wrapped = self._wrap(wrapping.name, parameters.public_key, material)
        target.import_material(key, wrapped, parameters.token, operation.expires)

    def _material(self, operation: ImportKeyMaterial) -> SecretBytes:
        place = orjson.dumps([operation.spec, operation.material], option=orjson.OPT_SORT_KEYS)
        with self._lock:  # a command that tells a secret is run once, however many keys are at work
            if place not in self._found:
                self._found[place] = self._find(operation.material, operation.spec)
            return self._found[place]


def _parameters(target: ImportTarget, key: str, spec: KeySpec) -> tuple[Wrapping, Parameters]:
    """Return the first wrapping that the KMS offers, and its answer.

    Raises:
        KmsError: its refusal of the last one, or what else it answered.
    """
    refused = KmsError("UnsupportedOperation", f"no algorithm wraps the material of {spec} keys")
    for wrapping in wrappings_for(spec):
        if wrapping.name in _NEVER_CHOSEN:
            continue
        try:
            return wrapping, target.parameters_for_import(key, wrapping.name, wrapping.spec.value)
        except KmsError as error:
            if error.code not in _NOT_OFFERED:
                raise
            refused = error
    raise refused
