"""Imported key material: its deletion, and what else a key of origin EXTERNAL is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from kmsplan.engine import hardware
from kmsplan.engine.keystore import imported
from kmsplan.engine.keystore import instance as instances
from kmsplan.kms.capability import Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, after
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from kmsplan.engine.action.work import Work
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.kms.operation import DeleteKeyMaterial, ImportKeyMaterial


def require_external(row: KeyRow) -> None:
    """Check that a key's material is imported.

    Raises:
        KmsError: Unsupported.Origin.
    """
    if row.origin != Origin.EXTERNAL:
        raise KmsError(
            "Unsupported.Origin",
            f"The material of {row.key_id} was made by the KMS (Origin {row.origin}); only keys of origin "
            f"{Origin.EXTERNAL.value} take material, and give it back.",
        )


def delete(work: Work, operation: DeleteKeyMaterial) -> None:
    """Destroy a key's imported material; HSM material is destroyed right after. Without any, nothing happens."""
    row = work.key(operation.key)
    require_external(row)
    forget_material(work.db, row)
    work.core.handles.drop(row.key_id)


def forget_material(db: Connection, row: KeyRow) -> None:
    """Destroy wrapped material, or condemn HSM material; the key waits for it, unless it waits for its own end."""
    instance = instances.load(db, row.instance_id)
    imported.empty(db, row.key_id, in_hsm=instance is not None and instance.type == KeyType.HARDWARE)
    imported.gone(db, row.key_id, after("DeleteKeyMaterial", KeyState(row.state)))


def destroy_condemned(core: Core, key_id: str) -> None:
    """Destroy what has to be destroyed in HSMs; where one does not answer, a later tick does it."""
    del key_id
    hardware.settle(core)


def refuse_import(work: Work, operation: ImportKeyMaterial) -> NoReturn:
    """Refuse: an engine takes wrapped material only, and never looks for any."""
    del operation
    raise KmsError(
        "UnsupportedOperation",
        f"{work.request.action} says where material is found, and the engine takes it wrapped: kmsplan apply finds and "
        "wraps it.",
    )
