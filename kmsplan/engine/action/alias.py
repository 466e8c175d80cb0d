"""Aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.keystore import alias as aliases
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from kmsplan.engine.action.work import Work
    from kmsplan.kms.operation import CreateAlias, DeleteAlias, UpdateAlias


def create(work: Work, operation: CreateAlias) -> str:
    """Bind a new alias to a key."""
    taken = aliases.target(work.db, operation.alias)
    if taken is not None:
        raise KmsError("AliasAlreadyExists", f"The alias {operation.alias} already exists; it means {taken}.")
    aliases.insert(work.db, operation.alias, work.key(operation.key).key_id)
    return operation.alias


def update(work: Work, operation: UpdateAlias) -> None:
    """Point an alias at another key; the state of that key alone counts."""
    _find(work, operation.alias)
    aliases.move(work.db, operation.alias, work.key(operation.key).key_id)


def delete(work: Work, operation: DeleteAlias) -> None:
    """Delete an alias, whatever its key's state."""
    _find(work, operation.alias)
    aliases.remove(work.db, operation.alias)


def _find(work: Work, alias: str) -> None:
    if aliases.target(work.db, alias) is None:
        raise KmsError("Forbidden.AliasNotFound", f"The specified alias {alias} is not found.")
