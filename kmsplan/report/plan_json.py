"""A plan for machines: Terraform's `resource_changes[].change.actions`, and what Terraform has no word for.

The form is `schemas/plan.json`; `kmsplan.plan.schema` makes it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms import operation
from kmsplan.kms.wire import parameters
from kmsplan.plan.plan import Action, Reason
from kmsplan.plan.planfile import digest
from kmsplan.plan.schema import FORMAT_VERSION
from kmsplan.report.counts import counts
from kmsplan.report.document import document
from kmsplan.report.drift_json import drift_entry
from kmsplan.resource.address import kind_of, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.plan.plan import Blast, Change, Plan, Unchanged, Violation
    from kmsplan.report.scene import Scene

ACTIONS: Final[Mapping[Action, tuple[str, ...]]] = MappingProxyType(
    {
        Action.CREATE: ("create",),
        Action.UPDATE: ("update",),
        Action.REPLACE: ("create", "forget"),
        Action.DELETE: ("delete",),
        Action.RESTORE: ("update",),
        Action.ADOPT: ("no-op",),
        Action.FORGET: ("forget",),
        Action.NO_OP: ("no-op",),
    }
)
"""Terraform's words. A predecessor is forgotten at its address, never destroyed."""


def actions_of(change: Change) -> list[str]:
    """Return what becomes of the object in Terraform's words; what is adopted and differs is updated, too."""
    return list(ACTIONS[Action.UPDATE if change.adopts_and_changes else change.action])


def plan_json(plan: Plan, _: Scene) -> str:
    """Return a plan as one JSON document."""
    return document(
        FORMAT_VERSION,
        {
            "lineage": plan.lineage,
            "serial": plan.serial,
            "environment": plan.environment,
            "config_digest": plan.config_digest,
            "digest": digest(plan),
            "author": plan.author or None,
            "applyable": plan.applyable,
            "complete": plan.complete,
            "destroy": plan.destroy,
            "variables": dict(plan.variables),
            "targets": list(plan.targets),
            "excludes": list(plan.excludes),
            "resource_changes": _resource_changes(plan),
            "resource_drift": [drift_entry(drift) for drift in plan.drift],
            "violations": [_violation(violation) for violation in plan.violations],
            "summary": summary(plan),
        },
    )


def summary(plan: Plan) -> dict[str, Any]:
    """Return the counts: Terraform's three, every action's, and what is blocked."""
    found = counts(plan.changes)
    actions = {action.value: found.actions[action] for action in Action}
    actions[Action.NO_OP.value] = len(plan.unchanged) + sum(
        change.action is Action.NO_OP and change.blocked is None for change in plan.changes
    )
    return {
        "add": found.add,
        "change": found.change,
        "destroy": found.destroy,
        "blocked": found.blocked,
        "actions": actions,
    }


def _resource_changes(plan: Plan) -> list[dict[str, Any]]:
    entries = [_change(change) for change in plan.changes]
    entries.extend(_unchanged(one) for one in plan.unchanged)
    entries.sort(key=lambda entry: str(entry["address"]))
    return entries


def _change(change: Change) -> dict[str, Any]:
    return {
        "address": change.address,
        "previous_address": change.moved_from,
        "type": kind_of(change.address),
        "name": name_of(change.address),
        "identity": change.identity,
        "change": {
            "actions": actions_of(change),
            "action": change.action.value,
            "before": change.before,
            "after": change.after,
            "after_unknown": dict.fromkeys(change.unknown, True),
            "attributes": list(change.attributes),
        },
        "action_reason": change.reason.value,
        "operations": [
            {"operation": operation.name_of(step.operation), "parameters": parameters(step.operation)}
            for step in change.steps
        ],
        "depends_on": list(change.depends_on),
        "blocked": change.blocked,
        "note": change.note,
        "tests": change.tests,
        "blast_radius": _blast(change.blast),
    }


def _blast(blast: Blast | None) -> dict[str, Any] | None:
    if blast is None:
        return None
    return {
        "aliases": list(blast.aliases),
        "unmanaged_aliases": list(blast.unmanaged),
        "used_by": list(blast.used_by),
        "last_used": blast.last_used,
        "tracked_since": blast.tracked_since,
        "versions": blast.versions,
        "encryptions": blast.encryptions,
        "holds": list(blast.holds),
    }


def _unchanged(one: Unchanged) -> dict[str, Any]:
    return {
        "address": one.address,
        "previous_address": None,
        "type": kind_of(one.address),
        "name": name_of(one.address),
        "identity": one.identity,
        "change": {
            "actions": ["no-op"],
            "action": Action.NO_OP.value,
            "before": one.attributes,
            "after": one.attributes,
            "after_unknown": {},
            "attributes": [],
        },
        "action_reason": Reason.UNCHANGED.value,
        "operations": [],
        "depends_on": [],
        "blocked": None,
        "note": None,
        "tests": None,
        "blast_radius": None,
    }


def _violation(violation: Violation) -> dict[str, Any]:
    return {
        "code": violation.code,
        "address": violation.address,
        "summary": violation.summary,
        "detail": violation.detail,
        "brake": violation.brake,
        "where": violation.where or None,
    }
