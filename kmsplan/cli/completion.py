"""`kmsplan completion`: the shell's own completion script, made by click."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a shell's completion script: commands, options, files, and the addresses of the configuration.

    It belongs where the shell looks for such scripts; for zsh, in a folder of $fpath and under the name _kmsplan.
    """
    maker = get_completion_class(shell)
    if maker is None:
        raise click.UsageError(f"click has no completion for {shell}")
    click.echo(maker(ctx.find_root().command, {}, "kmsplan", "_KMSPLAN_COMPLETE").source())
