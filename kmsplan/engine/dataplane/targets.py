"""Keys that were used lately, so that using them again asks the database nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kmsplan.engine.dataplane.target import Target

TARGETS: Final = 10_000
"""Names that are remembered; when there are more, all are forgotten and those still in use come back."""


class Targets:
    """What names mean, by name and version."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None], Target] = {}

    def get(self, name: str, version: str | None) -> Target | None:
        """Return what a name meant when it was looked up; the transaction of its use checks whether it still does."""
        return self._found.get((name, version))

    def put(self, name: str, version: str | None, target: Target) -> None:
        """Remember what a name means."""
        if len(self._found) >= TARGETS:
            self._found.clear()
        self._found[name, version] = target

    def drop(self, name: str, version: str | None) -> None:
        """Forget what a name meant."""
        self._found.pop((name, version), None)

    def clear(self) -> None:
        """Forget all."""
        self._found.clear()
