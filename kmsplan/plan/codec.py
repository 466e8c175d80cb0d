"""Plans to JSON values and back, less what is unchanged: type casts, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.kms.operation import name_of
from kmsplan.kms.wire import from_parameters, parameters
from kmsplan.plan.plan import Action, Blast, Change, Drift, DriftedAttribute, Plan, Reason, Violation
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect, Status, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = (
    "lineage",
    "serial",
    "environment",
    "config_digest",
    "complete",
    "destroy",
    "allow_delete",
    "allow_mass",
    "keys",
)
_LISTS = ("allow_in_use", "allow_release", "targets", "excludes")
_CHANGE_PLAIN = ("address", "identity", "before", "after", "blocked", "digest", "tests", "moved_from", "note")
_CHANGE_LISTS = ("attributes", "unknown", "depends_on")


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as a JSON value."""
    return {
        **{name: getattr(plan, name) for name in _PLAIN},
        **{name: list(getattr(plan, name)) for name in _LISTS},
        "variables": dict(plan.variables),
        "changes": [_change_to_json(change) for change in plan.changes],
        "drift": [_drift_to_json(drift) for drift in plan.drift],
        "violations": [_fields(violation) for violation in plan.violations],
    }


def plan_from_json(value: Mapping[str, Any]) -> Plan:
    """Read what `plan_to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it did not write this.
    """
    plain: dict[str, Any] = {name: value[name] for name in _PLAIN}
    listed: dict[str, Any] = {name: tuple(value[name]) for name in _LISTS}
    return Plan(
        **plain,
        **listed,
        variables=value["variables"],
        changes=tuple(_change_from_json(change) for change in value["changes"]),
        drift=tuple(_drift_from_json(drift) for drift in value["drift"]),
        violations=tuple(Violation(**violation) for violation in value["violations"]),
    )


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in type(value).__slots__}


def _change_to_json(change: Change) -> dict[str, Any]:
    said = {name: getattr(change, name) for name in _CHANGE_PLAIN}
    listed = {name: list(getattr(change, name)) for name in _CHANGE_LISTS}
    return {
        "action": change.action.value,
        "reason": change.reason.value,
        **{name: value for name, value in said.items() if value is not None},
        **{name: value for name, value in listed.items() if value},
        **({"steps": [_step_to_json(step) for step in change.steps]} if change.steps else {}),
        **({"effect": _effect_to_json(change.effect)} if change.effect is not None else {}),
        **({"blast": _blast_to_json(change.blast)} if change.blast is not None else {}),
    }


def _change_from_json(value: Mapping[str, Any]) -> Change:
    plain: dict[str, Any] = {name: value[name] for name in _CHANGE_PLAIN if name in value}
    listed: dict[str, Any] = {name: tuple(value[name]) for name in _CHANGE_LISTS if name in value}
    return Change(
        action=Action(value["action"]),
        reason=Reason(value["reason"]),
        **plain,
        **listed,
        steps=tuple(_step_from_json(step) for step in value.get("steps", ())),
        effect=_effect_from_json(value["effect"]) if "effect" in value else None,
        blast=_blast_from_json(value["blast"]) if "blast" in value else None,
    )


def _blast_to_json(blast: Blast) -> dict[str, Any]:
    said = {name: value for name, value in _fields(blast).items() if value not in (None, ())}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def _blast_from_json(value: Mapping[str, Any]) -> Blast:
    said: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}
    return Blast(**said)


def _step_to_json(step: Step) -> dict[str, Any]:
    return {
        "operation": name_of(step.operation),
        "parameters": parameters(step.operation),
        "effect": _effect_to_json(step.effect),
    }


def _step_from_json(value: Mapping[str, Any]) -> Step:
    return Step(
        operation=from_parameters(value["operation"], value["parameters"]),
        effect=_effect_from_json(value["effect"]),
    )


def _effect_to_json(effect: Effect) -> dict[str, Any]:
    return {
        "attributes": dict(effect.attributes),
        **({"status": effect.status.value} if effect.status else {}),
        **({"removes": True} if effect.removes else {}),
        **({"retires": effect.retires} if effect.retires else {}),
    }


def _effect_from_json(value: Mapping[str, Any]) -> Effect:
    return Effect(
        attributes=value["attributes"],
        status=Status(value["status"]) if "status" in value else None,
        removes=value.get("removes", False),
        retires=Address(value["retires"]) if "retires" in value else None,
    )


def _drift_to_json(drift: Drift) -> dict[str, Any]:
    return {**_fields(drift), "attributes": [_fields(attribute) for attribute in drift.attributes]}


def _drift_from_json(value: Mapping[str, Any]) -> Drift:
    attributes = tuple(DriftedAttribute(**attribute) for attribute in value["attributes"])
    return Drift(**{**value, "attributes": attributes})
