"""`kmsplan state mv`: records get another address, or another configuration; their objects stay as they are."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kmsplan.apply.settle import ENDINGS, fold_settled, settle, wanted
from kmsplan.cli import kms, suggest
from kmsplan.cli.editing import begin, refuse_old
from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.overriding import command_name, override_option
from kmsplan.cli.planning import reading
from kmsplan.cli.session import Session, entropy, now, pass_session
from kmsplan.cli.signals import stopping
from kmsplan.cli.witnessing import connect_and_tell, tell
from kmsplan.kms.wording import counted
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.apply.outcome import Outcome
    from kmsplan.apply.settle import Settled
    from kmsplan.apply.stop import StopSignal
    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.transfer import Transfer
    from kmsplan.provider.protocol import Provider
    from kmsplan.state.protocol import Journal, Writing
    from kmsplan.state.record import Recorded

_COMMAND: Final = "state mv"
_BY_PLANS: Final = (
    "Move by plans: removed: [{address: ..., forget: true}] here, and then "
    "import: [{address: ..., identity: ..., owner: LINEAGE}] there."
)


@click.command()
@click.argument(
    "addresses", nargs=-1, required=True, metavar="SOURCE DEST | ADDRESS...", shell_complete=suggest.recorded
)
@click.option(
    "--to-dir", "target", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Another configuration."
)
@override_option
@click.option("--lock-timeout", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Wait for locks.")
@variable_options
@pass_session
def mv(
    session: Session,
    variables: Variables,
    addresses: tuple[str, ...],
    target: Path | None,
    reason: str | None,
    lock_timeout: float,
) -> int:
    """Give a record another address; or, with --to-dir, give records to another configuration.

    The YAML moves first, by hand. To another configuration go also the keys of an instance and the aliases of a key.
    The owner tags at the KMS are written anew: there at once, within a configuration by the next apply.
    """
    places = tuple(map(Address, addresses))
    configuration = session.configuration(variables)
    if target is not None:
        return _Between(session, configuration, target, reason, lock_timeout).run(places)
    if len(places) != 2:  # noqa: PLR2004 - from and to
        raise click.UsageError("state mv takes SOURCE and DEST, or --to-dir DIR and ADDRESS...")
    instead = f"Move it by a plan: moved: [{{from: {places[0]}, to: {places[1]}}}]."
    command = command_name(_COMMAND, (configuration,), reason, instead)
    _within(session, configuration, places[0], places[1], command, lock_timeout)
    return 0


def _within(
    session: Session, configuration: Configuration, old: Address, new: Address, command: str, timeout: float
) -> None:
    from kmsplan.plan.moving import moved_records  # noqa: PLC0415

    store = session.store(configuration)
    with reading(session, configuration) as reader:
        observed = reader.observe(())
    held = store.lock(owner=kms.actor(), command=command, timeout=timeout, waiting=session.waiting)
    with held as lock, store.open(lock) as writing:
        recorded = writing.recorded
        _require_recorded(recorded, (old,))
        problem = _move_problem(configuration, recorded, old, new)
        if problem is not None:
            raise UserError(f"{old} cannot become {new}: {problem}", "Nothing was changed.")
        changes = moved_records(recorded.records, old, new)
        begin(writing, observed, command)
        for change in changes:
            writing.journal.record(change.address, change.effect, moved_from=change.moved_from)
        connect_and_tell(session, configuration, writing.save())
    session.say(f"Moved {old} to {new}. Changed: {counted(len(changes), 'record')}.")
    session.hint("Next: kmsplan apply, which makes the owner tag follow, so that a lost state comes back like this.")


def _move_problem(configuration: Configuration, recorded: Recorded, old: Address, new: Address) -> str | None:
    from kmsplan.plan.moving import move_problem, taken, with_retired  # noqa: PLC0415

    if any(pending.address in (old, new) for pending in recorded.pending):
        return "an interrupted run has left operations of it; run kmsplan apply first, which settles them"
    if new not in configuration.desired:
        return f"{new} is not declared, and the next plan would delete it; rename it in the YAML first"
    targets = with_retired(old, new, recorded.records).values()
    return move_problem(old, new, configuration.desired) or taken(targets, recorded.records)


def _require_recorded(recorded: Recorded, addresses: Sequence[Address]) -> None:
    import difflib  # noqa: PLC0415

    for address in addresses:
        if address not in recorded.records:
            near = difflib.get_close_matches(address, recorded.records, n=1)
            hint = f"Did you mean {near[0]}?" if near else "kmsplan state list shows what is."
            raise UserError(f"{address} is not recorded", f"Nothing was changed. {hint}")


class _Opened:
    """Both states, open for writing under their locks, and the KMS that they share."""

    def __init__(self, source: Writing, target: Writing, provider: Provider, command: str) -> None:
        self.source = source
        self.target = target
        self.provider = provider
        self._command = command
        self.observed = provider.observe((*wanted(source.recorded), *wanted(target.recorded)))

    def settled(self, writing: Writing) -> tuple[Settled, ...]:
        """Return what the KMS shows of the operations that an interrupted run has left in a state."""
        return settle(writing.recorded, self.observed)

    def begin(self, writing: Writing, plan: str = "") -> Journal:
        """Begin a run in a state: what an interrupted one has left is ended first."""
        journal = writing.journal
        journal.run(command=self._command, environment=self.provider.prepare(), plan=plan, by=kms.actor())
        for item in self.settled(writing):
            if item.found in ENDINGS:
                journal.end(item.pending.sequence, ENDINGS[item.found], identity=item.identity)
        return journal


class _Between:
    """A move from one configuration to another.

    A record is made there first and dropped here afterwards, so that a crash in between leaves the object in both, and
    the same command again finishes. The owner tags are rewritten in the same run, through the target's journal.
    """

    def __init__(
        self, session: Session, configuration: Configuration, folder: Path, reason: str | None, timeout: float
    ) -> None:
        self._session = session
        self._here = configuration
        self._folder = folder
        self._there = replace(session, directory=folder).configuration(Variables())
        self._reason = reason
        self._timeout = timeout

    def run(self, places: Sequence[Address]) -> int:
        """Move, and say what was moved.

        Raises:
            UserError: something forbids it; nothing was changed.
        """
        from kmsplan.apply.outcome import exit_code  # noqa: PLC0415

        command = command_name(_COMMAND, (self._here, self._there), self._reason, _BY_PLANS)
        with self._opened(command) as opened, stopping(self._session.note) as stop:
            if self._is_done(opened, places):
                return 0
            transfer = self._transfer(opened, places)
            outcome = self._arrive(opened, transfer, stop)
            gone = [result.address for result in outcome.done] if outcome.error is None else []
            self._let_go(opened, gone)
        self._report(outcome, gone)
        return exit_code(outcome)

    @contextlib.contextmanager
    def _opened(self, command: str) -> Iterator[_Opened]:
        """Take both locks, always in the order of the lineages, so that two moves never wait for each other."""
        stores = [self._session.store(configuration) for configuration in (self._here, self._there)]
        lineages = [store.load().lineage for store in stores]
        if not all(lineages):
            where = self._folder if lineages[0] else self._here.root
            raise UserError(
                f"there is no state in {where}",
                f"Nothing was changed. Begin one with kmsplan -C {where} state init; if it was lost, get it back with "
                f"kmsplan -C {where} state rebuild.",
            )
        if lineages[0] == lineages[1]:
            raise UserError("both configurations have the same state", "Nothing was changed. Name another one.")
        with contextlib.ExitStack() as stack:
            writings: dict[int, Writing] = {}
            for index in sorted((0, 1), key=lambda index: lineages[index]):
                held = stores[index].lock(
                    owner=kms.actor(), command=command, timeout=self._timeout, waiting=self._session.waiting
                )
                writings[index] = stack.enter_context(stores[index].open(stack.enter_context(held)))
            importing = kms.importing(self._session, self._there)
            provider = kms.provider(self._session, self._there, importing)
            stack.callback(provider.close)
            yield _Opened(writings[0], writings[1], provider, command)

    def _is_done(self, opened: _Opened, places: Sequence[Address]) -> bool:
        """Return whether a run before this one has moved everything, and was cut off before it could say so."""
        here, there = opened.source.recorded.records, opened.target.recorded.records
        done = all(address in there and address not in here for address in places)
        if done:
            self._session.say(f"There is nothing left to move: {', '.join(places)} is recorded in {self._folder}.")
        return done

    def _transfer(self, opened: _Opened, places: Sequence[Address]) -> Transfer:
        """Return what moves, once nothing forbids it.

        Raises:
            UserError: something does.
        """
        from kmsplan.plan.moving import with_dependents  # noqa: PLC0415
        from kmsplan.plan.transfer import Transfer, problems  # noqa: PLC0415

        source, target = (
            fold_settled(writing.recorded, opened.settled(writing)) for writing in (opened.source, opened.target)
        )
        _require_recorded(source, places)
        transfer = Transfer(
            addresses=with_dependents(places, source.records),
            source=source,
            target=target,
            declared_here=self._here.desired.keys(),
            declared_there=self._there.desired.keys(),
        )
        for recorded in (source, target):
            refuse_old(recorded, opened.observed)
        found = list(problems(transfer, opened.observed))
        if found:
            listed = "\n".join(f"  - {line}." for line in found)
            raise UserError(f"these records cannot go to {self._folder}:\n{listed}", "Nothing was changed.")
        return transfer

    def _arrive(self, opened: _Opened, transfer: Transfer, stop: StopSignal) -> Outcome:
        """Record everything there and put the owner tags on."""
        from kmsplan.apply.executor import execute  # noqa: PLC0415
        from kmsplan.plan.planfile import digest  # noqa: PLC0415
        from kmsplan.plan.transfer import plan_there  # noqa: PLC0415

        plan = plan_there(transfer, self._there.digest)
        journal = opened.begin(opened.target, digest(plan))
        outcome = execute(
            plan,
            recorded=journal.recorded(),
            provider=opened.provider,
            journal=journal,
            parallelism=10,
            events=lambda _: None,
            clock=now,
            entropy=entropy,
            sleep=stop.wait,
            stop=stop,
        )
        if outcome.error is None:
            tell(self._session, opened.provider, opened.target.save())
        return outcome

    def _let_go(self, opened: _Opened, gone: Sequence[Address]) -> None:
        """Drop the records here. Their objects are recorded there, durably."""
        from kmsplan.resource.step import Effect  # noqa: PLC0415

        if gone:
            journal = opened.begin(opened.source)
            for address in gone:
                journal.record(address, Effect(removes=True))
            tell(self._session, opened.provider, opened.source.save())

    def _report(self, outcome: Outcome, gone: Sequence[Address]) -> None:
        from kmsplan.report.outcome_text import outcome_text  # noqa: PLC0415
        from kmsplan.report.scene import Scene  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        for address in gone:
            self._session.say(f"{address}: moved to {self._folder}")
        if len(gone) < len(outcome.results) or outcome.error is not None:
            self._session.note(
                outcome_text(outcome, Scene(style=Style(color=self._session.terminal.error_color))).rstrip()
            )
            self._session.note("What was not moved is still recorded here: run the same command again.")
