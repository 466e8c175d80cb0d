"""From a configuration to a plan: what plan, apply and drift have in common."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from kmsplan.cli import kms
from kmsplan.cli.session import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.apply.settle import Settled
    from kmsplan.cli.options import Planning
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.inventory.due import Due
    from kmsplan.plan.plan import Drift, Plan, PlanOptions
    from kmsplan.policy.report import PolicyReport
    from kmsplan.provider.protocol import Reader
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded


_FAR: Final = timedelta(days=3660)
"""How far a calendar looks ahead: ten years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Recorded and observed, of one moment; interrupted operations are settled in memory."""

    recorded: Recorded
    observed: Observed
    doubts: tuple[Settled, ...] = ()
    """Interrupted operations of which the KMS does not show whether they were carried out."""


@contextlib.contextmanager
def reading(session: Session, configuration: Configuration) -> Iterator[Reader]:
    """Open the KMS for reading, and close it again."""
    reader = kms.reader(session, configuration)
    try:
        yield reader
    finally:
        reader.close()


def observe(reader: Reader, configuration: Configuration, recorded: Recorded) -> Reading:
    """Read every object that is recorded or to be imported, and settle what an interrupted run left."""
    from kmsplan.apply.settle import Found, fold_settled, observe_settled, settle, wanted  # noqa: PLC0415

    observed = reader.observe((*wanted(recorded), *(block.identity for block in configuration.imports)))
    doubts: tuple[Settled, ...] = ()
    if recorded.pending:
        settled = settle(recorded, observed)
        doubts = tuple(item for item in settled if item.found is Found.IN_DOUBT)
        recorded, observed = fold_settled(recorded, settled), observe_settled(observed, settled)
    return Reading(recorded=recorded, observed=observed, doubts=doubts)


def warn_of_doubts(session: Session, read: Reading) -> None:
    """Name what an interrupted run may or may not have done: neither a plan nor a drift report shows it."""
    if not read.doubts:
        return
    from kmsplan.report.escape import escape  # noqa: PLC0415 - rarely wanted

    for item in read.doubts:
        what = f"{escape(item.pending.operation)} of {escape(item.pending.address)}"
        after = "does nothing before that is cleared up" if item.blocks else "looks it up again"
        session.warn(f"In doubt: {what}, from an earlier run: {escape(item.note)} kmsplan apply {after}.")


def plan_options(planning: Planning) -> PlanOptions:
    """Return what the command line says about a plan."""
    from kmsplan.plan.plan import Allowances, PlanOptions  # noqa: PLC0415

    return PlanOptions(
        now=now(),
        destroy=planning.destroy,
        targets=planning.targets,
        excludes=planning.excludes,
        allowances=Allowances(
            delete=planning.allow_delete or 0,
            mass=planning.allow_mass,
            in_use=planning.allow_in_use,
            release=planning.allow_release,
        ),
        accept_old_state=planning.accept_old_state,
    )


def drift_of(configuration: Configuration, read: Reading) -> tuple[Drift, ...]:
    """Compare recorded and observed."""
    from kmsplan.drift.drift import find_drift  # noqa: PLC0415

    return find_drift(read.recorded, read.observed, configuration.desired, configuration.staged)


def make(
    configuration: Configuration,
    read: Reading,
    reader: Reader,
    options: PlanOptions,
    judged: Callable[[PolicyReport], None] = lambda _: None,
) -> Plan:
    """Make the plan, and judge it by the policy where there is one; `judged` hears what was found."""
    from kmsplan.plan.planner import make_plan  # noqa: PLC0415

    plan = make_plan(
        configuration=configuration,
        recorded=read.recorded,
        observed=read.observed,
        offer=reader.offer,
        options=options,
        drift=drift_of(configuration, read),
    )
    return guarded(plan, configuration, read, options, judged)


def guarded(
    plan: Plan,
    configuration: Configuration,
    read: Reading,
    options: PlanOptions,
    judged: Callable[[PolicyReport], None] = lambda _: None,
) -> Plan:
    """Return the plan with a violation for every rule of the policy that it would leave broken."""
    if configuration.policy is None:
        return plan
    from kmsplan.policy import checking  # noqa: PLC0415 - most configurations have no policy

    return checking.guarded(plan, configuration, read.recorded, read.observed, options.now, judged)


def note_of_rules(session: Session, report: PolicyReport) -> None:
    """Say how many rules are broken that hold no plan back: the plan itself does not show them."""
    from kmsplan.kms.wording import counted  # noqa: PLC0415
    from kmsplan.policy.report import Severity  # noqa: PLC0415

    found = Counter(finding.rule.severity for finding in report.findings)
    told = [counted(found[one], one.value) for one in Severity if one is not Severity.ERROR and found[one]]
    if told:
        session.note(f"Policy: {', '.join(told)}. kmsplan policy check shows each.")


def due_of(configuration: Configuration, read: Reading) -> tuple[Due, ...]:
    """Return every date that is known, for reports that show a calendar."""
    from kmsplan.inventory.dates import find_due  # noqa: PLC0415

    return find_due(configuration, read.recorded, read.observed, now(), _FAR).due
