"""`kmsplan state` and `kmsplan unlock`: looking at the state, and freeing its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli import suggest
from kmsplan.cli.editing import editing
from kmsplan.cli.failure import UserError
from kmsplan.cli.lazy import LazyGroup
from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.overriding import command_name, override_option
from kmsplan.cli.planning import reading
from kmsplan.cli.session import Session, entropy, pass_session
from kmsplan.kms.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.config.configuration import Configuration
    from kmsplan.resource.value import Present
    from kmsplan.state.record import Recorded

_COMMANDS: Final = {
    "history": "kmsplan.cli.history",
    "diff": "kmsplan.cli.history",
    "restore": "kmsplan.cli.restoring",
    "rekey": "kmsplan.cli.rekeying",
    "mv": "kmsplan.cli.moving",
}


@click.group(cls=LazyGroup, modules=_COMMANDS, path="state")
def state() -> None:
    """The recorded state: what the last apply left."""


@state.command("list")
@variable_options
@pass_session
def list_command(session: Session, variables: Variables) -> None:
    """List the recorded addresses."""
    for address in sorted(session.store(session.configuration(variables)).load().records):
        session.say(address)


@state.command("show")
@click.argument("address", required=False, shell_complete=suggest.recorded)
@click.option("--serial", type=click.IntRange(min=0), metavar="N", help="An earlier serial; state history lists them.")
@json_option
@variable_options
@pass_session
def show_command(
    session: Session, variables: Variables, address: str | None, serial: int | None, *, as_json: bool
) -> None:
    """Show one record as JSON, or everything that is recorded."""
    store = session.store(session.configuration(variables))
    recorded = store.load() if serial is None else store.load_serial(serial)
    if address is not None:
        session.say(_record_json(recorded, address))
    elif as_json:
        from kmsplan.report.state_json import state_json  # noqa: PLC0415

        session.print(state_json(recorded))
    else:
        from kmsplan.report.state_text import state_text  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        session.print(state_text(recorded, Style(color=session.terminal.color)))


def _record_json(recorded: Recorded, address: str) -> str:
    import json  # noqa: PLC0415

    from kmsplan.resource.address import Address  # noqa: PLC0415

    record = recorded.records.get(Address(address))
    if record is None:
        import difflib  # noqa: PLC0415

        near = difflib.get_close_matches(address, recorded.records, n=1)
        hint = f"Did you mean {near[0]}?" if near else "kmsplan state list shows what is."
        raise UserError(f"{address} is not recorded in serial {recorded.serial}", hint)
    document = {
        "address": record.address,
        "identity": record.identity,
        "status": record.status.value,
        "attributes": dict(record.attributes),
    }
    return json.dumps(document, indent=2, sort_keys=True)


@state.command("rm")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...", shell_complete=suggest.recorded)
@override_option
@variable_options
@pass_session
def rm_command(session: Session, variables: Variables, addresses: tuple[str, ...], reason: str | None) -> None:
    """Forget records; the objects stay as they are."""
    from kmsplan.resource.address import Address  # noqa: PLC0415
    from kmsplan.resource.step import Effect  # noqa: PLC0415

    configuration = session.configuration(variables)
    instead = f"Forget it by a plan: removed: [{{address: {addresses[0]}, forget: true}}]."
    command = command_name("state rm", (configuration,), reason, instead)
    missing = sorted(set(addresses) - set(session.store(configuration).load().records))
    if missing:
        raise UserError(f"{missing[0]} is not recorded", "Nothing was changed. kmsplan state list shows what is.")
    with editing(session, configuration, command) as journal:
        for address in addresses:
            journal.record(Address(address), Effect(removes=True))
    session.say(f"Forgot {counted(len(addresses), 'record')}.")


@state.command("init")
@variable_options
@pass_session
def init_command(session: Session, variables: Variables) -> None:
    """Begin an empty state, for a new configuration beside others in one KMS.

    Not for a lost state: its objects would be made a second time. For that there is state rebuild.
    """
    from kmsplan.kms.naming import Owner  # noqa: PLC0415
    from kmsplan.state.local import new_lineage  # noqa: PLC0415

    configuration = session.configuration(variables)
    store = session.store(configuration)
    if store.load().exists:
        raise UserError("there is a state already", "Nothing was changed.")
    given_up = {block.identity for block in configuration.imports if block.owner}
    owners = (
        Owner.parse(present.owner)
        for present in _everything(session, configuration)
        if present.owner and present.identity not in given_up
    )
    own = sorted({owner.address for owner in owners if owner} & set(configuration.desired))
    if own:
        raise UserError(
            f"the KMS holds owned objects with addresses that this configuration declares: {', '.join(own[:3])}",
            "They look like this configuration's own. If its state was lost: kmsplan state rebuild. If they are "
            "another's, give the objects here other names.",
        )
    store.init(new_lineage(entropy))
    session.say(f"Began an empty state in {store.place}.")


@state.command("rebuild")
@click.option("--lineage", help="Whose objects, where the KMS holds those of several configurations.")
@variable_options
@pass_session
def rebuild_command(session: Session, variables: Variables, lineage: str | None) -> None:
    """Recreate a lost state from the owner tags of the objects in the KMS."""
    from kmsplan.apply.rebuild import lineages, rebuild  # noqa: PLC0415
    from kmsplan.resource.step import Effect  # noqa: PLC0415

    configuration = session.configuration(variables)
    begun = _require_no_state(session, configuration)
    presents = tuple(_everything(session, configuration))
    chosen = _choose(lineages(presents), lineage)
    if begun not in ("", chosen):
        raise _there_is_one()
    records = rebuild(chosen, presents)
    with (
        editing(session, configuration, "state rebuild", lineage=chosen) as journal,
        session.phase("Writing the records", "records", total=len(records)) as meter,
    ):
        for number, record in enumerate(records):
            meter.tell(number)
            effect = Effect(attributes=record.attributes, status=record.status)
            journal.record(record.address, effect, identity=record.identity)
    session.say(f"Rebuilt {counted(len(records), 'record')} of lineage {chosen}.")
    session.hint("Next: kmsplan plan shows what differs from the configuration.")


def _require_no_state(session: Session, configuration: Configuration) -> str:
    """Return the lineage of an empty state, such as a rebuild leaves that was interrupted at once; or "".

    Raises:
        UserError: there is a state.
    """
    from kmsplan.state.error import StateError  # noqa: PLC0415

    store = session.store(configuration)
    try:
        found = store.load()
    except StateError as error:
        raise UserError(
            f"there is a damaged state: {error.summary}",
            f"Nothing was changed. Move what is kept of it (in a folder: kmsplan.state.json, journal.jsonl, history) "
            f"from {store.place} to a safe place, then run kmsplan state rebuild again.",
        ) from error
    if found.serial or found.records or found.pending:
        raise _there_is_one()
    return found.lineage


def _there_is_one() -> UserError:
    return UserError("there is a state already", "Nothing was changed. Move it away first if it is the wrong one.")


def _choose(found: dict[str, int], wanted: str | None) -> str:
    if not found:
        raise UserError(
            "the KMS holds no object that kmsplan owns", "There is nothing to rebuild: begin anew with kmsplan plan."
        )
    if wanted is None and len(found) == 1:
        return next(iter(found))
    if wanted in found:
        return wanted
    listed = ", ".join(f"{lineage} ({counted(count, 'object')})" for lineage, count in sorted(found.items()))
    raise UserError(f"the KMS holds objects of these lineages: {listed}", "Name one with --lineage.")


def _everything(session: Session, configuration: Configuration) -> Iterable[Present]:
    with reading(session, configuration) as reader:
        return reader.observe(()).others


@click.command()
@click.argument("lock_id")
@variable_options
@pass_session
def unlock(session: Session, variables: Variables, lock_id: str) -> None:
    """Break the lock of a run that is stopped or cut off. Refused while that run is alive."""
    holder = session.store(session.configuration(variables)).unlock(lock_id)
    session.say(f"Unlocked. It was held by {holder}.")
