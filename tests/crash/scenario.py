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


def _nothing(root: Path) -> None:
    del root


@dataclass(frozen=True, kw_only=True)
class Step:
    """A configuration, and what is run with it."""

    text: str
    options: tuple[str, ...] = ()
    """Of the apply."""
    instead: tuple[str, ...] = ()
    """What is run instead of an apply."""
    prepare: Callable[[Path], None] = _nothing
    """Changes the folder before, behind kmsplan's back."""

    def command(self, parallelism: int = 1) -> tuple[str, ...]:
        """Return the command."""
        return self.instead or ("apply", "--auto-approve", "--parallelism", str(parallelism), *self.options)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is interrupted, and what must be true after the next run."""

    name: str
    before: tuple[Step, ...] = ()
    """Run without faults."""
    ready: tuple[Step, ...] = ()
    """The same, when the keys have encrypted what they have to open in the end."""
    after: Step
    """What is interrupted, and run again. `<ADDRESS>` in its command is the recorded identity."""
    refusals: tuple[str, ...] = ()
    """Run again, it may be refused with one of these: the interrupted one was carried out."""
    then: tuple[Step, ...] = ()
    """What must succeed after that."""
    turned: bool = False
    """Whether it is not run again, but `then` takes it back, wherever it was interrupted."""
    seals: tuple[str, ...] = ()
    """Configurations of which one, and one alone, opens the engine at any time."""
    site: Site = field(default_factory=Site)
    secrets: dict[str, bytes] = field(default_factory=dict)
    """File or variable -> what it holds, and no other file may. A variable's name is written in capitals."""

    def interrupted(self, parallelism: int) -> tuple[str, ...]:
        """Return the command that is interrupted."""
        return self.after.command(parallelism)

    @property
    def hidden(self) -> dict[str, bytes]:
        """Return what no file may hold but the one with its name."""
        return self.secrets | dict(self.site.secrets)

    def found(self, root: Path, look: Callable[[Place], object] = lambda _: None) -> Place:
        """Make the folder as it is before the command.

        Args:
            root: the folder.
            look: called when what is `before` was run, if anything is.
        """
        root.mkdir()
        for name, content in self.secrets.items():
            if not name.isupper():
                (root / name).write_bytes(content)
        self.site.found(root)
        place = self._place(root)
        for step in self.before:
            self.carry_out(place, step)
        if self.before:
            look(place)
        for step in self.ready:
            self.carry_out(place, step)
        self.after.prepare(root)
        self._write(root, self.after.text)
        return place

    def carry_out(self, place: Place, step: Step) -> None:
        """Run a step, which must succeed."""
        step.prepare(place.root)
        self._write(place.root, step.text)
        place.require(*step.command())

    def opening(self, place: Place) -> list[bool]:
        """Return which of the seals open the engine."""
        found = []
        for text in self.seals:
            self._write(place.root, text)
            found.append(place.run("engine", "unseal").code == 0)
        return found

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

    def _write(self, root: Path, text: str) -> None:
        (root / CONFIGURATION).write_text(self.site.written(root, text))

    def _place(self, root: Path) -> Place:
        variables = {name: value.decode() for name, value in self.secrets.items() if name.isupper()}
        return Place(root, root.with_name(f"{root.name}.printed"), variables | self.site.environ(root))
