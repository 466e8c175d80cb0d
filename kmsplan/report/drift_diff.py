"""Drift as `diff` blocks show it in colour, the sign in the first column."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kmsplan.report.drift_text import drift_blocks, finding_lines
from kmsplan.report.plan_diff import signed
from kmsplan.report.style import Style

if TYPE_CHECKING:
    from kmsplan.drift.report import Finding
    from kmsplan.plan.plan import Drift
    from kmsplan.report.scene import Scene

_PLAIN: Final = Style()


def drift_diff(drift: Drift) -> str:
    """Return the lines of one drifted object, and an empty one."""
    return signed(drift_blocks((drift,), _PLAIN))


def finding_diff(finding: Finding, scene: Scene) -> str:
    """Return the lines of one finding with its verdicts and its cause, and an empty one."""
    return signed(finding_lines(finding, replace(scene, style=_PLAIN)))
