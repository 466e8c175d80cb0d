"""The objects of one state beside its head: snapshots, journals, and pieces of the journal under way.

Each is written once, under a name of its own, and counts only where the head names it. A snapshot and the journal that
led to it share a name; another key for either is another name for both.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kmsplan.state.recoding import Recoding
    from kmsplan.state.shared.bucket import Bucket
    from kmsplan.state.shared.head import Head

_SNAPSHOT: Final = "state.json"
_JOURNAL: Final = "journal.jsonl"
_OURS: Final = re.compile(r"[0-9a-f]{16}\.(?:state\.json|journal\.jsonl)|[0-9]+-[0-9a-f]{16}\.part")


class Parts:
    """Objects under `KEY.d/`.

    Args:
        bucket: where they are.
        key: the state's.
        name: of the state's place, for messages.
    """

    def __init__(self, bucket: Bucket, key: str, name: str) -> None:
        self._bucket = bucket
        self._prefix = f"{key}.d/"
        self._name = name

    def keep(self, snapshot: bytes | None, journal: bytes | None = None) -> str:
        """Write a snapshot, and the journal that led to it, where there is one; return the version that names both.

        Raises:
            StateAccessError: the store cannot be reached or refuses.
        """
        version = secrets.token_hex(8)
        for kind, content in ((_SNAPSHOT, snapshot), (_JOURNAL, journal)):
            if content is not None:
                self._bucket.put(self._at(version, kind), content)
        return version

    def spill(self, fence: int, lines: bytes) -> str:
        """Write a piece of the journal under way; return its name."""
        name = f"{self._prefix}{fence}-{secrets.token_hex(8)}.part"
        self._bucket.put(name, lines)
        return name

    def snapshot(self, version: str | None, size: int | None = None) -> bytes | None:
        """Return a version's snapshot, or its first `size` bytes; None where there is none."""
        return self._get(version, _SNAPSHOT, size)

    def journal(self, version: str | None) -> bytes | None:
        """Return the journal that led to a version; None where there is none."""
        return self._get(version, _JOURNAL)

    def recoded(self, version: str, recoding: Recoding, what: str) -> str:
        """Put a version through a recoding; return the version that takes its place, or the same one.

        Args:
            version: of a snapshot that may be gone: the oldest ones may be deleted.
            recoding: gets both of its objects.
            what: it is, for messages.
        """
        snapshot, journal = found = self.snapshot(version), self.journal(version)
        after = (
            snapshot and recoding.snapshot(snapshot, Path(f"{self._name}: {what}")),
            journal and recoding.journal(journal, Path(f"{self._name}: the journal that led to {what}")),
        )
        return version if after == found else self.keep(*after)

    def listed(self) -> list[str]:
        """Return the names of all objects that are, or once were, parts of this state."""
        start = len(self._prefix)
        return [name for name in self._bucket.names(self._prefix) if _OURS.fullmatch(name, start)]

    def named(self, head: Head) -> set[str]:
        """Return the names of all objects that a head names."""
        versions = [version for _, version in head.past] + ([head.version] if head.version else [])
        return {*head.segments, *(self._at(version, kind) for version in versions for kind in (_SNAPSHOT, _JOURNAL))}

    def _at(self, version: str, kind: str) -> str:
        return f"{self._prefix}{version}.{kind}"

    def _get(self, version: str | None, kind: str, size: int | None = None) -> bytes | None:
        found = self._bucket.get(self._at(version, kind), size=size) if version is not None else None
        return found.content if found is not None else None
