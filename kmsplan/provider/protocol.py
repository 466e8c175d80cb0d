"""What every provider is: a Reader, and where changes are wanted a Provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from kmsplan.kms.operation import Operation
    from kmsplan.kms.trail import Event
    from kmsplan.resource.hsmobject import HsmObject
    from kmsplan.resource.offer import Offer
    from kmsplan.resource.value import Observed


@dataclass(frozen=True, slots=True)
class Executed:
    """A successful operation's answer."""

    identity: str | None = None
    """The id of what it made, where it made something."""


def nothing() -> None:
    """Write nothing down: for operations that no journal knows."""


class Reader(Protocol):
    """Reads a KMS; has no way to change it."""

    @property
    def offer(self) -> Offer:
        """What this KMS can do."""

    def observe(self, identities: Collection[str]) -> Observed:
        """Read the objects with these identities, and list what else there is.

        Raises:
            KmsError: nothing at all could be read.
        """

    def close(self) -> None:
        """Give back connections and processes."""


@runtime_checkable
class Trail(Protocol):
    """Tells who did what: a reader of a KMS that keeps an audit trail, or a file that one was exported to."""

    def newest(self, actions: Collection[str]) -> Iterator[Event]:
        """Yield successful calls of these actions, the newest first; the reader may stop at any."""


@runtime_checkable
class Tokens(Protocol):
    """Tells what HSMs hold that is not the KMS's: a reader of a KMS that can let a key stand for such an object."""

    def hsm_objects(self, instance: str) -> tuple[HsmObject, ...]:
        """Return the keys in a hardware instance's token that no KMS made, and that no key stands for yet.

        Raises:
            KmsError: the token does not answer.
        """


class Provider(Reader, Protocol):
    """Carries out operations too."""

    def prepare(self) -> str:
        """Make ready for operations, which may mean to make the KMS; return its environment.

        Called once, when it is decided that there is something to do.

        Raises:
            KmsError: it cannot be made ready; nothing was done.
        """

    def look_up(self, identity: str | None, owner: str | None) -> Observed:
        """Read one object by its identity, or whatever carries an owner tag; what else there is may be left out.

        An operation whose answer was lost is settled with it, while others are under way.

        Raises:
            KmsError: it could not be read.
        """

    def execute(self, operation: Operation, intent: Callable[[], None] = nothing) -> Executed:
        """Carry out one operation, whose references are all resolved. Safe to call from several threads.

        Args:
            operation: what to do.
            intent: makes it durable that this is about to be done. It is called before anything of it can have
                happened, as late as that is sure, from whatever thread; where it raises, nothing is done.

        Raises:
            KmsError: the KMS refused or failed; `facts.in_doubt` says whether it may have happened all the same.
            Exception: what `intent` raised.
        """

    def self_test(self, identity: str) -> bool:
        """Use a key once, there and back; return whether this KMS has a way to.

        Raises:
            KmsError: the key does not do what it is for.
        """

    def witness(self, lineage: str, serial: int, home: str | None) -> None:
        """Tell the KMS the serial that the state has come to, which `observe` tells to whoever comes with an older one.

        Args:
            lineage: of the state.
            serial: that it is at.
            home: an instance or key of that state with room for a tag, where there is one.

        Raises:
            KmsError: it could not be told.
        """
