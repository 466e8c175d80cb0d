"""What the crash harness interrupts: a folder as it was before, and the command that changes it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash import sparse
from tests.crash.forked import Place
from tests.crash.site import CONFIGURATION, Site

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Step:
    """A configuration, and how it is applied."""

    text: str
    options: tuple[str, ...] = ()

    def command(self, parallelism: int = 1) -> tuple[str, ...]:
        """Return the command that applies it."""
        return ("apply", "--auto-approve", "--parallelism", str(parallelism), *self.options)


def _nothing(root: Path) -> None:
    del root


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is interrupted, and what must be true after the next run."""

    name: str
    before: tuple[Step, ...] = ()
    """Applied without faults."""
    after: Step
    command: tuple[str, ...] = ()
    """What is interrupted, and run again; the apply of `after` where it is empty."""
    prepare: Callable[[Path], None] = _nothing
    """Changes the folder once more, behind kmsplan's back."""
    site: Site = field(default_factory=Site)
    secrets: dict[str, bytes] = field(default_factory=dict)
    """File or variable -> what it holds, and no other file may. A variable's name is written in capitals."""

    def interrupted(self, parallelism: int) -> tuple[str, ...]:
        """Return the command that is interrupted."""
        return self.command or self.after.command(parallelism)

    @property
    def hidden(self) -> dict[str, bytes]:
        """Return what no file may hold but the one with its name."""
        return self.secrets | dict(self.site.secrets)

    def found(self, root: Path) -> Place:
        """Make the folder as it is before the command."""
        root.mkdir()
        for name, content in self.secrets.items():
            if not name.isupper():
                (root / name).write_bytes(content)
        self.site.found(root)
        place = self._place(root)
        for step in self.before:
            self._write(root, step)
            place.require(*step.command())
        self.prepare(root)
        self._write(root, self.after)
        return place

    def copy(self, prepared: Path, root: Path) -> Place:
        """Make another folder like one that `found` has made."""
        shutil.copytree(prepared, root, copy_function=sparse.copy)
        self.site.copy(prepared, root)
        return self._place(root)

    def remove(self, place: Place) -> None:
        """Remove a folder."""
        self.site.remove(place.root)
        shutil.rmtree(place.root)
        place.output.unlink(missing_ok=True)

    def _write(self, root: Path, step: Step) -> None:
        (root / CONFIGURATION).write_text(self.site.written(root, step.text))

    def _place(self, root: Path) -> Place:
        variables = {name: value.decode() for name, value in self.secrets.items() if name.isupper()}
        return Place(root, root.with_name(f"{root.name}.printed"), variables | self.site.environ(root))
