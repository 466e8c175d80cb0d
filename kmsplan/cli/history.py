"""`kmsplan state history` and `state diff`: the serials of the state, and what differs between two of them."""

from __future__ import annotations

import click

from kmsplan.cli.options import Variables, json_option, variable_options
from kmsplan.cli.session import Session, pass_session


@click.command()
@json_option
@variable_options
@pass_session
def history(session: Session, variables: Variables, *, as_json: bool) -> None:
    """List every serial of the state: who made it, when, with which command and plan.

    What one of them recorded: kmsplan state show --serial N. What changed since: kmsplan state diff N.
    """
    from kmsplan.report.history import history_json, history_text  # noqa: PLC0415
    from kmsplan.report.style import Style  # noqa: PLC0415

    found = session.store(session.configuration(variables)).history()
    if as_json:
        session.print(history_json(found))
    else:
        session.print(history_text(found, Style(color=session.terminal.color), session.columns))


@click.command()
@click.argument("before", type=click.IntRange(min=0), metavar="A")
@click.argument("after", type=click.IntRange(min=0), required=False, metavar="[B]")
@json_option
@variable_options
@pass_session
def diff(session: Session, variables: Variables, before: int, after: int | None, *, as_json: bool) -> None:
    """Show which records differ between the serials A and B; without B, between A and what is recorded now."""
    from kmsplan.state.difference import compare  # noqa: PLC0415

    store = session.store(session.configuration(variables))
    old = store.load_serial(before)
    new = store.load() if after is None else store.load_serial(after)
    found = compare(old, new)
    if as_json:
        from kmsplan.report.difference_json import difference_json  # noqa: PLC0415

        session.print(difference_json(old, new, found))
        return
    from kmsplan.report.difference_text import difference_text  # noqa: PLC0415
    from kmsplan.report.style import Style  # noqa: PLC0415

    session.print(difference_text(found, Style(color=session.terminal.color)))
