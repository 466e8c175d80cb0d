"""The control plane as methods of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.facet import Facet
from kmsplan.kms.operation import DeleteKeyMaterial

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.action.servicekey import ServiceKeys
    from kmsplan.engine.importing.parameters import ImportParameters
    from kmsplan.engine.reading.view import KeyView
    from kmsplan.kms.operation import CreateKey, Operation


class Changeable(Facet):
    """What makes, changes and ends instances, keys and aliases. An operation names a key by its id or ARN.

    All raise KmsError: what the API would answer; nothing was done.
    """

    __slots__ = ()

    def execute(self, operation: Operation, intent: Callable[[], None] | None = None) -> str | None:
        """Carry out a control-plane operation; return the id of what it made.

        Args:
            operation: with identities for references.
            intent: called before anything of it can have happened, from whatever thread; where it raises, nothing was
                done, and the caller gets that.
        """
        self._require_writable()
        from kmsplan.engine.action.table import execute  # noqa: PLC0415 - imports cryptography; planning does not

        return execute(self._core, self._caller, operation, intent)

    def parameters_for_import(self, key: str, algorithm: str, spec: str) -> ImportParameters:
        """Make a key pair that material for a key of origin EXTERNAL is wrapped under; the key stays as it is.

        Args:
            key: the key's id or ARN.
            algorithm: one of `kms.wrapping.WRAPPINGS` that carries such material.
            spec: the wrapping key's.
        """
        self._require_writable()
        from kmsplan.engine.importing.parameters import parameters_for_import  # noqa: PLC0415 - as above

        return parameters_for_import(self._core, self._caller, key, algorithm, spec)

    def import_material(self, key: str, wrapped: bytes, token: bytes, expires: int | None = None) -> None:
        """Give a key of origin EXTERNAL its material; the first one it had is the only one it ever takes.

        Args:
            key: the key's id or ARN.
            wrapped: the material, wrapped as `parameters_for_import` said.
            token: what that gave with it.
            expires: when the material is to be destroyed, in seconds since 1970; None or 0 is never.
        """
        self._require_writable()
        from kmsplan.engine.importing.arriving import import_material  # noqa: PLC0415 - as above

        import_material(self._core, self._caller, key, wrapped, token, expires)

    def delete_material(self, key: str) -> None:
        """Destroy a key's imported material; the key waits for the same again."""
        self.execute(DeleteKeyMaterial(key=key))

    def witness(self, lineage: str, serial: int) -> None:
        """Keep the newest serial of a client's state; `describe` tells it to whoever comes with an older one."""
        self._require_writable()
        from kmsplan.engine.action.witness import witness  # noqa: PLC0415 - as above

        witness(self._core, self._caller, lineage, serial)

    def create_key(self, operation: CreateKey, done: Callable[[Callable[[], KeyView]], None]) -> bool:
        """Create a key on an event loop, unless that may take its time; see `prompt.create_key`."""
        self._require_writable()
        from kmsplan.engine.action import prompt  # noqa: PLC0415 - as above

        return prompt.create_key(self._core, self._caller, operation, done)

    @property
    def service_keys(self) -> ServiceKeys:
        """Keys that cloud services make for themselves, and keys that were migrated from KMS 1.0."""
        self._require_writable()
        from kmsplan.engine.action.servicekey import ServiceKeys  # noqa: PLC0415 - as above

        return ServiceKeys(self._core, self._caller)
