"""`kmsplan state` and `kmsplan unlock`: looking at the state, and freeing its lock."""

from __future__ import annotations

import click

from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.session import Session, pass_session


@click.group()
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
@click.argument("address")
@variable_options
@pass_session
def show_command(session: Session, variables: Variables, address: str) -> None:
    """Show one record as JSON."""
    import difflib  # noqa: PLC0415
    import json  # noqa: PLC0415

    records = session.store(session.configuration(variables)).load().records
    record = next((record for found, record in records.items() if found == address), None)
    if record is None:
        near = difflib.get_close_matches(address, records, n=1)
        hint = f"Did you mean {near[0]}?" if near else "kmsplan state list shows what is."
        raise UserError(f"{address} is not recorded", hint)
    document = {
        "address": record.address,
        "identity": record.identity,
        "status": record.status.value,
        "attributes": dict(record.attributes),
    }
    session.say(json.dumps(document, indent=2, sort_keys=True))


@state.command("history")
@variable_options
@pass_session
def history_command(session: Session, variables: Variables) -> None:
    """List the earlier serials that are kept."""
    for kept in session.store(session.configuration(variables)).history():
        session.say(f"{kept.serial:>6}  {kept.path}")


@click.command()
@click.argument("lock_id")
@variable_options
@pass_session
def unlock(session: Session, variables: Variables, lock_id: str) -> None:
    """Break the lock of a run that is stopped or cut off. Refused while that run is alive."""
    holder = session.store(session.configuration(variables)).unlock(lock_id)
    session.say(f"Unlocked. It was held by {holder}.")
