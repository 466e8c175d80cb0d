"""Everything there is, in bulk: three queries and one for the tags, however many objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.keystore.instance import HIDDEN, InstanceRow
from kmsplan.engine.keystore.key import KeyRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kmsplan.engine.keystore.connection import Connection

_TABLES: Final = {
    "instance": InstanceRow._fields,
    "key": KeyRow._fields,
    "alias": ("alias", "key_id"),
}


def rows(db: Connection, table: str, wanted: Collection[str] | None) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries.

    Args:
        db: the connection.
        table: instance, key or alias.
        wanted: the identities to look for; None for all.
    """
    names = _TABLES[table]
    found = [dict(zip(names, row)) for row in _select(db, ", ".join(names), table, names[0], wanted)]  # noqa: B905 - of one length, and this is hot
    return [row for row in found if row["instance_id"] not in HIDDEN] if table == "instance" else found


def tags(db: Connection, wanted: Collection[str] | None) -> dict[str, dict[str, str]]:
    """Return the tags of every resource that has some."""
    found: dict[str, dict[str, str]] = {}
    for resource, name, value in _select(db, "resource_id, name, value", "tag", "resource_id", wanted):
        if resource in found:
            found[resource][name] = value
        else:
            found[resource] = {name: value}
    return found


def versions(db: Connection, wanted: Collection[str] | None) -> dict[str, tuple[int, int, int]]:
    """Return how many versions each key has, how many of them have a public key (all or none), and their encryptions.

    Encryptions are counted by blocks, against the limit of AES-GCM, so that there were at most so many.
    """
    found = _select(db, "key_id, count(*), count(public_key), sum(uses)", _READY, "key_id", wanted, "GROUP BY key_id")
    return {key_id: (count, public, int(uses)) for key_id, count, public, uses in found}


_READY: Final = "(SELECT key_id, public_key, uses FROM key_version WHERE status = 'ready') AS counted"


def counts(db: Connection) -> dict[str, int]:
    """Return how many keys are in each state."""
    return dict(db.execute("SELECT state, count(*) FROM key GROUP BY state ORDER BY state"))


def _select(
    db: Connection, columns: str, table: str, identity: str, wanted: Collection[str] | None, rest: str = ""
) -> Iterable[tuple[Any, ...]]:
    if wanted is None:
        return db.execute(f"SELECT {columns} FROM {table} {rest}")  # noqa: S608 - our own names
    return db.execute(
        f"SELECT {columns} FROM {table} WHERE {identity} IN (SELECT value FROM json_each(?)) {rest}",  # noqa: S608 - as above
        (json.dumps(list(wanted)),),
    )
