"""`kmsplan plan`: what apply would do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli import kms
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.lazy import LazyGroup
from kmsplan.cli.options import Planning, destroy_option, planning_options
from kmsplan.cli.planning import due_of, make, note_of_rules, observe, plan_options, reading, warn_of_doubts
from kmsplan.cli.reporting import TEXT, Reports, report_options, scene_of
from kmsplan.cli.session import Session, entropy, pass_session
from kmsplan.report.form import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.cli.planning import Reading
    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.plan import Plan
    from kmsplan.policy.report import PolicyReport
    from kmsplan.provider.protocol import Reader
    from kmsplan.state.record import Recorded


_APPROVING: Final = dict.fromkeys(("sign", "verify", "keygen"), "kmsplan.cli.approving")


@click.group(
    cls=LazyGroup, modules=_APPROVING, path="plan", invoke_without_command=True, subcommand_metavar="[COMMAND]"
)
@click.option("-o", "--out", "target", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan for apply.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 where there are changes.")
@report_options(Subject.PLAN)
@destroy_option
@planning_options
@click.pass_context
@pass_session
def plan(
    session: Session,
    ctx: click.Context,
    planning: Planning,
    reports: Reports,
    target: Path | None,
    *,
    detailed_exitcode: bool,
) -> ExitCode:
    """Show what apply would do. Changes nothing; takes no lock.

    To carry out exactly what was shown: kmsplan plan -o FILE, and then kmsplan apply FILE. Where others approve it in
    between: kmsplan plan sign FILE, and kmsplan apply FILE --require-signatures N --trusted SIGNERS.
    """
    if ctx.invoked_subcommand is not None:
        return ExitCode.DONE
    from kmsplan.state.local import new_lineage  # noqa: PLC0415

    configuration = session.configuration(planning.variables, to_apply=not planning.destroy, warned=True)
    store = session.store(configuration)
    named = ""
    found: list[PolicyReport] = []
    made, read = make_plan(session, configuration, planning, store.load(), found.append)
    if target is not None and not made.lineage and not made.violations:
        # A saved plan is bound to one state, so that it is made now; not before it is sure that none was lost.
        made, read = make_plan(session, configuration, planning, store.init(new_lineage(entropy)), found.append)
    if target is not None and made.lineage:
        from kmsplan.plan.planfile import dump_with_digest  # noqa: PLC0415

        made = replace(made, author=kms.actor())
        content, named = dump_with_digest(made)
        session.write(target, content)
    due = due_of(configuration, read) if reports.dated else ()
    reports.deliver(session, made, scene_of(session, configuration, made.environment, due))
    for report in found[-1:]:
        note_of_rules(session, report)
    people = reports.form == TEXT and reports.output is None
    if made.applyable and people:
        from kmsplan.plan.planfile import digest  # noqa: PLC0415

        session.say(f"Digest: sha256:{named or digest(made)}")
    if target is not None and people and not made.violations:
        session.hint(f"Saved the plan to {target}. To carry out exactly this: kmsplan apply {target}")
    return exit_code(made, detailed=detailed_exitcode)


def make_plan(
    session: Session,
    configuration: Configuration,
    planning: Planning,
    recorded: Recorded,
    judged: Callable[[PolicyReport], None] = lambda _: None,
) -> tuple[Plan, Reading]:
    """Read the KMS, or where that is not wanted trust the state, and plan; say what was read, too.

    `judged` hears what the policy says of the plan.
    """
    with reading(session, configuration) as reader:
        if not planning.refresh:
            from kmsplan.provider.recorded import RecordedReader  # noqa: PLC0415

            session.note("The KMS is not read: this plan trusts the state.")
            source: Reader = RecordedReader(recorded, reader.offer)
            read = observe(source, configuration, recorded)
        else:
            source, read = reader, observe(reader, configuration, recorded)
        warn_of_doubts(session, read)
        with session.phase("Planning", total=len(configuration.desired)):
            return make(configuration, read, source, plan_options(planning), judged), read


def show_plan(session: Session, made: Plan) -> None:
    """Print a plan for people."""
    session.print(session.render(Subject.PLAN, TEXT, made, scene_of(session, None, made.environment)))


def exit_code(made: Plan, *, detailed: bool) -> ExitCode:
    """Return what a plan means to a pipeline.

    Rules that nothing releases refuse the plan; brakes do not: they stop the apply, and the plan says so. What could
    not be read is an error, because nobody knows whether it is as it should be; what only has to wait is a change.
    """
    from kmsplan.plan.plan import Reason  # noqa: PLC0415

    if any(not violation.brake for violation in made.violations):
        return ExitCode.REFUSED
    if any(change.reason is Reason.UNREADABLE for change in made.blocked):
        return ExitCode.ERROR
    return ExitCode.CHANGES if detailed and not made.empty else ExitCode.DONE
