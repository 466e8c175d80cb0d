"""What the terminal can show: colours and progress, decided once from flags, environment and the streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The decisions."""

    color: bool
    """Colours on standard output."""
    error_color: bool
    progress: bool
    """A live progress bar on standard error."""
    interactive: bool
    """Somebody can answer a question."""
    hints: bool
    """Print what to run next; not in automation."""

    @classmethod
    def of(cls, environ: Mapping[str, str], *, no_color: bool, stdout: TextIO, stderr: TextIO) -> Terminal:
        """Decide. FORCE_COLOR beats the pipe, NO_COLOR and --no-color beat FORCE_COLOR (no-color.org)."""
        refused = no_color or bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        forced = bool(environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE"))
        automation = bool(environ.get("CI") or environ.get("KMSPLAN_IN_AUTOMATION") or environ.get("TF_IN_AUTOMATION"))
        return cls(
            color=not refused and (forced or stdout.isatty()),
            error_color=not refused and (forced or stderr.isatty()),
            progress=stderr.isatty() and not automation and environ.get("TERM") != "dumb",
            interactive=not automation,
            hints=not automation,
        )
