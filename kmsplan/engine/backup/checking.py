"""Whether a keystore that was filled from a backup is whole: its audit trail, its keyring, and all that this opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine import verification
from kmsplan.engine.access.lookup import binding as access_binding
from kmsplan.engine.error import BackupError
from kmsplan.engine.keyring import Binding
from kmsplan.engine.keystore import accesskey as access_keys
from kmsplan.engine.keystore import setting
from kmsplan.engine.material import public_binding
from kmsplan.engine.unsealing import AUDIT_PUBLIC_KEY, keyring_under

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.engine.keyring import Keyring
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.kms.secret import SecretBytes

_PAGE: Final = 1000
_VERSIONS: Final = f"""
SELECT v.id, v.key_id, v.version_id, k.spec, k.usage, v.generation, v.public_key, m.term, m.wrapped
FROM key_version AS v JOIN key AS k ON k.key_id = v.key_id LEFT JOIN material AS m ON m.version = v.id
WHERE v.id > ? ORDER BY v.id LIMIT {_PAGE}
"""  # noqa: S608 - our own number
_IN_HSM: Final = """
SELECT i.module, i.token, count(*) FROM key AS k JOIN instance AS i ON i.instance_id = k.instance_id
WHERE i.module IS NOT NULL GROUP BY i.module, i.token ORDER BY i.module, i.token
"""
_COUNTED: Final = ("instance", "key", "key_version", "alias", "access_key", "audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An HSM that holds keys of the engine: they are not in the backup."""

    module: str
    token: str
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is in a backup that was found whole."""

    engine_id: str
    made: str
    rows: dict[str, int]
    """By table."""
    opened: int
    """Key versions whose material was opened; none where the root key was not at hand."""
    sealed_by: Mapping[str, str] | None
    """Module and token of the HSM that sealed the root key, which is not in the backup then; else None."""
    hardware: tuple[Token, ...]


def check_keyring(db: Connection, engine_id: str, root: SecretBytes) -> int:
    """Open the keyring and all that it wraps for keys and callers; return how many materials that were.

    Raises:
        MaterialCorruptError, AuditError: something does not open, or is not what it was.
    """

    def none_needed(_: int) -> bytes:
        raise AssertionError("opening takes no randomness")

    keyring, _ = keyring_under(root, engine_id, setting.load_all(db), setting.terms(db), none_needed)
    for row in access_keys.load_all(db):
        keyring.unbox(access_binding(row), row.secret)
    return sum(_open(keyring, *row) for row in _versions(db))


def _versions(db: Connection) -> Iterator[tuple[Any, ...]]:
    last = 0
    while page := db.execute(_VERSIONS, (last,)).fetchall():
        last = page[-1][0]
        yield from (row[1:] for row in page)


def _open(
    keyring: Keyring,
    key_id: str,
    version_id: str,
    spec: str,
    usage: str,
    generation: int,
    public_key: bytes | None,
    term: int | None,
    wrapped: bytes | None,
) -> bool:
    """Open what is wrapped of a version; return whether its material is."""
    binding = Binding("material", version_id, key_id, version_id, spec, usage, generation)
    if public_key is not None:
        keyring.unbox(public_binding(binding), public_key)
    if term is None or wrapped is None:
        return False
    keyring.unwrap(binding, term, wrapped)
    return True


def check_trail(db: Connection) -> None:
    """Check the audit trail.

    Raises:
        AuditError: it was changed.
    """
    verification.verify_database(db, setting.load(db, AUDIT_PUBLIC_KEY) or b"")


def check_identity(db: Connection, engine_id: object) -> None:
    """Check that the content is the engine's that the head names.

    Raises:
        BackupError: it is another's.
    """
    found = setting.load(db, "engine_id")
    if found is None or found.decode() != engine_id:
        raise BackupError("the backup holds another engine than its head says")


def tokens(db: Connection) -> tuple[Token, ...]:
    """Return the HSMs that hold keys of the engine."""
    return tuple(Token(module=module, token=token, keys=keys) for module, token, keys in db.execute(_IN_HSM))


def counted(rows: dict[str, int]) -> dict[str, int]:
    """Return the counts that people want to compare."""
    return {name: rows.get(name, 0) for name in _COUNTED}
