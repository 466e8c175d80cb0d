"""Reports: printed in one form, and kept as files in any number of others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kmsplan.cli.session import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.report.form import Subject
    from kmsplan.report.scene import Scene

TEXT: Final = "text"
JSON: Final = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Which reports of one subject are wanted, and where they go."""

    subject: Subject
    form: str = TEXT
    """Of the one that is printed, or written to `output`."""
    output: Path | None = None
    files: tuple[tuple[str, Path], ...] = ()
    """More of them: form and file."""

    def deliver(self, session: Session, value: Any, scene: Scene) -> None:
        """Write every report that is wanted.

        Raises:
            UserError: one cannot be written; those that can are.
        """
        self.keep(session, value, scene)
        text = session.render(self.subject, self.form, value, scene, printed=self.output is None)
        if self.output is None:
            session.print(text)
        else:
            session.write(self.output, text.encode())

    def keep(self, session: Session, value: Any, scene: Scene) -> None:
        """Write those that are files.

        Raises:
            UserError: one cannot be written; the others are.
        """
        from kmsplan.cli.failure import UserError  # noqa: PLC0415

        failed: UserError | None = None
        for form, path in self.files:
            text = session.render(self.subject, form, value, scene, printed=False)
            try:
                session.write(path, text.encode())
            except UserError as error:
                failed = failed or error
        if failed is not None:
            raise failed


class _FormAndFile(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic since click 8.2
    """FORM=FILE."""

    name = "FORM=FILE"

    def __init__(self, subject: str) -> None:
        self._subject = subject

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return form and path."""
        from kmsplan.report.form import Subject, forms  # noqa: PLC0415 - only where a report is wanted

        if isinstance(value, tuple):
            return value
        form, equals, path = str(value).partition("=")
        if not equals or not path:
            self.fail(f"{value!r} is not FORM=FILE, such as markdown=plan.md", param, ctx)
        known = forms(Subject(self._subject))
        if form not in known:
            self.fail(f"{form!r} is no form of this report; there are {', '.join(known)}", param, ctx)
        return form, Path(path)


def report_options(subject: Subject, *, printed: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --report, and where the report is printed --format, --output and --json; the command gets `reports`."""
    from kmsplan.report.form import forms  # noqa: PLC0415

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        import functools  # noqa: PLC0415

        @functools.wraps(command)
        def wrapper(
            *args: Any,
            report_files: tuple[tuple[str, Path], ...],
            form: str = TEXT,
            output: Path | None = None,
            printed_json: bool = False,
            **kwargs: Any,
        ) -> Any:
            if printed_json and form not in (TEXT, JSON):
                raise click.UsageError(f"--json and --format {form} exclude each other")
            reports = Reports(subject=subject, form=JSON if printed_json else form, output=output, files=report_files)
            return command(*args, reports=reports, **kwargs)

        options = [
            click.option(
                "--report",
                "report_files",
                multiple=True,
                type=_FormAndFile(subject),
                help="Also write this report; repeatable.",
            )
        ]
        if printed:
            options += [
                click.option(
                    "--format",
                    "form",
                    type=click.Choice(forms(subject)),
                    default=TEXT,
                    help="Of the report.  [default: text]",
                ),
                click.option(
                    "--output",
                    type=click.Path(path_type=Path, dir_okay=False),
                    help="Write the report to this file instead of printing it.",
                ),
                click.option("--json", "printed_json", is_flag=True, help="The same as --format json."),
            ]
        result: Callable[..., Any] = wrapper
        for option in options:
            result = option(result)
        return result

    return add


def scene_of(session: Session, configuration: Configuration | None, environment: str = "") -> Scene:
    """Return what reports say beside their subject; its text has no colours until it is printed."""
    from kmsplan.report.scene import Scene  # noqa: PLC0415

    desired = configuration.desired if configuration is not None else {}
    folder = Path(os.path.relpath(session.directory)).as_posix()
    return Scene(
        now=now(),
        environment=environment,
        places={address: declared.span for address, declared in desired.items()},
        folder="" if folder == "." else folder,
    )
