"""`kmsplan apply` and `kmsplan destroy`: carry a plan out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kmsplan.cli import kms
from kmsplan.cli.applying import Decision, refuse_changed_variables, saved_configuration
from kmsplan.cli.approval import (
    Approval,
    Review,
    digest_option,
    refuse_other_digest,
    refuse_unsigned,
    review_options,
)
from kmsplan.cli.asking import approve
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Planning, destroy_option, json_option, planning_options
from kmsplan.cli.plan import show_plan
from kmsplan.cli.planning import make, observe, plan_options, reading
from kmsplan.cli.progress import Listener, listener
from kmsplan.cli.reporting import Reports, report_options, scene_of
from kmsplan.cli.saved import saved_plan
from kmsplan.cli.session import Session, entropy, now, pass_session
from kmsplan.cli.signals import stopping
from kmsplan.report.form import Subject

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kmsplan.apply.outcome import Outcome
    from kmsplan.apply.run import Applied
    from kmsplan.apply.stop import StopSignal
    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.plan import Plan
    from kmsplan.provider.protocol import Provider


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what apply and destroy share."""
    for option in (
        planning_options,
        json_option,
        report_options(Subject.OUTCOME, printed=False),
        click.option(
            "--lock-timeout", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Wait for the lock."
        ),
        click.option(
            "--parallelism", type=click.IntRange(1, 64), default=10, help="Changes under way at once.  [default: 10]"
        ),
        click.option(
            "--on-error",
            type=click.Choice(["stop", "revert"]),
            default="stop",
            help="Where a change fails: stop what depends on it, or undo what this run did.  [default: stop]",
        ),
        click.option("--auto-approve", is_flag=True, help="Do not ask."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@destroy_option
@_options
@review_options
@digest_option
@pass_session
def apply(session: Session, planning: Planning, planfile: Path | None, review: Review, **how: Any) -> int:
    """Carry out the plan saved in PLANFILE, exactly; or plan, show, ask, and carry that out.

    With --digest it plans anew, and carries that out without asking if it is the plan that was reviewed.
    """
    operation = "destroy" if planning.destroy else "apply"
    with listener(session.terminal, as_json=how["as_json"], clock=now, operation=operation) as heard:
        if planfile is None:
            configuration = session.configuration(planning.variables, to_apply=not planning.destroy, warned=True)
            refuse_unsigned(review.policies(configuration))
            return _Run(session, heard, configuration, planning, **how).fresh(review.digest)
        saved = saved_plan(planfile)
        refuse_other_digest(saved, review.digest)
        refuse_changed_variables(planning, saved)
        configuration = saved_configuration(session, saved)
        approval = Approval(planfile, saved, review.policies(configuration))
        return _Run(session, heard, configuration, planning, **how).saved(saved, approval)


@click.command()
@_options
@pass_session
def destroy(session: Session, planning: Planning, **how: Any) -> int:
    """End everything that is recorded: apply --destroy. Keys are scheduled for deletion, not destroyed at once."""
    planning = replace(planning, destroy=True)
    with listener(session.terminal, as_json=how["as_json"], clock=now, operation="destroy") as heard:
        configuration = session.configuration(planning.variables, warned=True)
        refuse_unsigned(Review().policies(configuration))
        return _Run(session, heard, configuration, planning, **how).fresh()


class _Run:
    """One apply of the command line."""

    def __init__(
        self,
        session: Session,
        heard: Listener,
        configuration: Configuration,
        planning: Planning,
        *,
        auto_approve: bool,
        parallelism: int,
        lock_timeout: float,
        on_error: str,
        as_json: bool,
        reports: Reports,
    ) -> None:
        self._session = session
        self._heard = heard
        self._configuration = configuration
        self._planning = planning
        self._auto_approve = auto_approve
        self._parallelism = parallelism
        self._lock_timeout = lock_timeout
        self._on_error = on_error
        self._as_json = as_json
        self._reports = reports

    def fresh(self, reviewed: str | None = None) -> int:
        """Plan; show and ask unless that is waived, or the plan's digest says that it was reviewed; carry out."""
        if self._auto_approve or reviewed is not None:
            options = plan_options(self._planning)
            return self._apply(Decision(self._configuration, options, shown=None, reviewed=reviewed))
        if self._as_json:
            raise UserError(
                "--json has nobody to ask",
                "Give a saved plan, or --auto-approve.",
                ExitCode.APPROVAL_MISSING,
            )
        made = self._preview()
        if made.empty or made.violations:
            return self._apply(Decision(self._configuration, plan_options(self._planning), shown=made))
        self._ask()
        return self._apply(Decision(self._configuration, plan_options(self._planning), shown=made))

    def saved(self, plan: Plan, approval: Approval) -> int:
        """Carry out a saved plan or refuse."""
        approval.require()  # before anything is opened or waited for; what counts is what it says under the lock
        options = plan_options(self._planning)
        return self._apply(Decision(self._configuration, options, shown=None, saved=plan, approve=approval.require))

    def _preview(self) -> Plan:
        recorded = self._session.store(self._configuration).load()
        with reading(self._session, self._configuration) as reader:
            read = observe(reader, self._configuration, recorded)
            with self._session.phase("Planning", total=len(self._configuration.desired)):
                made = make(self._configuration, read, reader, plan_options(self._planning))
        show_plan(self._session, made)
        return made

    def _ask(self) -> None:
        question = "There is no undo." if self._planning.destroy else "kmsplan will do what is shown above."
        otherwise = "Give --auto-approve, or save the plan with kmsplan plan -o FILE and apply that file."
        approve(self._session, "apply", question, otherwise=otherwise)

    def _apply(self, decision: Decision) -> int:
        session, heard = self._session, self._heard
        with stopping(session.note, heard.cut_off) as stop:
            decision.announce = self._announcing(heard, decision)
            applied = self._carry_out(decision, heard, stop)
            if applied.unwitnessed is not None:
                from kmsplan.cli.witnessing import untold  # noqa: PLC0415

                heard.warn(untold(applied.recorded.serial, applied.unwitnessed))
            untold_end = self._end(applied.outcome)
        written = self._report(applied)
        from kmsplan.apply.outcome import exit_code  # noqa: PLC0415

        code = exit_code(applied.outcome)
        failure = applied.outcome.report_failure or untold_end
        if failure is not None and not code:  # what is not complete was told on standard error
            self._tell_complete(applied.outcome, failure)
            raise failure
        return code or (ExitCode.DONE if written else ExitCode.ERROR)

    def _end(self, outcome: Outcome) -> OSError | None:
        """Tell the end; return why it could not be told. Reports and the exit code tell it all the same."""
        try:
            self._heard.ended(outcome)
        except OSError as error:
            return error
        return None

    def _tell_complete(self, outcome: Outcome, failure: Exception) -> None:
        """Say on standard error that all is done, unless whoever read standard output has just gone."""
        from kmsplan.report.outcome_text import outcome_text  # noqa: PLC0415 - rarely wanted
        from kmsplan.report.scene import Scene  # noqa: PLC0415 - as above

        if not isinstance(failure, BrokenPipeError):
            self._session.warn(outcome_text(outcome, Scene()).rstrip("\n"))

    def _report(self, applied: Applied) -> bool:
        """Write the reports, and return whether all could be; how the apply ended says more than one that could not."""
        environment = applied.recorded.environment
        try:
            self._reports.keep(
                self._session, applied.outcome, scene_of(self._session, self._configuration, environment)
            )
        except UserError as error:
            self._session.warn(f"Error: {error}\n{error.remedy}")
            return False
        return True

    def _announcing(self, heard: Listener, decision: Decision) -> Callable[[Plan], None]:
        def announce(plan: Plan) -> None:
            """Show what nobody has seen yet, and whatever holds it back."""
            if self._as_json:
                heard.planned(plan)
            elif decision.shown is None and (decision.saved is None or plan.violations):
                show_plan(self._session, plan)
            heard.expect(len(plan.effective))

        return announce

    def _carry_out(self, decision: Decision, heard: Listener, stop: StopSignal) -> Applied:
        from kmsplan.apply.run import Settings, Surroundings, apply  # noqa: PLC0415
        from kmsplan.plan.planfile import digest  # noqa: PLC0415

        session, configuration = self._session, self._configuration
        importing = kms.importing(session, configuration)
        decision.require = importing.require
        settings = Settings(
            owner=kms.actor(),
            command="destroy" if self._planning.destroy else "apply",
            parallelism=self._parallelism,
            revert=self._on_error == "revert",
            lock_timeout=self._lock_timeout,
            identities=[block.identity for block in configuration.imports],
        )

        def connect() -> Provider:
            session.trace("lock: taken")
            return kms.provider(session, configuration, importing)

        around = Surroundings(
            connect=connect,
            decide=decision.decide,
            digest=digest,
            events=heard.event,
            waiting=session.waiting,
            clock=now,
            entropy=entropy,
            sleep=stop.wait,
            stop=stop,
        )
        return apply(session.store(configuration), settings, around)
