"""Aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.keystore import alias as aliases
from kmsplan.engine.lookup import find_named
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
    """Point an alias at another key; the state of that key alone counts, the right to both."""
    _require_right(work, operation.alias)
    aliases.move(work.db, operation.alias, work.key(operation.key).key_id)


def delete(work: Work, operation: DeleteAlias) -> None:
    """Delete an alias, whatever its key's state."""
    _require_right(work, operation.alias)
    aliases.remove(work.db, operation.alias)


def _require_right(work: Work, alias: str) -> None:
    """Check that there is such an alias, and that its key's policy lets the caller take it away.

    Raises:
        KmsError: there is none, or it is forbidden.
    """
    key_id = aliases.target(work.db, alias)
    if key_id is None:
        raise KmsError("Forbidden.AliasNotFound", f"The specified alias {alias} is not found.")
    find_named(work.db, work.core.identity, work.request, key_id)
