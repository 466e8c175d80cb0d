"""How many key versions an instance holds, against how many it may (KeyNum)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.keystore import instance as instances
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection


def require_room(db: Connection, instance_id: str) -> None:
    """Check that one more key version fits into an instance; those being made or destroyed in an HSM count too.

    Raises:
        KmsError: there is no such instance, or it is full.
    """
    row = instances.load(db, instance_id)
    if row is None:
        raise KmsError("Forbidden.DKMSInstanceNotFound", f"The specified instance {instance_id} is not found.")
    if row.versions >= row.key_quota:
        raise KmsError(
            "Rejected.LimitExceeded",
            f"The quota of {instance_id} is used up: it holds {row.versions} of {row.key_quota} key versions. "
            "Raise its key quota, or delete keys.",
        )
