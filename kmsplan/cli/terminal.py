"""What the terminal can show: colours, progress and width, decided once from flags, environment and the streams."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

_PIPELINES: Final = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "JENKINS_URL", "TEAMCITY_VERSION")
"""Variables by which a pipeline tells that it is one; not each of them sets CI."""
_AUTOMATION: Final = ("KMSPLAN_IN_AUTOMATION", "TF_IN_AUTOMATION")
"""Variables by which somebody says so; any value, as Terraform takes it."""
_OFF: Final = frozenset({"", "0", "false"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The decisions."""

    color: bool
    """Colours on standard output."""
    error_color: bool
    progress: bool
    """A live line or bar on standard error."""
    interactive: bool
    """Somebody can answer a question."""
    hints: bool
    """Print what to run next; not in automation."""
    quiet: bool = False
    """Nothing but the answer and errors."""
    verbose: bool = False
    """What is read and how long it takes, too."""
    columns: int | None = None
    """How wide text on standard output may be; None where nothing limits it, as in a file or pipe."""
    error_columns: int | None = None

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        no_color: bool,
        stdout: TextIO,
        stderr: TextIO,
        quiet: bool = False,
        verbose: bool = False,
    ) -> Terminal:
        """Decide.

        Colours, the first that speaks: --no-color and NO_COLOR (no-color.org) say no; FORCE_COLOR and CLICOLOR_FORCE
        say yes, but 0 of the former says no; CLICOLOR=0, TERM=dumb and a pipeline say no; then a terminal says yes.
        """
        pipeline = any(environ.get(name, "").lower() not in _OFF for name in _PIPELINES)
        automation = pipeline or any(environ.get(name) for name in _AUTOMATION)
        dumb = environ.get("TERM") == "dumb"
        wish = False if no_color else _wish(environ)
        if wish is None and (pipeline or dumb or environ.get("CLICOLOR") == "0"):
            wish = False
        return cls(
            color=stdout.isatty() if wish is None else wish,
            error_color=stderr.isatty() if wish is None else wish,
            progress=stderr.isatty() and not (automation or dumb or quiet or verbose),
            interactive=not automation,
            hints=not (automation or quiet),
            quiet=quiet,
            verbose=verbose,
            columns=_columns(environ, stdout),
            error_columns=_columns(environ, stderr),
        )


def _wish(environ: Mapping[str, str]) -> bool | None:
    """Return what the environment wants whatever the streams are; None where it leaves that to them."""
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR", "").lower()
    if forced:
        return forced not in _OFF
    return True if environ.get("CLICOLOR_FORCE", "") not in ("", "0") else None


def _columns(environ: Mapping[str, str], stream: TextIO) -> int | None:
    """Return COLUMNS, or else how wide the terminal is."""
    said = environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said) > 0:
        return int(said)
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None
