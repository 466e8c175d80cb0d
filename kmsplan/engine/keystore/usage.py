"""Everything that using a key needs, in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine.keystore.instance import InstanceRow
from kmsplan.engine.keystore.key import KeyRow
from kmsplan.engine.keystore.version import VersionRow

if TYPE_CHECKING:
    from kmsplan.engine.keystore.connection import Connection


class Used(NamedTuple):
    """A key, its instance, and the version that is used."""

    key: KeyRow
    instance: InstanceRow
    version: VersionRow | None
    """None where the key has no such version."""


def _columns(table: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


_KEY_END: Final = len(KeyRow._fields)
_INSTANCE_END: Final = _KEY_END + len(InstanceRow._fields)
_VERSION_END: Final = len(VersionRow._fields) - 2
_LOAD: Final = f"""
SELECT {_columns("k", KeyRow._fields)}, {_columns("i", InstanceRow._fields)},
  {_columns("v", VersionRow._fields[:_VERSION_END])}, {_columns("m", VersionRow._fields[_VERSION_END:])}
FROM key AS k JOIN instance AS i USING (instance_id)
LEFT JOIN key_version AS v
  ON v.key_id = k.key_id AND v.version_id = coalesce(?, k.primary_version) AND v.status = 'ready'
LEFT JOIN material AS m ON m.version = v.id
WHERE k.key_id = ?
"""  # noqa: S608 - our own names


def load(db: Connection, key_id: str, version_id: str | None) -> Used | None:
    """Return a key with a version, the primary one unless another is named; None where there is no such key."""
    row = db.execute(_LOAD, (version_id, key_id)).fetchone()
    if row is None:
        return None
    version = VersionRow(*row[_INSTANCE_END:]) if row[_INSTANCE_END] is not None else None
    return Used(KeyRow(*row[:_KEY_END]), InstanceRow(*row[_KEY_END:_INSTANCE_END]), version)
