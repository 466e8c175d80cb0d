"""The order of changes: each after everything it depends on, as many at a time as there are workers."""

from __future__ import annotations

import threading
from collections import deque
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.plan.plan import Change
    from kmsplan.resource.address import Address


class Schedule:
    """Hands out changes to workers. Safe to use from several threads.

    What a finished change sets free goes first, so that a key gets its aliases before the next key begins.
    """

    def __init__(self, changes: Sequence[Change]) -> None:
        """Sort.

        Raises:
            graphlib.CycleError: the changes depend on each other in a circle.
        """
        self._changes = {change.address: change for change in changes}
        self._sorter: TopologicalSorter[Address] = TopologicalSorter(
            {change.address: self._known(change) for change in changes}
        )
        self._sorter.prepare()
        self._ready = deque(self._sorter.get_ready())
        self._undone: set[Address] = set()
        self._abandoned = False
        self._changed = threading.Condition()

    def _known(self, change: Change) -> list[Address]:
        """Return the dependencies that are changes too; the others are there already."""
        return [address for address in change.depends_on if address in self._changes]

    def take(self) -> Change | None:
        """Return the next change, waiting for one to be set free; None when there is none left."""
        with self._changed:
            while not self._ready:
                if self._abandoned or not self._sorter.is_active():
                    return None
                self._changed.wait()
            return self._changes[self._ready.popleft()]

    def unmet(self, change: Change) -> Address | None:
        """Return a dependency that was not done, or None."""
        if not self._undone:
            return None
        return next((address for address in change.depends_on if address in self._undone), None)

    def finish(self, change: Change, *, done: bool) -> None:
        """Set free what depends on a change."""
        with self._changed:
            if not done:
                self._undone.add(change.address)
            self._sorter.done(change.address)
            free = self._sorter.get_ready()
            self._ready.extendleft(reversed(free))
            if free or not self._sorter.is_active():
                self._changed.notify_all()

    def abandon(self) -> None:
        """Hand out nothing more: a worker has died of a bug."""
        with self._changed:
            self._abandoned = True
            self._ready.clear()
            self._changed.notify_all()
