"""`kmsplan completion`: the shell's own completion script, made by click."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a completion script.

    For bash: kmsplan completion bash > ~/.local/share/bash-completion/completions/kmsplan
    """
    maker = get_completion_class(shell)
    if maker is None:
        raise click.UsageError(f"click has no completion for {shell}")
    click.echo(maker(ctx.find_root().command, {}, "kmsplan", "_KMSPLAN_COMPLETE").source())
