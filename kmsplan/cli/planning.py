"""From a configuration to a plan: what plan, apply and drift have in common."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.cli import kms
from kmsplan.cli.session import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.cli.options import Planning
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.plan import Drift, Plan, PlanOptions
    from kmsplan.provider.protocol import Reader
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Recorded and observed, of one moment; interrupted operations are settled in memory."""

    recorded: Recorded
    observed: Observed


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
    from kmsplan.apply.settle import fold_settled, observe_settled, settle, wanted  # noqa: PLC0415

    observed = reader.observe((*wanted(recorded), *(block.identity for block in configuration.imports)))
    if recorded.pending:
        settled = settle(recorded, observed)
        recorded, observed = fold_settled(recorded, settled), observe_settled(observed, settled)
    return Reading(recorded=recorded, observed=observed)


def plan_options(planning: Planning) -> PlanOptions:
    """Return what the command line says about a plan."""
    from kmsplan.plan.plan import Allowances, PlanOptions  # noqa: PLC0415

    return PlanOptions(
        now=now(),
        destroy=planning.destroy,
        targets=planning.targets,
        excludes=planning.excludes,
        allowances=Allowances(
            delete=planning.allow_delete or 0, mass=planning.allow_mass, in_use=planning.allow_in_use
        ),
        accept_old_state=planning.accept_old_state,
    )


def drift_of(configuration: Configuration, read: Reading) -> tuple[Drift, ...]:
    """Compare recorded and observed."""
    from kmsplan.drift.drift import find_drift  # noqa: PLC0415

    return find_drift(read.recorded, read.observed, configuration.desired, configuration.staged)


def make(configuration: Configuration, read: Reading, reader: Reader, options: PlanOptions) -> Plan:
    """Make the plan."""
    from kmsplan.plan.planner import make_plan  # noqa: PLC0415

    return make_plan(
        configuration=configuration,
        recorded=read.recorded,
        observed=read.observed,
        offer=reader.offer,
        options=options,
        drift=drift_of(configuration, read),
    )
