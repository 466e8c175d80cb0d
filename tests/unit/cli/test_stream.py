from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import jsonschema_rs
import pytest

from kmsplan.apply.event import Event, EventKind
from kmsplan.apply.outcome import Outcome, Result, ResultStatus
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.progress import listener
from kmsplan.cli.stream import Stream
from kmsplan.cli.terminal import Terminal
from kmsplan.kms.error import KmsError
from kmsplan.plan.plan import Action, Change, Plan, Reason
from kmsplan.report.event_schema import event_schema
from kmsplan.resource.address import Address
from kmsplan.state.error import StateCorruptError

if TYPE_CHECKING:
    from collections.abc import Callable

    Told = Callable[[], list[dict[str, Any]]]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ORDERS = Address("key.orders")
VALIDATOR = jsonschema_rs.validator_for(event_schema())
CHANGE = Change(address=ORDERS, action=Action.CREATE, reason=Reason.NEW, after={})
DONE = Result(address=ORDERS, action=Action.CREATE, status=ResultStatus.DONE, done=1, planned=1)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Everything that was printed since, each line of it an event as the schema wants it."""

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for line in found:
            VALIDATOR.validate(line)
        return found

    return lines


@pytest.fixture
def stream() -> Stream:
    made = Stream(lambda: NOW, "apply")
    made.begin()
    return made


def test_a_stream_of_many_changes_is_numbered_through(told: Told, stream: Stream) -> None:
    stream.planned(Plan(lineage="L", serial=1, environment="e", config_digest="c", changes=(CHANGE,) * 1200))
    stream.warn("The KMS could not be told.")
    stream.ended(Outcome(results=(DONE,)))
    lines = told()
    assert [line["seq"] for line in lines] == list(range(1, 1204))
    assert [line["type"] for line in lines[-2:]] == ["diagnostic", "change_summary"]
    assert lines[-2]["diagnostic"]["severity"] == "warning"


def test_an_error_after_the_end_adds_nothing(told: Told, stream: Stream) -> None:
    stream.ended(Outcome())
    stream.failed(BrokenPipeError())
    assert told()[-1]["type"] == "change_summary"


def test_an_error_halfway_counts_what_was_done(told: Told, stream: Stream) -> None:
    stream.event(Event(kind=EventKind.STARTED, change=CHANGE))
    stream.event(Event(kind=EventKind.FINISHED, change=CHANGE, result=DONE))
    stream.failed(OSError(28, "No space left on device"))
    assert told()[-1]["changes"]["add"] == 1


@pytest.mark.parametrize(
    ("error", "summary", "detail", "code"),
    [
        (UserError("no", "do this", ExitCode.STALE), "no", "do this", None),
        (StateCorruptError("bad", "mend"), "bad", "mend", "S102"),
        (
            KmsError("Rejected.Disabled", "It is disabled."),
            "It is disabled. (Rejected.Disabled)",
            "",
            "Rejected.Disabled",
        ),
        (click.UsageError("wrong"), "wrong", "", None),
        (KeyboardInterrupt(), "cancelled", "", None),
        (ZeroDivisionError(), "ZeroDivisionError", "", None),
    ],
)
def test_an_error_is_told_with_what_to_do(
    told: Told,
    stream: Stream,
    error: BaseException,
    summary: str,
    detail: str,
    code: str | None,
) -> None:
    stream.failed(error)
    found = told()[-2]["diagnostic"]
    assert (found["summary"], found["detail"], found["code"]) == (summary, detail, code)


@pytest.mark.parametrize("progress", [False, True])
def test_for_people_a_warning_goes_to_standard_error(capsys: pytest.CaptureFixture[str], *, progress: bool) -> None:
    terminal = Terminal(color=False, error_color=False, progress=progress, interactive=True, hints=True)
    with listener(terminal, as_json=False, clock=lambda: NOW, operation="apply") as heard:
        heard.warn("The KMS could not be told.")
        heard.ended(Outcome())
    printed = capsys.readouterr()
    assert printed.err == "The KMS could not be told.\n"
    assert printed.out == "Apply complete! Resources: 0 added, 0 changed, 0 destroyed.\n"
