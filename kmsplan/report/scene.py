"""What a report says beside its subject; the command line knows it, and renderers only look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kmsplan.report.style import Style

if TYPE_CHECKING:
    from kmsplan.config.diagnostic import Span
    from kmsplan.inventory.due import Due
    from kmsplan.resource.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where and when a report is made, and how it may look."""

    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """Aware: when the KMS was read."""
    style: Style = field(default_factory=Style)
    """Of text for people on a terminal."""
    columns: int | None = None
    """How wide that terminal is; None where nothing limits the width, as in a file."""
    environment: str = ""
    """Which KMS it is about."""
    places: Mapping[Address, Span] = field(default_factory=dict)
    """Where each object is declared; paths are relative to the configuration folder."""
    parents: Mapping[Address, Address] = field(default_factory=dict)
    """What each declared object is in: a key in its instance, an alias at its key."""
    due: tuple[Due, ...] = ()
    """Sorted by time: the dates that somebody has to know; () where nobody looked."""
    folder: str = ""
    """The configuration folder as seen from where the command runs, with `/`; "" where they are the same."""

    def path(self, span: Span) -> str:
        """Return a declaration's file as seen from where the command runs, which in CI is the repository's top."""
        return f"{self.folder}/{span.filename}" if self.folder else span.filename
