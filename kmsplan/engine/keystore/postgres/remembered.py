"""What a process has seen in a keystore, so that it notices when another one, or an older copy, takes its place.

What it keeps in memory (the keyring, what names mean, how often keys may encrypt) is true of the keystore that it has
worked with, and would be used to the harm of another. So a new session is not used before it shows the audit entry that
was the newest one here. After a restart nothing is remembered, and `audit verify` has the checkpoint in the folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.error import KeystoreCorruptError

if TYPE_CHECKING:
    from kmsplan.engine.keystore.postgres.session import Session

HASH_OF: Final = b"SELECT hash FROM audit WHERE seq = %s"


class Remembered:
    """The newest audit entry that this process knows to be committed. Any thread may use it.

    Args:
        name: what messages call the keystore.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._newest: tuple[int, bytes] | None = None

    def note(self, seq: int, entry_hash: bytes) -> None:
        """Remember an entry that is committed."""
        self._newest = seq, entry_hash

    def require(self, session: Session) -> None:
        """Check that a new session leads to the same keystore.

        Raises:
            KeystoreCorruptError: it leads to another one, or to an older copy.
            psycopg.Error: it cannot be asked.
        """
        if self._newest is None:
            return
        seq, expected = self._newest
        if not holds(session, seq, expected):
            raise KeystoreCorruptError(
                f"the keystore {self._name} is not the one that this process has worked with: its audit entry {seq} is "
                "missing or another one. An older copy or another engine has taken its place. Nothing was changed. If "
                "that is meant, stop all servers for 15 minutes, start them again, and see what is lost: kmsplan "
                "engine audit verify. If not, let the connection string lead to the right server"
            )


def holds(session: Session, seq: int, expected: bytes) -> bool:
    """Return whether an audit entry is committed there; raises psycopg.Error."""
    found = session.connection.execute(HASH_OF, (seq,)).fetchone()
    return found is not None and bytes(found[0]) == expected
