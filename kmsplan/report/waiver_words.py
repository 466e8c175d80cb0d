"""A waiver in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmsplan.config.configuration import Waiver


def waiver_words(waiver: Waiver | None) -> str:
    """Return who accepts something, until when and why."""
    if waiver is None:
        return "accepted"
    return f"accepted by {waiver.owner} until {waiver.expires.isoformat()}: {waiver.reason}"
