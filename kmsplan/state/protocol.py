"""What every store of states offers, so that applying does not know where a state is kept."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Effect
    from kmsplan.state.entry import Ending
    from kmsplan.state.holder import Holder
    from kmsplan.state.record import Pending, Recorded


class Journal(Protocol):
    """What a run writes down. Safe to call from several threads.

    Every method raises StateError where it cannot write; nothing can be written after that.
    """

    def run(self, *, command: str, environment: str = "", plan: str = "") -> None:
        """A run begins."""

    def begin(
        self,
        *,
        address: Address,
        operation: str,
        parameters: Mapping[str, Any],
        token: str | None,
        identity: str | None,
        effect: Effect,
    ) -> Pending:
        """Return once the intent is durable. The operation may be sent then."""

    def end(
        self,
        begin: int,
        ending: Ending,
        *,
        identity: str | None = None,
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        """The operation that `begin` began has ended. Durable with the next begin, or flush."""

    def record(
        self, address: Address, effect: Effect, *, identity: str | None = None, moved_from: Address | None = None
    ) -> None:
        """A record changes without any operation. Durable with the next begin, or flush."""

    def flush(self) -> None:
        """Return when everything is durable."""

    def recorded(self) -> Recorded:
        """Return the state with everything folded in that was written down so far."""


class Writing(Protocol):
    """An opened state. Its user holds the lock."""

    recorded: Recorded
    """As it was when it was opened."""

    @property
    def journal(self) -> Journal:
        """The journal, for a state that exists."""

    def init(self, lineage: str) -> None:
        """Make the state, where there is none yet."""

    def save(self) -> Recorded:
        """Write a new snapshot of everything that was written down, and return it.

        Raises:
            StateError: it could not be written. The snapshot and journal before it are untouched.
        """

    def close(self) -> None:
        """Flush the journal."""


class Held(Protocol):
    """A held lock."""

    @property
    def fence(self) -> int:
        """Its number; it only grows from one holding to the next."""

    def check(self) -> None:
        """Raise FenceError if it was broken."""

    def release(self) -> None:
        """Give it back."""


class Store(Protocol):
    """Where one state is kept."""

    def load(self) -> Recorded:
        """Read the state; NO_STATE where there is none. Never waits for a lock.

        Raises:
            StateError: it is there, and cannot be read as it should.
        """

    def init(self, lineage: str) -> Recorded:
        """Make an empty state unless there is one, and return the one that is there then. Needs no lock."""

    def lock(
        self, *, owner: str, command: str, timeout: float = 0.0, waiting: Callable[[Holder | None], None] = ...
    ) -> AbstractContextManager[Held]:
        """Take the lock, waiting up to `timeout` seconds.

        Raises:
            LockHeldError: somebody else holds it.
        """

    def open(self, lock: Held) -> AbstractContextManager[Writing]:
        """Read the state for writing."""
