"""`kmsplan policy`: how keys are kept, against rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.lazy import LazyGroup
from kmsplan.cli.options import Planning, Variables, json_option, variable_options
from kmsplan.cli.planning import Reading, make, observe, plan_options, reading
from kmsplan.cli.reporting import Reports, report_options, scene_of
from kmsplan.cli.saved import saved_plan
from kmsplan.cli.session import Session, now, pass_session
from kmsplan.report.form import Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.plan import Plan
    from kmsplan.policy.report import PolicyReport
    from kmsplan.rule.definition import Policy


@click.group(cls=LazyGroup, path="policy")
def policy() -> None:
    """Judge how keys are kept by rules: kmsplan's own packs, and rules of yours.

    What the configuration says under `policy` is judged by every plan and apply, too.
    """


@policy.command()
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@click.option("--observed", "as_observed", is_flag=True, help="Judge what the KMS holds now, whoever manages it.")
@click.option("--offline", is_flag=True, help="Judge what is declared alone; reach no KMS and no state.")
@click.option("--pack", "packs", multiple=True, metavar="PACK", help="Judge by this pack instead of the configuration.")
@report_options(Subject.POLICY)
@variable_options
@pass_session
def check(
    session: Session,
    variables: Variables,
    reports: Reports,
    planfile: Path | None,
    packs: tuple[str, ...],
    *,
    as_observed: bool,
    offline: bool,
) -> ExitCode:
    """Judge what will be once the plan is done, or the plan saved in PLANFILE. Exits with 4 where an error is found.

    For a pull request, without a KMS: kmsplan policy check --offline --report sarif=policy.sarif
    """
    if offline and (as_observed or planfile is not None):
        raise click.UsageError("--offline judges what is declared alone, so neither --observed nor a PLANFILE")
    if as_observed and planfile is not None:
        raise click.UsageError("--observed judges what is there now, which no PLANFILE says")
    saved = saved_plan(planfile) if planfile is not None else None
    configuration = _with_policy(_configuration(session, variables, saved), packs)
    report, environment = _judged(session, configuration, saved, as_observed=as_observed, offline=offline)
    reports.deliver(session, report, scene_of(session, configuration, environment))
    return ExitCode.REFUSED if report.refused else ExitCode.DONE


def _configuration(session: Session, variables: Variables, saved: Plan | None) -> Configuration:
    """Read the configuration; of a saved plan, with the variables that it was made with."""
    if saved is None:
        return session.configuration(variables, to_apply=True)
    from kmsplan.cli.applying import refuse_changed_variables, saved_configuration  # noqa: PLC0415

    refuse_changed_variables(Planning(variables=variables), saved)
    return saved_configuration(session, saved)


def _with_policy(configuration: Configuration, packs: Sequence[str]) -> Configuration:
    """Return the configuration with the policy to judge by.

    Raises:
        UserError: it has none, or there is no such pack.
    """
    from kmsplan.cli.failure import UserError  # noqa: PLC0415

    if packs:
        return replace(configuration, policy=_policy_of(packs))
    if configuration.policy is None:
        raise UserError(
            "the configuration has no policy",
            "Write policy: {packs: [baseline]} into it, or try a pack: kmsplan policy check --pack baseline. "
            "kmsplan policy list shows what there is.",
        )
    return configuration


def _policy_of(names: Sequence[str]) -> Policy:
    from kmsplan.config.packs import packs  # noqa: PLC0415
    from kmsplan.config.policy import policy_of  # noqa: PLC0415
    from kmsplan.config.problems import near  # noqa: PLC0415

    for name in names:
        if name not in packs():
            raise click.UsageError(f"there is no pack {name!r}.{near(name, packs())} Packs: {', '.join(packs())}")
    return policy_of(names)


def _judged(
    session: Session, configuration: Configuration, saved: Plan | None, *, as_observed: bool, offline: bool
) -> tuple[PolicyReport, str]:
    """Return the report, and which KMS was read."""
    from kmsplan.policy.checking import check as judge  # noqa: PLC0415
    from kmsplan.state.record import NO_STATE  # noqa: PLC0415

    if offline:
        return judge(configuration, NO_STATE, None, None, now()), ""
    with reading(session, configuration) as reader:
        read = observe(reader, configuration, session.store(configuration).load())
        plan = saved
        if saved is not None:
            _refuse_stale(saved, configuration, read)
        elif not as_observed:
            options = plan_options(Planning(variables=Variables()))
            plan = make(replace(configuration, policy=None), read, reader, options)
    report = judge(configuration, read.recorded, read.observed, plan, now(), as_observed=as_observed)
    return report, read.observed.environment


def _refuse_stale(saved: Plan, configuration: Configuration, read: Reading) -> None:
    """Refuse a plan that no apply would carry out.

    Raises:
        UserError: something has moved since it was made.
    """
    from kmsplan.cli.failure import UserError  # noqa: PLC0415
    from kmsplan.plan.stale import stale  # noqa: PLC0415

    moved = stale(saved, config_digest=configuration.digest, recorded=read.recorded, observed=read.observed)
    if moved:
        lines = "".join(f"\n  - {line}" for line in moved)
        raise UserError(
            f"the saved plan is stale. Since it was made, this has moved:{lines}",
            "Plan again, and check that plan.",
            ExitCode.STALE,
        )


@policy.command("list")
@json_option
@pass_session
def list_(session: Session, *, as_json: bool) -> None:
    """List kmsplan's packs, and every rule with the packs that have it."""
    from kmsplan.config.packs import catalogue, packs  # noqa: PLC0415

    if as_json:
        from kmsplan.report.rules_json import rules_json  # noqa: PLC0415

        session.print(rules_json(catalogue(), packs()))
        return
    from kmsplan.report.rules_text import rules_text  # noqa: PLC0415
    from kmsplan.report.style import Style  # noqa: PLC0415

    session.print(rules_text(catalogue(), packs(), Style(color=session.terminal.color)))


@policy.command()
@click.argument("rule")
@variable_options
@pass_session
def explain(session: Session, variables: Variables, rule: str) -> None:
    """Explain one RULE: what it asks of whom, what can be set, what it takes after. Yours are found, too."""
    from kmsplan.config.packs import catalogue, packs  # noqa: PLC0415
    from kmsplan.report.rules_text import chosen_text, rule_text  # noqa: PLC0415
    from kmsplan.report.style import Style  # noqa: PLC0415

    style = Style(color=session.terminal.color)
    known = catalogue().get(rule.upper())
    if known is not None:
        session.print(rule_text(known, packs(), style))
        return
    configured = session.configuration(variables).policy
    chosen = {one.definition.id: one for one in configured.rules} if configured else {}
    if rule not in chosen:
        from kmsplan.config.problems import near  # noqa: PLC0415

        raise click.UsageError(f"there is no rule {rule!r}.{near(rule, (*chosen, *catalogue()))}")
    session.print(chosen_text(chosen[rule], style))
