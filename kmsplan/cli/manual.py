"""The commands as a tree of values, from which the manual page and docs/commands.md are written."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kmsplan.cli.example import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a command."""

    names: str
    """As it is written, with what follows it: -o, --out FILE."""
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What there is to say about one command."""

    path: str
    """As it is typed: kmsplan plan sign."""
    usage: str
    """What follows the path."""
    purpose: str
    """One paragraph."""
    details: tuple[str, ...]
    """Further paragraphs."""
    options: tuple[Option, ...]
    examples: tuple[str, ...]
    commands: tuple[str, ...]
    """Paths of the commands below it."""


def pages(root: click.Group) -> Iterator[Page]:
    """Yield a page for the group and every command below it, in the order of --help."""
    yield from _pages(root, click.Context(root, info_name="kmsplan"))


def _pages(command: click.Command, context: click.Context) -> Iterator[Page]:
    below = list(_below(command, context))
    yield _page(command, context, tuple(each.command_path for _, each in below))
    for each, its_context in below:
        yield from _pages(each, its_context)


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield the commands of a group, those that are hidden left out."""
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None and not found.hidden:
            yield found, click.Context(found, info_name=name, parent=context)


def _page(command: click.Command, context: click.Context, commands: tuple[str, ...]) -> Page:
    purpose, *details = [" ".join(text.split()) for text in inspect.cleandoc(command.help or "").split("\n\n")]
    path = context.command_path  # of the arguments it names those of a group, too, which are none here
    return Page(
        path=path,
        usage=" ".join(command.collect_usage_pieces(context)),
        purpose=purpose,
        details=tuple(details),
        options=tuple(_options(command, context)),
        examples=EXAMPLES.get(path.partition(" ")[2], ()),
        commands=commands,
    )


def _options(command: click.Command, context: click.Context) -> Iterator[Option]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            yield Option(names=record[0], help=" ".join(record[1].split()))
