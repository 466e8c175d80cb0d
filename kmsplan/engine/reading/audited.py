"""The audit trail as methods of the engine: for whoever has its folder, and no part of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.engine import audit
from kmsplan.engine.facet import Facet
from kmsplan.engine.keystore import setting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from kmsplan.engine.verification import Verified


class Audited(Facet):
    """What reads and checks the trail."""

    __slots__ = ()

    def audit_entries(self) -> Iterator[dict[str, Any]]:
        """Yield the audit trail, oldest entry first; one moment's trail, however long it takes.

        What a served engine has answered in the last moment is in it only where the engine was opened for writing.
        """
        self._core.store.fold()
        with self._core.store.read() as db:
            yield from audit.entries(db)

    def audit_waits(self) -> bool:
        """Return whether a served engine has answered what is not in the trail yet."""
        return self._core.store.waiting()

    def audit_newest(self, actions: Collection[str], limit: int) -> Iterator[dict[str, Any]]:
        """Yield successful calls of these actions from among the newest `limit` entries, the newest first."""
        with self._core.store.read() as db:
            yield from audit.newest(db, actions, limit)

    def audit_verify(self) -> Verified:
        """Check the whole audit trail; of the last moment's entries see `audit_entries`.

        Raises:
            AuditError: it was changed; names the first entry that is wrong.
            OSError: the checkpoint's file cannot be read.
        """
        from kmsplan.engine import checkpoint, verification  # noqa: PLC0415 - imports cryptography; planning does not need it

        self._core.store.fold()
        newest = checkpoint.look(self._core.folder)
        with self._core.store.read() as db:
            public_key = setting.load(db, "audit_public_key") or b""
            return verification.verify(db, self._core.folder, newest, public_key)
