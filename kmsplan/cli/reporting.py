"""Reports: printed in one form, and kept as files in any number of others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kmsplan.cli.session import now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem

    from kmsplan.cli.failure import UserError
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.inventory.due import Due
    from kmsplan.report.form import Subject
    from kmsplan.report.scene import Scene

TEXT: Final = "text"
JSON: Final = "json"
_DATED: Final = frozenset({"html"})
"""Forms that show a calendar."""
_COLLECTED: Final = frozenset({"github-output", "github-summary"})
"""Forms for `$GITHUB_OUTPUT` and `$GITHUB_STEP_SUMMARY`, to which every command of a step adds."""
_TOPS: Final = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY")
"""Variables that name the repository's top in GitHub Actions, GitLab and Azure Pipelines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Which reports of one subject are wanted, and where they go."""

    subject: Subject
    form: str = TEXT
    """Of the one that is printed, or written to `output`."""
    output: Path | None = None
    files: tuple[tuple[str, Path], ...] = ()
    """More of them: form and file."""

    @property
    def dated(self) -> bool:
        """Whether one of them shows what falls due, so that somebody has to look it up."""
        return not _DATED.isdisjoint((self.form, *(form for form, _ in self.files)))

    def deliver(self, session: Session, value: Any, scene: Scene) -> None:
        """Write every report that is wanted.

        Raises:
            UserError: one cannot be written; those that can are.
        """
        files = [*self.files] if self.output is None else [*self.files, (self.form, self.output)]
        failed = self._written(session, files, value, scene)
        if self.output is None:
            session.print(session.render(self.subject, self.form, value, scene))
        if failed is not None:
            raise failed

    def keep(self, session: Session, value: Any, scene: Scene) -> None:
        """Write those that are files.

        Raises:
            UserError: one cannot be written; the others are.
        """
        failed = self._written(session, self.files, value, scene)
        if failed is not None:
            raise failed

    def _written(
        self, session: Session, files: Sequence[tuple[str, Path]], value: Any, scene: Scene
    ) -> UserError | None:
        """Write files, all that can be; return what is wrong with the others."""
        from kmsplan.cli.failure import UserError  # noqa: PLC0415

        failed: list[UserError] = []
        for form, path in files:
            text = session.render(self.subject, form, value, scene, printed=False)
            try:
                _write(session, form, path, text)
            except UserError as error:
                failed.append(error)
        return UserError("; ".join(map(str, failed)), failed[0].remedy) if failed else None


def _write(session: Session, form: str, path: Path, text: str) -> None:
    """Write one report; a form that GitHub collects from several commands of a step goes behind what is there."""
    if form in _COLLECTED:
        session.append(path, text.encode())
    else:
        session.write(path, text.encode())


class _FormAndFile(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic since click 8.2
    """FORM=FILE."""

    name = "FORM=FILE"

    def __init__(self, subject: str) -> None:
        self._subject = subject

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Suggest the forms."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415

        from kmsplan.report.form import Subject, forms  # noqa: PLC0415

        del ctx, param
        return [CompletionItem(f"{form}=") for form in forms(Subject(self._subject)) if form.startswith(incomplete)]

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
                help=f"Also write this report; repeatable. FORM: {', '.join(forms(subject))}.",
            )
        ]
        if printed:
            options += [
                click.option(
                    "--format",
                    "form",
                    type=click.Choice(forms(subject)),
                    default=TEXT,
                    metavar="FORM",
                    help=f"Of the report: {', '.join(forms(subject))}.  [default: text]",
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


def scene_of(
    session: Session, configuration: Configuration | None, environment: str = "", due: tuple[Due, ...] = ()
) -> Scene:
    """Return what reports say beside their subject; its text has no colours until it is printed."""
    from kmsplan.report.scene import Scene  # noqa: PLC0415
    from kmsplan.resource.kinds import dependencies  # noqa: PLC0415

    desired = configuration.desired if configuration is not None else {}
    return Scene(
        now=now(),
        environment=environment,
        places={address: declared.span for address, declared in desired.items()},
        parents={
            address: parent
            for address, declared in desired.items()
            for parent in dependencies(address, declared.attributes)
        },
        due=due,
        folder=_folder(session),
    )


def _folder(session: Session) -> str:
    """Return the configuration folder as pipelines name files: from the repository's top, or else from here."""
    directory = session.directory.resolve()
    tops = (session.environ.get(name) for name in _TOPS)
    top = next((top for top in tops if top and directory.is_relative_to(Path(top).resolve())), None)
    folder = Path(os.path.relpath(directory, Path(top).resolve() if top else None)).as_posix()
    return "" if folder == "." else folder
