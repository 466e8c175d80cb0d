"""`kmsplan fmt`: configuration files in their canonical form."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError
from kmsplan.cli.session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.config.document import Document
    from kmsplan.config.problems import Problems

_STREAM: Final = Path("-")
_STREAM_NAME: Final = "<stdin>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file, and what it is in canonical form."""

    path: Path
    name: str
    before: Document
    after: Document

    @property
    def changes(self) -> bool:
        """Whether it is not in canonical form."""
        return self.before is not self.after


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--check", is_flag=True, help="Write nothing; exit code 3 where a file would change.")
@click.option("--diff", is_flag=True, help="Print what changes as a unified diff, instead of names.")
@pass_session
def fmt(session: Session, paths: tuple[Path, ...], *, check: bool, diff: bool) -> ExitCode:
    """Write configuration files in their canonical form, and print the names of those that change.

    Only the space between what is written changes: comments, quotes, line breaks and order stay. Without PATH these are
    the YAML files of the configuration folder, those of variables, too; a folder as PATH means the files in it. With -
    standard input is printed in canonical form. Where one of the files cannot be read, none is written.
    """
    if _STREAM in paths and len(paths) > 1:
        raise click.UsageError("- is standard input, and takes no other PATH beside it.")
    files = _formatted(session, paths)
    changed = [file for file in files if file.changes]
    if _STREAM in paths and not check and not diff:
        session.print(files[0].after.source.text)
        return ExitCode.DONE
    if not check and _STREAM not in paths:
        _write(session, changed)
    for file in changed:
        _tell(session, file, diff=diff)
    if not check or not changed:
        return ExitCode.DONE
    session.hint("kmsplan fmt writes them in canonical form; --diff shows how.")
    return ExitCode.FORMAT


def _formatted(session: Session, paths: Sequence[Path]) -> list[_File]:
    """Read files, and return them with their canonical forms.

    Raises:
        ConfigurationError: one cannot be read.
        UserError: one would not say the same any more.
    """
    from kmsplan.config.diagnostic import ConfigurationError  # noqa: PLC0415 - `--help` needs no YAML, as below
    from kmsplan.config.problems import Problems  # noqa: PLC0415

    problems = Problems()
    read = [*_documents(session, paths, problems)]
    if problems:
        raise ConfigurationError(problems.diagnostics())
    return [_file(path, document) for path, document in read]


def _documents(session: Session, paths: Sequence[Path], problems: Problems) -> Iterator[tuple[Path, Document]]:
    from kmsplan.config.folder import read, read_stream, yaml_files  # noqa: PLC0415

    if _STREAM in paths:
        document = read_stream(sys.stdin.buffer, _STREAM_NAME, problems)
        if document is not None:
            yield _STREAM, document
        return
    named: dict[Path, Path] = {}
    for path in paths or [session.directory]:
        for file in yaml_files(path, problems) if path.is_dir() or not paths else [path]:
            named.setdefault(file.resolve(), file)
    for path in named.values():
        document = read(path, str(path), problems)
        if document is not None:
            yield path, document


def _file(path: Path, before: Document) -> _File:
    from kmsplan.config.canonical import NotFormattableError, formatted  # noqa: PLC0415

    name = _STREAM_NAME if path == _STREAM else str(path)
    try:
        return _File(path=path, name=name, before=before, after=formatted(before))
    except NotFormattableError:
        raise UserError(
            f"{name} would say something else in canonical form",
            "No file was changed. This is a bug in kmsplan: format this file by hand, and report what is in it.",
        ) from None


def _write(session: Session, files: Sequence[_File]) -> None:
    from kmsplan.cli.rewriting import require_unchanged, rewrite  # noqa: PLC0415

    require_unchanged({file.path: file.before.source.text for file in files})
    for file in files:
        rewrite(session, file.path, file.after.source.text)


def _tell(session: Session, file: _File, *, diff: bool) -> None:
    """Print what became of a file that is not in canonical form."""
    if diff:
        from kmsplan.report.format_diff import format_diff  # noqa: PLC0415
        from kmsplan.report.style import Style  # noqa: PLC0415

        session.print(format_diff(file.name, file.before, file.after, Style(color=session.terminal.color)))
    else:
        from kmsplan.report.escape import escape  # noqa: PLC0415

        session.say(escape(file.name))
