"""What ends by its date: imported material, and the key pairs of import tokens.

What is due is found in the database and done in transactions that check again that it is due, so that it may be
interrupted anywhere and repeated at will.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.engine.action.importing import forget_material
from kmsplan.engine.keystore import imported
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import token as tokens
from kmsplan.engine.overdue import each_overdue

if TYPE_CHECKING:
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.token import TokenRow


def expire_due(core: Core) -> tuple[str, ...]:
    """Destroy the material that has expired; return its keys."""
    now = core.now()
    with core.store.read() as db:
        due = imported.due_to_expire(db, now)

    def is_due(row: KeyRow) -> bool:
        return row.material_expires is not None and row.material_expires <= now

    return each_overdue(core, due, "ExpireKeyMaterial", is_due, _expire)


def _expire(db: Connection, row: KeyRow) -> dict[str, Any]:
    forget_material(db, row)
    return {}


def clean_tokens(core: Core) -> dict[str, str]:
    """Destroy the key pairs of expired tokens.

    Returns:
        By key, why a wrapping key could not be destroyed in its HSM now; the next call tries again.
    """
    with core.store.read() as db:
        due = tokens.expired(db, core.now())
    failed: dict[str, str] = {}
    silent: dict[str, str] = {}
    done = []
    for row in due:
        # An HSM that does not answer is not asked again for each of many tokens.
        reason = silent.get(row.instance_id) or _destroy(core, row)
        if reason:
            failed[row.key_id] = silent[row.instance_id] = reason
        else:
            done.append(row.token_id)
    if done:
        core.store.write(lambda transaction: _remove(transaction.db, done))
    return failed


def _destroy(core: Core, row: TokenRow) -> str | None:
    """Destroy a wrapping key in its HSM; return why that cannot be done now, or None."""
    if row.reference is None:
        return None
    with core.store.read() as db:
        instance = instances.load(db, row.instance_id)
    if instance is None:
        return None  # released, and its HSM with it
    try:
        core.protection(instance).destroy(row.reference)
    except Exception as error:  # noqa: BLE001 - also what is wrong with PIN and configuration; it waits, and is told
        return str(error)
    return None


def _remove(db: Connection, token_ids: list[bytes]) -> None:
    for token_id in token_ids:
        tokens.remove(db, token_id)
