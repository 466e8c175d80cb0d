"""Whoever looks on while a KMS is read."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Watch(Protocol):
    """Hears how far a reading is; called from several threads."""

    def reading(self) -> AbstractContextManager[object]:
        """Everything is read inside of this."""

    def progress(self, done: int, total: int) -> None:
        """So many objects of one kind are read."""

    def retried(self, action: str, code: str, seconds: float) -> None:
        """A call has failed with this code, and is tried again after so many seconds."""


class Unwatched:
    """Nobody looks on."""

    def reading(self) -> AbstractContextManager[object]:
        """Do nothing about it."""
        return contextlib.nullcontext()

    def progress(self, done: int, total: int) -> None:
        """Tell nobody."""

    def retried(self, action: str, code: str, seconds: float) -> None:
        """Tell nobody."""
