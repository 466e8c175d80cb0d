from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from kmsplan.apply.event import Event, EventKind
from kmsplan.apply.outcome import Outcome, Result, ResultStatus
from kmsplan.apply.settle import Found, Settled
from kmsplan.config.diagnostic import Diagnostic, Severity, Span
from kmsplan.plan.plan import Action, Change, Plan, Reason, Violation
from kmsplan.report.event_json import (
    ended_events,
    error_event,
    event_line,
    planned_events,
    problem_event,
    progress_event,
    summary_event,
    version_event,
)
from kmsplan.report.event_schema import event_schema
from kmsplan.report.outcome_text import outcome_text
from kmsplan.report.scene import Scene
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state.error import StateError
from kmsplan.state.record import Pending

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ORDERS = Address("key.orders")
SCHEMA = event_schema()


PENDING = Pending(
    sequence=1, address=ORDERS, operation="CreateKey", parameters={}, token="t", identity=None, effect=Effect()
)


def result(action: Action = Action.CREATE, status: ResultStatus = ResultStatus.DONE, **said: object) -> Result:
    counted = {"done": 2, "planned": 2, **said}
    return Result(address=ORDERS, action=action, status=status, **counted)  # type: ignore[arg-type]


def outcome(*results: Result, **said: object) -> Outcome:
    return Outcome(results=results, **said)  # type: ignore[arg-type]


def test_a_complete_apply_says_so_in_terraforms_words() -> None:
    done = outcome(result(), result(Action.REPLACE), result(Action.UPDATE), result(Action.DELETE), result(Action.ADOPT))
    assert outcome_text(done, Scene()) == (
        "Apply complete! Resources: 2 added, 1 changed, 1 destroyed.\nAlso: 1 adopted.\n"
    )


def test_what_was_adopted_and_changed_counts_as_both() -> None:
    text = outcome_text(outcome(result(Action.ADOPT), result(Action.ADOPT, adopted_and_changed=True)), Scene())
    assert text == "Apply complete! Resources: 0 added, 1 changed, 0 destroyed.\nAlso: 2 adopted.\n"


def test_what_failed_is_listed_with_its_error_and_what_to_do() -> None:
    failed = result(status=ResultStatus.FAILED, done=1, error="Throttled\x1b (Rejected.Throttling)")
    skipped = result(status=ResultStatus.SKIPPED, done=0, error="key.orders, which it depends on, was not done")
    text = outcome_text(outcome(failed, skipped), Scene())
    assert "create failed: key.orders after 1 of 2 operations\n  Throttled\\x1b (Rejected.Throttling)\n" in text
    assert "create was skipped: key.orders\n" in text
    assert "Apply incomplete. Resources: 0 added, 0 changed, 0 destroyed.\n" in text
    assert "kmsplan apply again" in text


@pytest.mark.parametrize(
    ("status", "words"), [(ResultStatus.CANCELLED, "for the rest"), (ResultStatus.IN_DOUBT, "it asks the KMS")]
)
def test_every_unfinished_end_says_how_to_go_on(status: ResultStatus, words: str) -> None:
    assert words in outcome_text(outcome(result(status=status)), Scene())


def test_operations_of_earlier_runs_that_are_in_doubt_are_named() -> None:
    unsettled = Settled(pending=PENDING, found=Found.IN_DOUBT, note="two objects carry the token")
    text = outcome_text(outcome(result(), unsettled=(unsettled,)), Scene())
    assert "In doubt: CreateKey of key.orders, from an earlier run\n  two objects carry the token\n" in text
    assert "Apply incomplete" in text


def test_a_state_that_could_not_be_written_is_no_complete_apply() -> None:
    text = outcome_text(outcome(result(), error=StateError("disk full", "Make room.")), Scene())
    assert "Error: disk full" in text
    assert "journal" in text
    assert "Apply incomplete" in text


CHANGE = Change(address=ORDERS, action=Action.CREATE, reason=Reason.NEW, after={})


def test_the_stream_begins_with_its_version_and_the_planned_changes() -> None:
    first = json.loads(event_line(version_event(), 1, NOW))
    assert (first["type"], first["seq"], first["@timestamp"]) == ("version", 1, "2026-06-01T12:00:00+00:00")
    plan = Plan(lineage="L", serial=1, environment="e", config_digest="c", changes=(CHANGE,))
    (planned,) = planned_events(plan)
    assert planned["change"]["resource"] == {"addr": "key.orders", "resource_type": "key", "resource_name": "orders"}
    assert (planned["type"], planned["change"]["action"]) == ("planned_change", "create")


@pytest.mark.parametrize(
    ("event", "type_", "level"),
    [
        (Event(kind=EventKind.STARTED, change=CHANGE), "apply_start", "info"),
        (Event(kind=EventKind.RETRYING, change=CHANGE, message="again"), "apply_progress", "warn"),
        (Event(kind=EventKind.FINISHED, change=CHANGE, result=result()), "apply_complete", "info"),
        (
            Event(kind=EventKind.FINISHED, change=CHANGE, result=result(status=ResultStatus.FAILED)),
            "apply_errored",
            "error",
        ),
        (
            Event(kind=EventKind.FINISHED, change=CHANGE, result=result(status=ResultStatus.IN_DOUBT)),
            "apply_errored",
            "error",
        ),
        (
            Event(kind=EventKind.FINISHED, change=CHANGE, result=result(status=ResultStatus.SKIPPED)),
            "apply_skipped",
            "warn",
        ),
    ],
)
def test_every_event_has_its_line(event: Event, type_: str, level: str) -> None:
    text = event_line(progress_event(event), 7, NOW)
    assert text.count("\n") == 1
    line = json.loads(text)
    jsonschema.validate(line, SCHEMA)
    assert (line["type"], line["@level"]) == (type_, level)
    assert line["hook"]["resource"]["addr"] == "key.orders"


