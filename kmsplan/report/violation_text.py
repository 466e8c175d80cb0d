"""A broken rule for people: what, where, why, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.plan.plan import Violation
    from kmsplan.report.style import Style


def violation_text(violation: Violation, style: Style) -> Iterator[str]:
    """Yield the lines of one violation or brake."""
    yield f"{style.error('Error:')} {style.bold(violation.summary)} ({violation.code})"
    place = [part for part in (violation.where, violation.address) if part]
    if place:
        yield f"  on {escape(', '.join(place))}"
    yield f"  {escape(violation.detail)}"
