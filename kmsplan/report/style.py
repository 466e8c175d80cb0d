"""Colours, or none. A value that the command line decides on; no renderer looks at the terminal or the environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """How to mark text; without colour every method returns its text as it is."""

    color: bool = False

    def bold(self, text: str) -> str:
        """For headings."""
        return self._marked("1", text)

    def dim(self, text: str) -> str:
        """For what is beside the point."""
        return self._marked("2", text)

    def red(self, text: str) -> str:
        """For errors and deletions."""
        return self._marked("31", text)

    def green(self, text: str) -> str:
        """For creations and success."""
        return self._marked("32", text)

    def yellow(self, text: str) -> str:
        """For updates and warnings."""
        return self._marked("33", text)

    def cyan(self, text: str) -> str:
        """For what is adopted, restored or moved."""
        return self._marked("36", text)

    def error(self, text: str) -> str:
        """For the word Error."""
        return self._marked("1;31", text)

    def warning(self, text: str) -> str:
        """For the word Warning."""
        return self._marked("1;33", text)

    def _marked(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color else text
