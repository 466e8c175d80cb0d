"""`kmsplan state restore`: an earlier serial's records become those of now, after a look at what that changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli import kms, suggest
from kmsplan.cli.asking import approve
from kmsplan.cli.editing import begin, refuse_old
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.overriding import command_name, override_option
from kmsplan.cli.planning import reading
from kmsplan.cli.session import Session, pass_session
from kmsplan.cli.witnessing import connect_and_tell

if TYPE_CHECKING:
    from kmsplan.config.configuration import Configuration
    from kmsplan.resource.value import Observed
    from kmsplan.state.difference import Difference
    from kmsplan.state.protocol import Journal, Writing
    from kmsplan.state.record import Recorded

_COMMAND: Final = "state restore"
_INSTEAD: Final = (
    "A plan can record what was forgotten, and under another address: import: [{address: ..., identity: ...}] and "
    "moved: [{from: ..., to: ...}]."
)
_SHOWN: Final = 20
"""So many problems are listed."""


@click.command()
@click.argument("serial", type=click.IntRange(min=0))
@click.option(
    "--exclude",
    "excludes",
    multiple=True,
    metavar="ADDRESS",
    shell_complete=suggest.recorded,
    help="Leave this record as it is now.",
)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@override_option
@click.option("--lock-timeout", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Wait for the lock.")
@variable_options
@pass_session
def restore(
    session: Session,
    variables: Variables,
    serial: int,
    excludes: tuple[str, ...],
    reason: str | None,
    lock_timeout: float,
    *,
    auto_approve: bool,
) -> None:
    """Make what SERIAL recorded what is recorded now: after a mistaken state rm, move or import.

    It shows which records that changes, asks, and writes a new serial. No object at the KMS changes, and none is
    forgotten: what was made since stays recorded. To bring keys back to earlier attributes, change the configuration.
    """
    from kmsplan.report.difference_text import difference_text  # noqa: PLC0415
    from kmsplan.report.style import Style  # noqa: PLC0415

    configuration = session.configuration(variables)
    command = command_name(f"{_COMMAND} {serial}", (configuration,), reason, _INSTEAD)
    store = session.store(configuration)
    earlier = store.load_serial(serial)
    shown = _decide(session, configuration, store.load(), earlier, excludes)
    session.print(difference_text(shown.differences, Style(color=session.terminal.color)))
    if not shown.differences:
        return
    if not auto_approve:
        question = f"kmsplan will record again what serial {serial} did, as a new serial. No key changes."
        approve(session, _COMMAND, question, otherwise="Give --auto-approve.")
    held = store.lock(owner=kms.actor(), command=command, timeout=lock_timeout, waiting=session.waiting)
    with held as lock, store.open(lock) as writing:
        saved = _carry_out(session, configuration, writing, earlier, shown, excludes, command)
    session.say(f"Serial {saved.serial} records what serial {serial} did.")
    session.hint("Next: kmsplan drift shows what has changed at the KMS since, kmsplan plan what is to be done.")


def _carry_out(
    session: Session,
    configuration: Configuration,
    writing: Writing,
    earlier: Recorded,
    shown: _Decided,
    excludes: tuple[str, ...],
    command: str,
) -> Recorded:
    """Restore under the lock what was shown, or refuse; return what is recorded then."""
    now = _decide(session, configuration, writing.recorded, earlier, excludes)
    if now.differences != shown.differences:
        raise UserError(
            "what would be restored now is not what was shown: the state has changed in between",
            "Nothing was changed. Run kmsplan state restore again and read what it shows.",
            ExitCode.STALE,
        )
    begin(writing, now.observed, command)
    _write(writing.journal, now.differences)
    saved = writing.save()
    connect_and_tell(session, configuration, saved)
    return saved


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What a restoration comes to."""

    differences: tuple[Difference, ...]
    observed: Observed


def _decide(
    session: Session, configuration: Configuration, recorded: Recorded, earlier: Recorded, excludes: tuple[str, ...]
) -> _Decided:
    from kmsplan.apply.restore import restore as restored  # noqa: PLC0415
    from kmsplan.state.difference import compare  # noqa: PLC0415

    identities = {record.identity: None for state in (earlier, recorded) for record in state.records.values()}
    with reading(session, configuration) as reader:
        observed = reader.observe(tuple(identities))
    refuse_old(recorded, observed)
    found = restored(recorded, earlier, observed, excludes=excludes)
    if found.problems:
        listed = "\n".join(f"  - {problem}" for problem in found.problems[:_SHOWN])
        more = f"\n  - and {len(found.problems) - _SHOWN} more" if len(found.problems) > _SHOWN else ""
        raise UserError(
            f"serial {earlier.serial} cannot be restored:\n{listed}{more}",
            "Nothing was changed. Leave an address as it is now with --exclude ADDRESS; or forget what stands in the "
            "way with kmsplan state rm ADDRESS, which leaves the object owned, to be adopted later.",
            ExitCode.REFUSED,
        )
    return _Decided(differences=compare(recorded, found.recorded), observed=observed)


def _write(journal: Journal, differences: tuple[Difference, ...]) -> None:
    """Write down every record that changes, and only then those that end: a prefix of this has lost none."""
    from kmsplan.resource.step import Effect  # noqa: PLC0415

    filled = {one.address for one in differences if one.after is not None}
    for one in differences:
        if one.after is not None:
            effect = Effect(attributes=one.after.attributes, status=one.after.status)
            journal.record(one.address, effect, identity=one.after.identity)
    for one in differences:
        if one.before is not None and one.before.address not in filled:
            journal.record(one.before.address, Effect(removes=True))