def test_the_stream_ends_with_a_summary_even_when_nothing_was_begun() -> None:
    last = summary_event(None)
    assert (last["type"], last["changes"]["add"], last["changes"]["operation"]) == ("change_summary", 0, "apply")


def test_the_summary_counts_what_was_not_done_too() -> None:
    ended = outcome(
        result(), result(Action.DELETE), result(status=ResultStatus.FAILED), result(status=ResultStatus.SKIPPED)
    )
    changes = summary_event(ended)["changes"]
    assert (changes["add"], changes["remove"], changes["done"]) == (1, 1, 2)
    assert (changes["failed"], changes["skipped"], changes["cancelled"], changes["in_doubt"]) == (1, 1, 0, 0)


def test_an_error_outside_of_any_change_is_a_diagnostic() -> None:
    line = error_event("The lock is held", "by somebody")
    assert (line["type"], line["diagnostic"]["summary"]) == ("diagnostic", "The lock is held")


def test_a_problem_of_the_configuration_is_a_diagnostic_with_its_place() -> None:
    span = Span("kmsplan.yaml", 3, 5, 3, 9)
    problem = Diagnostic(code="K205", summary="Odd", detail="It is.", span=span, excerpt="    odd", address="key.a")
    line = problem_event(problem)
    jsonschema.validate(json.loads(event_line(line, 1, NOW)), SCHEMA)
    assert line["diagnostic"]["range"]["start"] == {"line": 3, "column": 5}
    warning = problem_event(Diagnostic(code="K205", summary="Odd", detail="It is.", severity=Severity.WARNING))
    assert (warning["@level"], warning["@message"]) == ("warn", "Warning: Odd")


def test_a_rule_that_refuses_is_a_diagnostic_behind_the_changes() -> None:
    refused = Violation(code="P109", address=ORDERS, summary="Protected", detail="Two steps.")
    plan = Plan(lineage="L", serial=1, environment="e", config_digest="c", changes=(CHANGE,), violations=(refused,))
    _, told = planned_events(plan)
    assert (told["diagnostic"]["code"], told["diagnostic"]["address"]) == ("P109", "key.orders")


def test_what_went_wrong_beside_the_changes_is_told_at_the_end() -> None:
    unsettled = Settled(pending=PENDING, found=Found.IN_DOUBT, note="two objects carry the token")
    ended = outcome(unsettled=(unsettled,), unreverted="an operation is in doubt", error=StateError("disk full", "Go."))
    told = [json.loads(event_line(event, 1, NOW)) for event in ended_events(ended)]
    for line in told:
        jsonschema.validate(line, SCHEMA)
    assert [(line["@level"], line["diagnostic"]["detail"]) for line in told] == [
        ("error", "two objects carry the token"),
        ("warn", "an operation is in doubt"),
        ("error", "Go."),
    ]


def test_the_file_is_what_the_code_makes_and_a_schema() -> None:
    path = Path(__file__).parents[3] / "schemas" / "event.json"
    made = json.dumps(SCHEMA, indent=2) + "\n"
    if os.environ.get("KMSPLAN_UPDATE"):
        path.write_text(made)
    assert path.read_text() == made
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_was_reverted_and_what_stays_is_told_per_address() -> None:
    undone = result(Action.UPDATE, ResultStatus.REVERTED, undone=2)
    failed = result(status=ResultStatus.FAILED, done=1, undone=1, error="no", left="not undone: why")
    kept = result(identity="key-1", left="it was made and stays: undoing that would schedule its deletion")
    text = outcome_text(outcome(undone, failed, kept), Scene())
    assert "update was reverted: key.orders after 2 of 2 operations\n" in text
    assert "  no\n  1 of its operations was undone.\n  not undone: why\n" in text
    assert "create stays: key.orders (key-1): it was made and stays: undoing that would schedule its deletion\n" in text
    assert "Apply incomplete. Resources: 1 added, 0 changed, 0 destroyed.\n" in text


def test_why_nothing_was_reverted_is_told() -> None:
    doubt = outcome(result(status=ResultStatus.IN_DOUBT), unreverted="an operation is in doubt")
    assert "Nothing was reverted: an operation is in doubt.\n" in outcome_text(doubt, Scene())


@pytest.mark.parametrize(("undone", "type_"), [(2, "apply_reverted"), (0, "apply_kept")])
def test_a_way_back_is_an_event_of_its_own(undone: int, type_: str) -> None:
    change = Change(address=ORDERS, action=Action.UPDATE, reason=Reason.CHANGED)
    ended = result(Action.UPDATE, ResultStatus.REVERTED, undone=undone, left=None if undone else "why")
    line = progress_event(Event(kind=EventKind.REVERTED, change=change, result=ended))
    assert (line["type"], line["@level"], line["hook"]["operations"]["undone"]) == (type_, "warn", undone)
    assert line["hook"]["left"] == ended.left
