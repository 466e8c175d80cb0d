"""Showing how far the reading of a KMS is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.cli.meter import Meter
    from kmsplan.cli.session import Session


class Watching:
    """A `provider.watch.Watch` that tells the terminal."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._meter: Meter | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Show a meter."""
        with self._session.phase("Reading the KMS") as self._meter:
            yield
        self._meter = None

    def progress(self, done: int, total: int) -> None:
        """Move the meter."""
        if self._meter is not None:
            self._meter.tell(done, total)

    def retried(self, action: str, code: str, seconds: float) -> None:
        """Say it with --verbose."""
        self._session.trace(f"KMS: {action} failed with {code}; again in {seconds:.1f} s")
