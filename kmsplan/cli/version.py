"""`kmsplan version`."""

from __future__ import annotations

import click

from kmsplan import __version__


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def version(*, as_json: bool) -> None:
    """Print the version of kmsplan."""
    if as_json:
        import json  # noqa: PLC0415 - `version` starts as fast as it can

        click.echo(json.dumps({"format_version": "1.0", "kmsplan_version": __version__}))
    else:
        click.echo(f"kmsplan {__version__}")
