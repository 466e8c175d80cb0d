"""Which key material is for, and what its backend answers, for both calls of an import."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from kmsplan.engine import material
from kmsplan.engine.action.importing import require_external
from kmsplan.engine.action.work import Work
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.protection.protocol import InvalidMaterialError, NotOfferedError, ProtectionUnavailableError
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.key import KeyRow


class Found(NamedTuple):
    """A key that takes material, and its instance."""

    key: KeyRow
    instance: InstanceRow

    @property
    def design(self) -> material.Design:
        """What is fixed of it."""
        key = self.key
        return material.Design(
            key_id=key.key_id,
            spec=KeySpec(key.spec),
            usage=KeyUsage(key.usage),
            instance=self.instance,
            mechanism=key.storage_mechanism,
        )


def find(core: Core, request: Request, name: str) -> Found:
    """Return a key of origin EXTERNAL in whose state the request is allowed."""
    with core.store.read() as db:
        row = Work(core=core, db=db, request=request).key(name)
        instance = home(db, row)
    request.resource = row.key_id
    require_external(row)
    return Found(row, instance)


def home(db: Connection, row: KeyRow) -> InstanceRow:
    """Return the instance that a key is in."""
    instance = instances.load(db, row.instance_id)
    if instance is None:
        raise AssertionError(f"{row.key_id} is in no instance")
    return instance


@contextmanager
def answering() -> Iterator[None]:
    """Answer what a backend raises as the API would."""
    try:
        yield
    except InvalidMaterialError as error:
        raise KmsError("InvalidKeyMaterial", f"The key material is not valid: {error}.") from None
    except NotOfferedError as error:
        raise KmsError("UnsupportedOperation", str(error)) from error
    except ProtectionUnavailableError as error:
        raise KmsError("Rejected.Unavailable", f"The HSM is not available: {error}") from error
