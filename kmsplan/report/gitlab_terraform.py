"""A plan as GitLab's merge request widget counts it (docs.gitlab.com, "Terraform integration in merge requests")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.counts import counts
from kmsplan.report.document import line

if TYPE_CHECKING:
    from kmsplan.plan.plan import Plan
    from kmsplan.report.scene import Scene


def gitlab_terraform(plan: Plan, _: Scene) -> str:
    """Return the three counts of Terraform's summary line and nothing of the plan: guests may read it."""
    found = counts(plan.changes)
    return line({"create": found.add, "update": found.change, "delete": found.destroy})
