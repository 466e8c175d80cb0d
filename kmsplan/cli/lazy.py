"""Groups of commands that are imported when they run, so that the others cost nothing; their help has examples."""

from __future__ import annotations

import importlib
import keyword
from typing import TYPE_CHECKING, Any

import click

from kmsplan.cli.example import epilog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group whose commands stand in a table, beside those that are registered as usual.

    Args:
        modules: by command, the module that has it; the function is named as the command, with `_` for `-`, and with
            another `_` at its end where that is a word of Python's.
        path: what stands before its commands, without `kmsplan`.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str] | None = None, path: str = "", **options: Any) -> None:
        super().__init__(*args, **{"epilog": epilog(path), **options})
        self._modules = dict(modules or {})
        self._path = path

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, those of the table in its order."""
        return [*self._modules, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing its module."""
        command = self._imported(cmd_name) if cmd_name in self._modules else super().get_command(ctx, cmd_name)
        if command is not None and command.epilog is None:
            command.epilog = epilog(f"{self._path} {cmd_name}".lstrip())
        return command

    def _imported(self, name: str) -> click.Command | None:
        attribute = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
        command = getattr(importlib.import_module(self._modules[name]), attribute)
        return command if isinstance(command, click.Command) else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Suggest commands without importing them, and options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a completion needs it

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [*map(CompletionItem, names), *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name near misses where a command is unknown."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # noqa: PLC0415 - only on the error path

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if near:
                raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx) from error
            raise
