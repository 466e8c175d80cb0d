"""`kmsplan import`: adopt one object, or write the configuration that adopts everything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from kmsplan.cli import kms, suggest
from kmsplan.cli.applying import refuse
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Planning, Variables, variable_options
from kmsplan.cli.planning import Reading, make, plan_options, reading
from kmsplan.cli.session import Session, entropy, now, pass_session
from kmsplan.cli.signals import stopping
from kmsplan.resource.address import Address, kind_of, name_of
from kmsplan.resource.kinds import KINDS, dependencies

if TYPE_CHECKING:
    from collections.abc import Collection

    from kmsplan.apply.run import Applied
    from kmsplan.apply.stop import StopSignal
    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.plan import Change, Plan
    from kmsplan.provider.protocol import Reader
    from kmsplan.resource.value import Observed
    from kmsplan.state.record import Recorded


@click.command("import")
@click.argument("address", required=False, shell_complete=suggest.unrecorded)
@click.argument("identity", required=False)
@click.option("--all", "everything", is_flag=True, help="Write YAML for everything that the KMS holds.")
@click.option(
    "--terraform",
    "terraform",
    type=click.File("rb"),
    metavar="STATE",
    help="Write YAML for the keys in a Terraform state: its file, or - for standard input.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to write: a new or empty folder.")
@click.option("--region", metavar="REGION", help="With --terraform: the region to manage, where the state has several.")
@click.option(
    "--adopt-owned",
    "lineages",
    multiple=True,
    metavar="LINEAGE",
    help="Take over what this lineage, another configuration's, owns; repeatable.",
)
@click.option("--lock-timeout", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Wait for the lock.")
@variable_options
@pass_session
def import_(
    session: Session,
    variables: Variables,
    address: str | None,
    identity: str | None,
    terraform: IO[bytes] | None,
    out: Path | None,
    region: str | None,
    lineages: tuple[str, ...],
    lock_timeout: float,
    *,
    everything: bool,
) -> int:
    """Adopt an object that the KMS holds already, under an address that the configuration declares.

    It is recorded, and marked with the owner tag; what differs from the configuration is shown, and left to the next
    plan. For example: kmsplan import key.orders key-hzz62f1cb66fa42qo3i9q

    With --all --out DIR nothing is adopted: files are written that declare and import everything that the KMS holds,
    and a key for every key that others made in its HSMs, for a configuration of its own: kmsplan import --all --out
    adopted

    With --terraform STATE --out DIR such files are written for the keys, aliases and instances that a Terraform state
    holds, without asking the KMS: terraform state pull | kmsplan import --terraform - --out keys
    """
    if terraform is not None and out is not None and address is None and not everything:
        from kmsplan.cli.converting import convert_state  # noqa: PLC0415

        return convert_state(session, variables, terraform.read(), out, region=region, lineages=lineages)
    if terraform is not None or region is not None:
        raise click.UsageError("import --terraform STATE takes --out DIR, and --region REGION where it is needed")
    if everything and out is not None and address is None:
        from kmsplan.cli.adopting import write_everything  # noqa: PLC0415

        return write_everything(session, session.configuration(variables), out, lineages)
    if everything or out is not None or address is None or identity is None:
        raise click.UsageError("import takes ADDRESS and IDENTITY, or --out DIR with --all or --terraform STATE")
    configuration = session.configuration(variables)
    place = Address(address)
    if configuration.approval is not None:
        raise UserError(
            "this configuration lets nothing run but plans that were signed",
            f"Adopt the object by a plan: import: [{{address: {place}, identity: {identity}}}]",
            ExitCode.APPROVAL_MISSING,
        )
    _require_declared(session, configuration, place, identity)
    adoption = _Adoption(configuration, place, identity, lineages)
    with stopping(session.note) as stop:
        return _Import(session, adoption, lock_timeout).run(stop)


def _require_declared(session: Session, configuration: Configuration, place: Address, identity: str) -> None:
    """Refuse an address that nothing is declared at, showing what to write.

    Raises:
        UserError: it is not declared.
    """
    if place in configuration.desired:
        return
    if kind_of(place) not in KINDS or not name_of(place):
        raise UserError(f"{place} is no address", f"An address is KIND.NAME; kinds: {', '.join(KINDS)}.")
    from kmsplan.cli.adopting import proposal  # noqa: PLC0415

    recorded = session.store(configuration).load()
    with reading(session, configuration) as reader:
        text = proposal(reader.observe((identity,)), configuration, recorded, place, identity)
    raise UserError(
        f"{place} is not declared",
        "An object is adopted under an address of the configuration, so that it is known what it should be. "
        + (f"Declare it as it is, and import it then:\n\n{text}" if text else f"The KMS knows no {identity}, either."),
    )


@dataclass(slots=True)
class _Adoption:
    """Decides, under the lock, on what is there then."""

    configuration: Configuration
    address: Address
    identity: str
    lineages: Collection[str]

    def decide(self, reader: Reader, recorded: Recorded, observed: Observed) -> Plan:
        """Return the plan that adopts the object and does nothing else.

        Raises:
            UserError: a rule forbids it, or something is recorded already, or not yet.
        """
        from kmsplan.plan.adopting import only_adopted  # noqa: PLC0415

        owner = self._owner(observed)
        self._check_records(recorded, observed, owner)
        planned = make(
            self._importing(owner),
            Reading(recorded=recorded, observed=observed),
            reader,
            plan_options(Planning(variables=Variables(), targets=(self.address,))),
        )
        plan = only_adopted(planned, self.address)
        for violation in plan.violations:
            raise UserError(
                f"{violation.summary[0].lower()}{violation.summary[1:]} ({violation.code}); nothing was changed",
                violation.detail,
                ExitCode.REFUSED,
            )
        refuse(plan, shown=False)
        for change in plan.blocked:
            raise UserError(f"{self.address} cannot be imported now: {change.blocked}", "Nothing was changed.")
        return plan

    def _owner(self, observed: Observed) -> str | None:
        """Return the lineage that owns the object, where it was named."""
        from kmsplan.kms.naming import Owner  # noqa: PLC0415

        owner = Owner.parse(str(getattr(observed.objects.get(self.identity), "owner", None) or ""))
        return owner.lineage if owner and owner.lineage in self.lineages else None

    def _importing(self, owner: str | None) -> Configuration:
        from kmsplan.config.configuration import Import  # noqa: PLC0415

        others = [block for block in self.configuration.imports if block.address != self.address]
        block = Import(address=self.address, identity=self.identity, owner=owner)
        # Nothing of the key is changed, only recorded; whether it keeps to the policy is for the next plan to say.
        return replace(self.configuration, imports=(*others, block), policy=None)

    def _check_records(self, recorded: Recorded, observed: Observed, owner: str | None) -> None:
        known = recorded.records.get(self.address)
        unfinished = known is not None and known.identity == self.identity and owner not in (None, recorded.lineage)
        if known is not None and not unfinished:
            raise UserError(
                f"{self.address} is recorded already, as {known.identity}",
                "Nothing was changed. To put another object there, first let this one go: kmsplan state rm "
                f"{self.address}",
            )
        for target in dependencies(self.address, self.configuration.desired[self.address].attributes):
            if target not in recorded.records:
                raise UserError(
                    f"{self.address} points at {target}, which is not recorded yet",
                    f"Nothing was changed. Import that first: kmsplan import {target} {self._identity_of(observed)}",
                )

    def _identity_of(self, observed: Observed) -> str:
        """Return what the object points at, as the KMS calls it."""
        from kmsplan.resource.kinds import REFERENCES  # noqa: PLC0415

        told = getattr(observed.objects.get(self.identity), "attributes", {})
        return next((str(told[name]) for name in REFERENCES[kind_of(self.address)] if told.get(name)), "IDENTITY")


class _Import:
    """One import of the command line."""

    def __init__(self, session: Session, adoption: _Adoption, lock_timeout: float) -> None:
        self._session = session
        self._adoption = adoption
        self._lock_timeout = lock_timeout

    def run(self, stop: StopSignal) -> int:
        """Adopt, and show what the next plan will change."""
        from kmsplan.apply.outcome import exit_code  # noqa: PLC0415

        applied = self._carry_out(stop)
        if applied.unwitnessed is not None:
            from kmsplan.cli.witnessing import untold  # noqa: PLC0415

            self._session.warn(untold(applied.recorded.serial, applied.unwitnessed))
        code = exit_code(applied.outcome)
        if code == ExitCode.DONE and applied.plan is not None:
            for change in applied.plan.changes:
                self._show(change)
        else:
            from kmsplan.report.outcome_text import outcome_text  # noqa: PLC0415
            from kmsplan.report.scene import Scene  # noqa: PLC0415
            from kmsplan.report.style import Style  # noqa: PLC0415

            self._session.note(
                outcome_text(applied.outcome, Scene(style=Style(color=self._session.terminal.error_color))).rstrip()
            )
        return code

    def _carry_out(self, stop: StopSignal) -> Applied:
        from kmsplan.apply.run import Settings, Surroundings, apply  # noqa: PLC0415
        from kmsplan.plan.planfile import digest  # noqa: PLC0415

        session, adoption = self._session, self._adoption
        configuration = adoption.configuration
        importing = kms.importing(session, configuration)
        settings = Settings(
            owner=kms.actor(),
            command="import",
            parallelism=1,
            lock_timeout=self._lock_timeout,
            identities=[adoption.identity, *(block.identity for block in configuration.imports)],
        )
        around = Surroundings(
            connect=lambda: kms.provider(session, configuration, importing),
            decide=adoption.decide,
            digest=digest,
            events=lambda _: None,
            waiting=session.waiting,
            clock=now,
            entropy=entropy,
            sleep=stop.wait,
            stop=stop,
        )
        return apply(session.store(configuration), settings, around)

    def _show(self, change: Change) -> None:
        from kmsplan.report.adopted_text import adopted_text  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        self._session.print(adopted_text(change, Style(color=self._session.terminal.color)))
        if change.attributes:
            self._session.hint("To keep it as it is, change the configuration; kmsplan plan shows what is left.")
