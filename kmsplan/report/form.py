"""Every report in every form: one row, one renderer, one file; a renderer is imported when its report is wanted."""

from __future__ import annotations

import importlib
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.report.scene import Scene


class Subject(StrEnum):
    """What a report is about."""

    PLAN = "plan"
    """A `plan.plan.Plan`."""
    DRIFT = "drift"
    """A `drift.report.DriftReport`."""
    OUTCOME = "outcome"
    """An `apply.outcome.Outcome`."""
    POLICY = "policy"
    """A `policy.report.PolicyReport`."""


RENDERERS: Final[Mapping[Subject, Mapping[str, str]]] = MappingProxyType(
    {
        Subject.PLAN: MappingProxyType({"text": "plan_text", "json": "plan_json"}),
        Subject.DRIFT: MappingProxyType({"text": "drift_text", "json": "drift_json"}),
        Subject.OUTCOME: MappingProxyType({"text": "outcome_text"}),
    }
)
"""By subject, then form: the renderer, a function `(value, scene) -> text` in the module of its name."""


def forms(subject: Subject) -> tuple[str, ...]:
    """Return the forms in which a subject can be had."""
    return tuple(RENDERERS[subject])


def render(subject: Subject, form: str, value: Any, scene: Scene) -> str:
    """Return a report; it ends in one newline.

    Raises:
        KeyError: the subject cannot be had in this form.
    """
    name = RENDERERS[subject][form]
    renderer = getattr(importlib.import_module(f"kmsplan.report.{name}"), name)
    return str(renderer(value, scene))
