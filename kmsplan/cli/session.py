"""What every command starts from: the folder, the terminal, the environment, and the ways to state and engine."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kmsplan.cli.options import Variables
    from kmsplan.cli.terminal import Terminal
    from kmsplan.config.configuration import Configuration
    from kmsplan.report.form import Subject
    from kmsplan.report.scene import Scene
    from kmsplan.state.holder import Holder
    from kmsplan.state.protocol import Store


def now() -> datetime:
    """The only clock."""
    return datetime.now(UTC)


entropy: Callable[[int], bytes] = os.urandom
"""The only source of randomness: the kernel's (secrets.token_bytes is this, and imports hmac and random)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of the command line."""

    directory: Path
    terminal: Terminal
    debug: bool
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def say(self, text: str) -> None:
        """Print a line of the answer."""
        click.echo(text, color=True)

    def print(self, text: str) -> None:
        """Print a report, which ends its own lines."""
        click.echo(text, nl=False, color=True)

    def render(self, subject: Subject, form: str, value: Any, scene: Scene, *, printed: bool = True) -> str:
        """Return a report, with colours where it is printed and they are wanted."""
        from kmsplan.report.form import render  # noqa: PLC0415 - most commands report nothing
        from kmsplan.report.style import Style  # noqa: PLC0415

        return render(subject, form, value, replace(scene, style=Style(color=printed and self.terminal.color)))

    def note(self, text: str) -> None:
        """Print a line beside the answer, on standard error."""
        click.echo(text, err=True, color=True)

    def waiting(self, holder: Holder | None) -> None:
        """Say whom a lock is waited for."""
        self.note(f"Waiting for the lock, held by {holder or 'another process'}.")

    def hint(self, text: str) -> None:
        """Print what to do next, unless a machine is reading."""
        if self.terminal.hints:
            self.note(text)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file whole or not at all.

        Raises:
            UserError: it cannot be written.
        """
        from kmsplan.cli.failure import UserError  # noqa: PLC0415
        from kmsplan.state import durable  # noqa: PLC0415

        try:
            durable.replace(path, content, mark=entropy(4).hex(), allowed=lambda: None)
        except OSError as error:
            raise UserError(
                f"{path} cannot be written: {error.strerror}", "Name a file in a folder that you can write."
            ) from error

    def configuration(self, variables: Variables, *, to_apply: bool = False) -> Configuration:
        """Read and check the configuration folder.

        Args:
            variables: from the command line.
            to_apply: whether what it declares is to be brought about, so that dates in it may not have passed.

        Raises:
            ConfigurationError: with every problem in it.
        """
        from kmsplan.config.load import load  # noqa: PLC0415 - `version` and `completion` do not need YAML

        return load(
            self.directory,
            variables=_pairs(variables.assignments),
            variable_files=variables.files,
            environ=self.environ,
            now=now() if to_apply else None,
        )

    def store(self, configuration: Configuration) -> Store:
        """Return the state store that the configuration names."""
        from kmsplan.cli.stores import open_store  # noqa: PLC0415

        return open_store(self, configuration)


def _pairs(variables: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in variables:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--var takes NAME=VALUE, not {text!r}")
        pairs[name] = value
    return pairs


def pass_session(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the session as its first argument."""

    @click.pass_context
    @functools.wraps(command)
    def wrapper(ctx: click.Context, /, *args: Any, **kwargs: Any) -> Any:
        return ctx.invoke(command, Session(**ctx.find_object(dict) or {}), *args, **kwargs)

    return wrapper
