"""What every store of states offers, so that applying does not know where a state is kept."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Effect
    from kmsplan.state.cipher import Codec
    from kmsplan.state.entry import Ending
    from kmsplan.state.holder import Holder
    from kmsplan.state.past import Serial
    from kmsplan.state.recoding import Rekeyed
    from kmsplan.state.record import Deletions, Pending, Recorded


class Journal(Protocol):
    """What a run writes down. Safe to call from several threads.

    Every method raises StateError where it cannot write; nothing can be written after that.
    """

    def run(
        self,
        *,
        command: str,
        environment: str = "",
        plan: str = "",
        by: str = "",
        serial: int | None = None,
        deletions: Deletions | None = None,
    ) -> None:
        """A run begins.

        Args:
            command: What it is.
            environment: The KMS that it works on.
            plan: Digest of what it carries out.
            by: Who started it, user@host.
            serial: A later one than the state's, which the run then makes even if it changes nothing.
            deletions: What it is allowed to delete.
        """

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
        """Take an intent. The operation may happen once `flush` has returned."""

    def end(
        self,
        begin: int,
        ending: Ending,
        *,
        identity: str | None = None,
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        """The operation that `begin` began has ended. Durable with the next flush."""

    def record(
        self, address: Address, effect: Effect, *, identity: str | None = None, moved_from: Address | None = None
    ) -> None:
        """A record changes without any operation. Durable with the next flush."""

    def flush(self, sequence: int | None = None) -> None:
        """Return when the entry with this sequence number is durable, or with None every entry."""

    def recorded(self) -> Recorded:
        """Return the state with everything folded in that was written down so far."""


class Writing(Protocol):
    """An opened state. Its user holds the lock."""

    recorded: Recorded
    """As it was when it was opened."""
    written: int
    """Serial of the snapshot as it was read; a run that was cut off before its snapshot left `recorded` ahead of it."""

    @property
    def journal(self) -> Journal:
        """The journal, for a state that exists."""

    def init(self, lineage: str) -> None:
        """Make the state, where there is none yet."""

    def save(self, *, finished: bool = True) -> Recorded:
        """Write a new snapshot of everything that was written down, and return it.

        Args:
            finished: Whether the run came to its end, so that nothing is left of what it was allowed to delete.

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

    @property
    def holder(self) -> Holder:
        """Who holds it."""

    def check(self) -> None:
        """Raise FenceError if it was broken."""

    def release(self) -> None:
        """Give it back."""


class Store(Protocol):
    """Where one state is kept."""

    @property
    def place(self) -> str:
        """Where that is, for messages."""

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

    def unlock(self, identifier: str) -> Holder:
        """Break the lock of a holder that is stopped or cut off; return who it was.

        Raises:
            UnlockError: nobody holds the lock, it has another id, or its holder is alive.
        """

    def history(self) -> list[Serial]:
        """Return every serial, the current one last."""

    def load_serial(self, serial: int) -> Recorded:
        """Read an earlier serial, or the current one by its number.

        Raises:
            StateMissingError: there is none with this number.
        """

    def rekey(self, before: Sequence[Codec], lock: Held) -> Rekeyed:
        """Put everything that is kept under the store's own codec: what is recorded now, every serial, every journal.

        Cut off anywhere, the state opens with the codec before or with the store's, and the same call finishes it.

        Args:
            before: How parts of it may be kept now; at least one.
            lock: Held.

        Raises:
            StateKeyError: what is recorded now opens with none of the codecs; nothing was changed.
        """
