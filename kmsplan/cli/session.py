"""What every command starts from: the folder, the terminal, the environment, and the ways to state and engine."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kmsplan.cli.meter import Meter
    from kmsplan.cli.options import Variables
    from kmsplan.cli.terminal import Terminal
    from kmsplan.config.configuration import Configuration
    from kmsplan.config.diagnostic import Diagnostic
    from kmsplan.config.expand import Expanded
    from kmsplan.config.objects import Objects
    from kmsplan.kms.secret import SecretBytes
    from kmsplan.report.form import Subject
    from kmsplan.report.scene import Scene
    from kmsplan.state.holder import Holder
    from kmsplan.state.protocol import Store


def now() -> datetime:
    """The only clock."""
    return datetime.now(UTC)


entropy: Callable[[int], bytes] = os.urandom
"""The only source of randomness: the kernel's (secrets.token_bytes is this, and imports hmac and random)."""


_STDOUT: Final = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of the command line."""

    directory: Path
    terminal: Terminal
    debug: bool
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    began: float = field(default_factory=time.monotonic)
    """On the monotonic clock, for --verbose."""
    told: set[str] = field(default_factory=set)
    """Warnings of secrets' files: a command may read its configuration more than once, or another as well."""

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

        style = Style(color=printed and self.terminal.color)
        return render(subject, form, value, replace(scene, style=style, columns=self.columns if printed else None))

    @property
    def columns(self) -> int | None:
        """How wide a table of the answer may be; None where nothing limits it."""
        return self.terminal.columns

    def note(self, text: str) -> None:
        """Print a line beside the answer, on standard error, unless only the answer is wanted."""
        if not self.terminal.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print a line on standard error that whoever wants only the answer has to see, too."""
        click.echo(text, err=True, color=True)

    def trace(self, text: str) -> None:
        """Print what is being done, and how many seconds after the start, with --verbose."""
        if self.terminal.verbose:
            from kmsplan.report.escape import escape  # noqa: PLC0415 - rarely wanted

            self.warn(f"[{time.monotonic() - self.began:7.3f} s] {escape(text)}")

    @contextlib.contextmanager
    def phase(self, doing: str, things: str = "objects", total: int | None = None) -> Iterator[Meter]:
        """Show work that may be long while it is under way; with --verbose, how long it took.

        Args:
            doing: the work, as in "Reading the KMS".
            things: what its meter counts.
            total: of them, where that is known beforehand.
        """
        from kmsplan.cli.meter import Meter  # noqa: PLC0415 - `version` does nothing long

        began = time.monotonic()
        with Meter(self.terminal, doing, things, sys.stderr, total=total) as meter:
            yield meter
        self.trace(f"{doing}: took {time.monotonic() - began:.3f} s")

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
            target = path.resolve()  # a link stays one
            if _stream(path) or _stream(target):
                self._into(path, content)
            else:
                durable.replace(target, content, mark=entropy(4).hex(), allowed=lambda: None)
        except OSError as error:
            raise UserError(
                f"{path} cannot be written: {error.strerror}", "Name a file in a folder that you can write."
            ) from error
        self.trace(f"wrote {path}: {len(content)} bytes")

    def append(self, path: Path, content: bytes) -> None:
        """Write behind what is in a file already.

        Raises:
            UserError: it cannot be written.
        """
        from kmsplan.cli.failure import UserError  # noqa: PLC0415

        try:
            self._into(path, content)
        except OSError as error:
            raise UserError(
                f"{path} cannot be written: {error.strerror}", "Name a file in a folder that you can write."
            ) from error
        self.trace(f"added to {path}: {len(content)} bytes")

    def _into(self, path: Path, content: bytes) -> None:
        if path.as_posix() in _STDOUT:  # opened anew it would have a position of its own, and overwrite
            self.print(content.decode())
            return
        with path.open("ab") as file:
            file.write(content)

    def configuration(
        self,
        variables: Variables,
        *,
        to_apply: bool = False,
        texts: Mapping[str, str] | None = None,
        warned: bool = False,
    ) -> Configuration:
        """Read and check the configuration folder.

        Args:
            variables: from the command line.
            to_apply: whether what it declares is to be brought about, so that dates in it may not have passed.
            texts: by file name: what a file is taken to hold, to try an edit before it is made.
            warned: whether to warn of files with secrets in them that others can read, as commands do that change
                what there is, and whose users read what they say; to all others the files are no news.

        Raises:
            ConfigurationError: with every problem in it.
        """
        from kmsplan.config.load import load  # noqa: PLC0415 - `version` and `completion` do not need YAML

        self._trace_files()
        for path in variables.files:
            self.trace(f"variables: {path}")
        with self.phase("Reading the configuration"):
            configuration = load(
                self.directory,
                variables=_pairs(variables.assignments),
                variable_files=variables.files,
                environ=self.environ,
                now=now() if to_apply else None,
                texts=texts or {},
            )
        self.trace(f"configuration: {len(configuration.desired)} declared, warnings: {len(configuration.warnings)}")
        if warned and configuration.warnings:
            self._warn_of_exposed(configuration.warnings)
        return configuration

    def _warn_of_exposed(self, warnings: Iterable[Diagnostic]) -> None:
        from kmsplan.config.exposed import CODE  # noqa: PLC0415 - rarely wanted
        from kmsplan.report.diagnostics_text import diagnostic_line  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        for one in warnings:
            if one.code == CODE and one.detail not in self.told:
                self.told.add(one.detail)
                self.note(diagnostic_line(one, Style(color=self.terminal.error_color)))

    def _trace_files(self) -> None:
        if self.terminal.verbose:
            from kmsplan.config.folder import configuration_files  # noqa: PLC0415 - rarely wanted, as below
            from kmsplan.config.problems import Problems  # noqa: PLC0415

            names = [path.name for path in configuration_files(self.directory, Problems())]
            self.trace(f"configuration: {self.directory.absolute()}: {', '.join(names) or 'no file'}")

    def secret(self, name: str, what: str) -> SecretBytes:
        """Return what a variable of the environment holds.

        Args:
            name: the variable's.
            what: it is, for whoever has to set it.

        Raises:
            UserError: it is not set, or empty.
        """
        from kmsplan.cli.failure import UserError  # noqa: PLC0415
        from kmsplan.kms.secret import SecretBytes  # noqa: PLC0415

        value = self.environ.get(name, "")
        if not value:
            raise UserError(f"the environment variable {name} is not set, or empty", f"Set it to the {what}.")
        return SecretBytes(value.encode())

    def objects(self, variables: Variables) -> tuple[Expanded, Objects]:
        """Read a valid configuration folder again, with the place of every value, to edit it."""
        from kmsplan.config.load import read_objects  # noqa: PLC0415

        return read_objects(
            self.directory,
            variables=_pairs(variables.assignments),
            variable_files=variables.files,
            environ=self.environ,
        )

    def store(self, configuration: Configuration) -> Store:
        """Return the state store that the configuration names."""
        from kmsplan.cli.stores import open_store  # noqa: PLC0415

        store = open_store(configuration, self.environ, entropy)
        self.trace(f"state: in {store.place}")
        return store


def _stream(path: Path) -> bool:
    """Whether a path is a pipe, a device or an open file of a process: no file must take the place of such a thing."""
    return path.is_relative_to("/dev") or path.is_relative_to("/proc") or (path.exists() and not path.is_file())


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
