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
    VALIDATION = "validation"
    """A `config.diagnostic.Validation`."""
    INVENTORY = "inventory"
    """An `inventory.item.Inventory`."""
    DUE = "due"
    """An `inventory.due.DueReport`."""


def _remarked(maker: str, *names: str) -> dict[str, str]:
    """Return the rows of forms that write remarks."""
    return {name: f"{maker} | {name.replace('-', '_')}" for name in names}


RENDERERS: Final[Mapping[Subject, Mapping[str, str]]] = MappingProxyType(
    {
        Subject.PLAN: MappingProxyType(
            {
                "text": "plan_text",
                "json": "plan_json",
                "html": "plan_html",
                "markdown": "plan_markdown",
                "junit": "plan_junit",
                **_remarked("plan_remarks", "sarif", "github"),
                "github-summary": "plan_markdown:plan_summary",
                "github-output": "github_output:plan_output",
                "gitlab-terraform": "gitlab_terraform",
                **_remarked("plan_remarks", "gitlab-codequality", "azure"),
            }
        ),
        Subject.DRIFT: MappingProxyType(
            {
                "text": "drift_text",
                "json": "drift_json",
                "html": "drift_html",
                "markdown": "drift_markdown",
                "junit": "drift_junit",
                **_remarked("drift_remarks", "sarif", "github"),
                "github-summary": "drift_markdown:drift_summary",
                "github-output": "github_output:drift_output",
                **_remarked("drift_remarks", "gitlab-codequality", "azure"),
            }
        ),
        Subject.OUTCOME: MappingProxyType(
            {
                "text": "outcome_text",
                "json": "outcome_json",
                "html": "outcome_html",
                "markdown": "outcome_markdown",
                "junit": "outcome_junit",
                **_remarked("outcome_remarks", "github"),
                "github-summary": "outcome_markdown:outcome_summary",
                "github-output": "github_output:outcome_output",
                **_remarked("outcome_remarks", "azure"),
            }
        ),
        Subject.POLICY: MappingProxyType(
            {
                "text": "policy_text",
                "json": "policy_json",
                "html": "policy_html",
                "markdown": "policy_markdown",
                "junit": "policy_junit",
                **_remarked("policy_remarks", "sarif", "github"),
                "github-summary": "policy_markdown:policy_summary",
                "github-output": "github_output:policy_output",
                **_remarked("policy_remarks", "gitlab-codequality", "azure"),
            }
        ),
        Subject.VALIDATION: MappingProxyType(
            {
                "text": "validation_text",
                "json": "validation_json",
                "markdown": "validation_markdown",
                "junit": "validation_junit",
                **_remarked("validation_remarks", "sarif", "github"),
                "github-summary": "validation_markdown:validation_summary",
                "github-output": "github_output:validation_output",
                **_remarked("validation_remarks", "gitlab-codequality", "azure"),
            }
        ),
        Subject.INVENTORY: MappingProxyType(
            {
                "text": "inventory_text",
                "json": "inventory_json",
                "html": "inventory_html",
                "csv": "inventory_csv",
                "cyclonedx": "inventory_cyclonedx",
            }
        ),
        Subject.DUE: MappingProxyType(
            {"text": "due_text", "json": "due_json", "html": "due_html", "icalendar": "due_icalendar"}
        ),
    }
)
"""By subject, then form: the renderer, a function `(value, scene) -> text` in the module of its name, `MODULE:FUNCTION`
where the names differ, or `FIRST | SECOND` where the first one's answer is what the second one writes."""


def forms(subject: Subject) -> tuple[str, ...]:
    """Return the forms in which a subject can be had."""
    return tuple(RENDERERS[subject])


def render(subject: Subject, form: str, value: Any, scene: Scene) -> str:
    """Return a report; it ends in one newline.

    Raises:
        KeyError: the subject cannot be had in this form.
    """
    for step in RENDERERS[subject][form].split(" | "):
        module, _, function = step.partition(":")
        renderer = getattr(importlib.import_module(f"kmsplan.report.{module}"), function or module)
        value = renderer(value, scene)
    return str(value)
