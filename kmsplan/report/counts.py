"""How much a plan or an outcome is, counted the way CI tools expect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.plan.plan import Action
from kmsplan.resource.address import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.plan.plan import Change

ADDED: Final = (Action.CREATE, Action.REPLACE)
CHANGED: Final = (Action.UPDATE, Action.RESTORE)
DESTROYED: Final = (Action.DELETE,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The three numbers of Terraform's summary line, and what they leave unsaid."""

    add: int
    change: int
    """With what is adopted and changed, which is among the actions that adopt as well: as Terraform counts imports."""
    destroy: int
    actions: Counter[Action]
    """Of changes that are not blocked."""
    scheduled: int
    """Keys among the deletions: they wait out their window."""
    recorded: int
    """Changes of records alone."""
    blocked: int

    @property
    def also(self) -> tuple[tuple[int, str], ...]:
        """What the three numbers leave unsaid, with its words, where there is any."""
        rows = (
            (self.scheduled, "to schedule for deletion"),
            (self.actions[Action.RESTORE], "to restore"),
            (self.actions[Action.REPLACE], "to replace"),
            (self.actions[Action.ADOPT], "to adopt"),
            (self.actions[Action.FORGET], "to forget"),
            (self.recorded, "to record"),
            (self.blocked, "blocked"),
        )
        return tuple(row for row in rows if row[0])


def counts(changes: Iterable[Change]) -> Counts:
    """Count changes."""
    changes = tuple(changes)
    active = [change for change in changes if change.active]
    actions = Counter(change.action for change in active)
    return Counts(
        add=sum(actions[action] for action in ADDED),
        change=sum(change.action in CHANGED or change.adopts_and_changes for change in active),
        destroy=sum(actions[action] for action in DESTROYED),
        actions=actions,
        scheduled=sum(
            change.action is Action.DELETE and kind_of(change.address) in ("key", "default_key") for change in active
        ),
        recorded=actions[Action.NO_OP],
        blocked=sum(change.blocked is not None for change in changes),
    )
