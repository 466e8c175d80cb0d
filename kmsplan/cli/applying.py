"""What an apply may carry out: the plan that was shown or saved, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import orjson

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Variables
from kmsplan.cli.planning import Reading, guarded, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kmsplan.cli.options import Planning
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.kms.operation import Operation
    from kmsplan.plan.plan import Plan, PlanOptions
    from kmsplan.provider.protocol import Reader
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded


def refuse_changed_variables(planning: Planning, saved: Plan) -> None:
    """Refuse options that would make another plan of a saved one.

    Raises:
        UserError: one was given.
    """
    given = planning.variables != Variables() or planning.destroy or planning.targets or planning.excludes
    if given or not planning.refresh:
        raise UserError(
            "a saved plan is carried out exactly, so no option can change what it plans",
            "Leave out --var, --var-file, --destroy, --target, --exclude and --no-refresh, or plan again with them.",
        )
    del saved


def saved_configuration(session: Session, saved: Plan) -> Configuration:
    """Read the configuration with the variables that the plan was made with."""
    values = tuple(f"{name}={_written(value)}" for name, value in saved.variables.items())
    return session.configuration(Variables(assignments=values), to_apply=not saved.destroy, warned=True)


def _written(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@dataclass(slots=True)
class Decision:
    """Decides under the lock, on what is there then."""

    configuration: Configuration
    options: PlanOptions
    shown: Plan | None
    """What somebody said yes to, or nothing is to be done of."""
    saved: Plan | None = None
    reviewed: str | None = None
    """The digest that the plan must have, hex."""
    approve: Callable[[], None] = field(default=lambda: None)
    """Raises where signatures are missing."""
    announce: Callable[[Plan], None] = field(default=lambda _: None)
    require: Callable[[Iterable[Operation]], None] = field(default=lambda _: None)
    """Raises where something that the plan's operations need is not there."""

    def decide(self, reader: Reader, recorded: Recorded, observed: Observed) -> Plan:
        """Return the plan to carry out, after `announce` was told of it.

        Raises:
            ConfigurationError: key material that it imports cannot be found.
            UserError: it is stale, differs from what was shown, or a rule or brake refuses it.
        """
        if self.saved is not None:
            self.approve()
            plan = self._still_holds(self.saved, recorded, observed)
        else:
            read = Reading(recorded=recorded, observed=observed)
            plan = make(self.configuration, read, reader, self.options)
            self._as_shown(plan)
        self.announce(plan)
        self._as_reviewed(plan)
        refuse(plan, shown=True)
        self.require(step.operation for change in plan.effective for step in change.steps)
        return plan

    def _still_holds(self, saved: Plan, recorded: Recorded, observed: Observed) -> Plan:
        from kmsplan.plan.brakes import find_brakes  # noqa: PLC0415
        from kmsplan.plan.continuing import allowed  # noqa: PLC0415
        from kmsplan.plan.stale import stale  # noqa: PLC0415

        moved = stale(saved, config_digest=self.configuration.digest, recorded=recorded, observed=observed)
        seen = observed.ahead_of(recorded.lineage, recorded.serial)
        if seen is not None and not self.options.accept_old_state:
            moved = (f"the state: the KMS has seen {seen}, and this is serial {recorded.serial} (P120)", *moved)
        if moved:
            raise UserError(
                "the saved plan is stale. Since it was made, this has moved:\n"
                + "\n".join(f"  - {line}" for line in moved),
                "Nothing was changed. Plan again and review what it says now.",
                ExitCode.STALE,
            )
        allowances = saved.allowances.joined(self.options.allowances)
        brakes = find_brakes(
            saved, observed, now=self.options.now, allowances=allowances, allowed=allowed(saved, recorded)
        )
        kept = tuple(violation for violation in saved.violations if not violation.brake)
        held = replace(saved, violations=(*kept, *brakes))
        # Judged anew: since then a waiver may have ended, or a key have grown too old.
        return guarded(held, self.configuration, Reading(recorded=recorded, observed=observed), self.options)

    def _as_shown(self, plan: Plan) -> None:
        from kmsplan.plan.planfile import digest  # noqa: PLC0415

        if self.shown is not None and digest(plan) != digest(self.shown):
            raise UserError(
                "what would be done now is not what was shown and approved: something moved in between",
                "Nothing was changed. Run kmsplan apply again and read what it shows.",
                ExitCode.STALE,
            )

    def _as_reviewed(self, plan: Plan) -> None:
        from kmsplan.plan.planfile import digest  # noqa: PLC0415

        found = digest(plan) if self.reviewed is not None else None
        if found != self.reviewed:
            raise UserError(
                f"what would be done now is not what was reviewed: its digest is sha256:{found}",
                "Nothing was changed. Since the review something moved: the configuration or a variable, the state "
                "(perhaps the plan was applied), an object of the KMS, or kmsplan itself; or the options are not those "
                "of the reviewed plan. What would be done now is shown above: review that.",
                ExitCode.STALE,
            )


def refuse(plan: Plan, *, shown: bool) -> None:
    """Refuse a plan that a rule or brake holds back.

    Raises:
        UserError: with exit code 4.
    """
    if not plan.violations:
        return
    remedy = "Each is explained above." if shown else "Run kmsplan plan to see each."
    count = len(plan.violations)
    what = "1 rule or brake holds" if count == 1 else f"{count} rules or brakes hold"
    raise UserError(f"{what} this plan back; nothing was changed", remedy, ExitCode.REFUSED)
