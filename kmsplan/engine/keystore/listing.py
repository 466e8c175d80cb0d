"""Everything there is, in bulk: three queries and one for the tags, however many objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

_KEY: Final = (
    ("key_id", "k.key_id"),
    ("instance_id", "k.instance_id"),
    ("spec", "k.spec"),
    ("usage", "usage"),
    ("origin", "origin"),
    ("storage_mechanism", "storage_mechanism"),
    ("state", "state"),
    ("description", "description"),
    ("rotation", "rotation"),
    (
        "rotation_state",
        "CASE WHEN rotation IS NULL THEN 'Disabled' WHEN state = 'Enabled' THEN 'Enabled' ELSE 'Suspended' END",
    ),
    ("policy", "policy"),
    ("deletion_protection", "k.deletion_protection"),
    ("creation_date", "creation_date"),
    ("delete_date", "delete_date"),
    ("last_rotation_date", "last_rotation_date"),
    ("next_rotation_date", "next_rotation_date"),
    ("last_used", "last_used"),
    # Uses are counted from the first day on.
    ("tracked_since", "creation_date"),
    ("primary_version", "primary_version"),
    ("arn", ":prefix || 'key/' || k.key_id"),
    ("protection_level", "CASE i.type WHEN 'hardware' THEN 'HSM' ELSE 'SOFTWARE' END"),
)
_INSTANCE: Final = tuple(
    (name, name)
    for name in ("instance_id", "type", "spec", "key_quota", "module", "token", "deletion_protection", "status")
)
_ALIAS: Final = (("alias", "alias"), ("key_id", "key_id"), ("arn", ":prefix || alias"))
_TABLES: Final = {
    "key": (_KEY, "key AS k JOIN instance AS i USING (instance_id)", "k.key_id"),
    "instance": (_INSTANCE, "instance", "instance_id"),
    "alias": (_ALIAS, "alias", "alias"),
}


def rows(db: sqlite3.Connection, table: str, prefix: str, wanted: Collection[str] | None) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries, by identity.

    Args:
        db: the connection.
        table: key, instance or alias.
        prefix: what ARNs begin with.
        wanted: the identities to look for; None for all.
    """
    columns, source, identity = _TABLES[table]
    names = [name for name, _ in columns]
    found = _select(db, ", ".join(column for _, column in columns), source, identity, wanted, prefix)
    return [dict(zip(names, row, strict=True)) for row in found]


def tags(db: sqlite3.Connection, wanted: Collection[str] | None) -> dict[str, dict[str, str]]:
    """Return the tags of every resource that has some."""
    found: dict[str, dict[str, str]] = {}
    for resource, name, value in _select(db, "resource_id, name, value", "tag", "resource_id", wanted):
        if resource in found:
            found[resource][name] = value
        else:
            found[resource] = {name: value}
    return found


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """Return how many keys are in each state."""
    return dict(db.execute("SELECT state, count(*) FROM key GROUP BY state ORDER BY state"))


def _select(
    db: sqlite3.Connection,
    columns: str,
    source: str,
    identity: str,
    wanted: Collection[str] | None,
    prefix: str = "",
) -> Iterable[tuple[Any, ...]]:
    condition = "" if wanted is None else f" WHERE {identity} IN (SELECT value FROM json_each(:wanted))"  # noqa: S608 - our own names
    statement = f"SELECT {columns} FROM {source}{condition}"  # noqa: S608 - as above
    return db.execute(statement, {"prefix": prefix, "wanted": json.dumps(list(wanted or ()))})
