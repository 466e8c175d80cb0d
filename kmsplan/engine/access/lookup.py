"""Looking an access key up at each request, and saying that it was used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kmsplan.engine.access.known import AccessKey
from kmsplan.engine.access.role import Role
from kmsplan.engine.core import sealed
from kmsplan.engine.keyring import Binding
from kmsplan.engine.keystore import accesskey as rows
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore.accesskey import ACTIVE
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.accesskey import AccessKeyRow
    from kmsplan.engine.keystore.connection import Connection

_MINUTE: Final = len("2026-01-01T00:00")


def look_up(core: Core, access_key_id: str) -> AccessKey | None:
    """Return an access key, from memory as long as nothing has changed in the database; None where there is none.

    Raises:
        KmsError: Rejected.Sealed.
        MaterialCorruptError: its row was changed.
    """
    with core.store.look() as db:
        generation = setting.generation(db)
        found = core.access_keys.get(access_key_id, generation) or _read(core, db, access_key_id, generation)
    if found is not None and found.expires is not None and found.expires <= core.now():
        return replace(found, active=False)
    return found


def _read(core: Core, db: Connection, access_key_id: str, generation: int) -> AccessKey | None:
    if setting.load(db, setting.SEALED) is not None:
        core.seal()
        raise sealed()
    keyring = core.opened()
    row = rows.load(db, access_key_id)
    if row is None:
        return None
    key = AccessKey(
        access_key_id=row.access_key_id,
        account=row.account,
        user=row.user,
        role=Role(row.role),
        active=row.status == ACTIVE,
        expires=row.expires,
        secret=SecretBytes(keyring.unbox(binding(row), row.secret)),
        generation=generation,
    )
    core.access_keys.put(key)
    return key


def note_use(core: Core, access_key_id: str) -> None:
    """Write down that a key was used, once a minute, without waiting for the disk; only where the signature held."""
    now = core.now()
    if core.access_keys.first_use_in(access_key_id, now[:_MINUTE]):
        core.store.submit(lambda transaction: rows.used(transaction.db, access_key_id, now), touches=False)


def require_active(db: Connection, access_key_id: str) -> None:
    """Check, in the transaction of a call, that its access key was not deleted or disabled meanwhile.

    Raises:
        KmsError: it was.
    """
    row = rows.load(db, access_key_id)
    if row is None:
        raise KmsError("InvalidAccessKeyId.NotFound")
    if row.status != ACTIVE:
        raise KmsError("InvalidAccessKeyId.Inactive")


def binding(row: AccessKeyRow) -> Binding:
    """Return what an access key's secret is bound to."""
    return Binding(
        table="access key",
        row=row.access_key_id,
        key_id=row.account,
        version_id=row.user,
        spec=row.role,
        usage=f"{row.status} {row.expires or ''}",
    )
