"""`kmsplan engine access-key`: who may call a served engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli import kms
from kmsplan.cli.failure import UserError
from kmsplan.cli.lazy import LazyGroup
from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.session import Session, pass_session

if TYPE_CHECKING:
    from kmsplan.engine.access.known import AccessKey

_ROLES: Final = ("administrator", "user", "auditor", "service")
"""The values of `engine.access.role.Role`, which `--help` need not import."""
_COLUMNS: Final = ("access_key_id", "status", "role", "account", "user", "created", "last_used", "expires")
_KEEP: Final = "Keep the secret now: nothing shows it again."


@click.group("access-key", cls=LazyGroup, path="engine access-key")
def access_key() -> None:
    """Access keys: who may call a served engine, and what they may do."""


@access_key.command()
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What it may do.")
@click.option(
    "--user",
    default="root",
    metavar="NAME",
    help="Whom key policies know it as: root, NAME (user/NAME; of a service role/NAME), role/NAME.  [default: root]",
)
@click.option("--account", metavar="ID", help="The account it belongs to.  [default: the engine's own]")
@variable_options
@json_option
@pass_session
def create(session: Session, role: str, user: str, account: str | None, variables: Variables, *, as_json: bool) -> None:
    """Make an access key and print its secret, this once."""
    from kmsplan.engine.access.role import Role  # noqa: PLC0415

    with kms.opened(session, variables) as engine:
        made = engine.access.create(role=Role(role), user=_full(user, role), account=account)
    _print(session, made, as_json=as_json)


@access_key.command("list")
@variable_options
@json_option
@pass_session
def list_command(session: Session, variables: Variables, *, as_json: bool) -> None:
    """List the access keys, without their secrets."""
    with kms.opened(session, variables, read_only=True) as engine:
        rows = [{name: getattr(key, name) for name in _COLUMNS} for key in engine.access_keys()]
    if as_json:
        session.say(json.dumps({"format_version": "1.0", "access_keys": rows}, indent=2))
        return
    if not rows:
        session.hint("There is none. kmsplan engine access-key create makes one.")
        return
    from kmsplan.report.style import Style  # noqa: PLC0415
    from kmsplan.report.table import table  # noqa: PLC0415

    head = [name.replace("_", " ") for name in _COLUMNS]
    cells = [[str(row[name] or "-") for name in _COLUMNS] for row in rows]
    for line in table(head, cells, session.columns, Style(color=session.terminal.color)):
        session.say(line)


@access_key.command()
@click.argument("access_key_id")
@click.option(
    "--overlap",
    default="0s",
    metavar="DURATION",
    help="How long the old one still works: 30m, 24h, 7d; 90d at most.  [default: not at all]",
)
@variable_options
@json_option
@pass_session
def rotate(session: Session, access_key_id: str, overlap: str, variables: Variables, *, as_json: bool) -> None:
    """Make a successor with the same rights and print its secret; the old one stops working."""
    from kmsplan.kms.naming import parse_duration  # noqa: PLC0415

    seconds = parse_duration(overlap)
    if seconds is None:
        raise UserError(f"--overlap {overlap} is no duration", "Write a number and d, h, m or s: 24h.")
    with kms.opened(session, variables) as engine:
        made = engine.access.rotate(access_key_id, overlap=seconds)
    _print(session, made, as_json=as_json)


@access_key.command()
@click.argument("access_key_id")
@variable_options
@pass_session
def disable(session: Session, access_key_id: str, variables: Variables) -> None:
    """Refuse an access key from now on, in every process."""
    with kms.opened(session, variables) as engine:
        engine.access.set_status(access_key_id, active=False)
    session.say(f"Disabled {access_key_id}.")


@access_key.command()
@click.argument("access_key_id")
@variable_options
@pass_session
def enable(session: Session, access_key_id: str, variables: Variables) -> None:
    """Accept a disabled or expired access key again."""
    with kms.opened(session, variables) as engine:
        engine.access.set_status(access_key_id, active=True)
    session.say(f"Enabled {access_key_id}.")


@access_key.command()
@click.argument("access_key_id")
@variable_options
@pass_session
def delete(session: Session, access_key_id: str, variables: Variables) -> None:
    """Delete an access key for ever."""
    with kms.opened(session, variables) as engine:
        engine.access.delete(access_key_id)
    session.say(f"Deleted {access_key_id}.")


def _full(user: str, role: str) -> str:
    """Return a user's name as key policies write it."""
    if user == "root" or "/" in user:
        return user
    return f"role/{user}" if role == "service" else f"user/{user}"


def _print(session: Session, made: AccessKey, *, as_json: bool) -> None:
    pair = {"access_key_id": made.access_key_id, "access_key_secret": made.secret.reveal().decode()}
    lines = (f"{name.replace('_', ' '):<18} {value}" for name, value in pair.items())
    try:
        session.say(json.dumps(pair) if as_json else "\n".join(lines))
    except OSError as error:
        raise UserError(
            f"{made.access_key_id} was made, and its secret, which nothing shows again, could not be printed: "
            f"{error.strerror}",
            f"Have it print another: kmsplan engine access-key rotate {made.access_key_id}",
        ) from error
    if not as_json:
        session.hint(_KEEP)
