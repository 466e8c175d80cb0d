"""What an import has done, and what it has left to the next plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.block_text import differing, head
from kmsplan.report.escape import escape
from kmsplan.resource.address import kind_of
from kmsplan.resource.step import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.plan.plan import Change
    from kmsplan.report.style import Style


def adopted_text(change: Change, style: Style) -> str:
    """Return what was adopted, and what differs from the configuration."""
    return "".join(f"{line}\n" for line in _lines(change, style))


def _lines(change: Change, style: Style) -> Iterator[str]:
    yield f"{style.bold(escape(change.address))}: adopted ({escape(change.identity or '')})"
    if change.effect is not None and change.effect.status is Status.PENDING_DELETION:
        yield "Its deletion is scheduled, and the configuration wants it: the next plan will restore it."
    if not change.attributes:
        yield "It is as the configuration declares it."
        return
    yield "It differs from the configuration, and the next plan will change it:"
    yield f"  {style.yellow('~')} {head(change.address)} {{"
    kind, size = kind_of(change.address), max(map(len, change.attributes))
    for line in differing(kind, change.before or {}, change.after or {}, change.attributes, style, size):
        yield f"      {line}"
    yield "    }"
