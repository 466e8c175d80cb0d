"""What can be wrong with a state, by who must act. Every message says what, where, why and what to do next.

- StateError
    - StateAccessError      the operating system refuses to read or write: permissions, disk full, I/O error
    - StateCorruptError     the content is not what kmsplan wrote: empty, truncated, not JSON, edited
    - StateMissingError     the snapshot is gone while other parts of the state are there
    - StateVersionError     a newer kmsplan wrote it
    - StateLineageError     it belongs to another state
    - StateMovedError       somebody else wrote a newer serial in the meantime
    - StateKeyError         it is not encrypted with the key that the configuration names
    - UnfinishedRunError    another machine has the journal of a run that was interrupted
    - LockHeldError         another run holds the lock
    - UnlockError           this lock is not to be broken, or not this way
    - FenceError            this process held the lock, and has lost it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from kmsplan.state.holder import Holder


class StateError(Exception):
    """The state cannot be read, written or locked; nothing was changed by whoever raises it."""

    code: ClassVar[str] = "S100"

    def __init__(self, summary: str, remedy: str) -> None:
        self.summary = summary
        self.remedy = remedy
        super().__init__(f"{summary}\n{remedy}")


class StateAccessError(StateError):
    """The operating system refuses."""

    code = "S101"


class StateCorruptError(StateError):
    """The content is not what kmsplan wrote."""

    code = "S102"


class StateMissingError(StateError):
    """The snapshot is gone while other parts of the state are there."""

    code = "S103"


class StateVersionError(StateError):
    """A newer kmsplan wrote it."""

    code = "S104"


class StateLineageError(StateError):
    """It belongs to another state."""

    code = "S105"


class StateMovedError(StateError):
    """Somebody else wrote a newer serial in the meantime."""

    code = "S106"


class UnfinishedRunError(StateError):
    """The journal of an interrupted run is on another machine alone."""

    code = "S107"

    @classmethod
    def of(cls, name: str, holder: Holder) -> UnfinishedRunError:
        """Return the error for a state and who has not finished."""
        return cls(
            f"{name} is in the middle of a run that was interrupted: {holder}",
            "What that run did is in its journal, on that machine. Run kmsplan apply there, in the same folder: it "
            f"finishes the run. If that machine is lost, give the run up with: kmsplan unlock {holder.id}. What it "
            "made is then found by the owner tags, and the plan shows it.",
        )


class StateKeyError(StateError):
    """It is not encrypted with the key that the configuration names."""

    code = "S120"


class LockHeldError(StateError):
    """Another run holds the lock."""

    code = "S110"

    def __init__(self, summary: str, remedy: str, holder: Holder | None) -> None:
        self.holder = holder
        super().__init__(summary, remedy)


class UnlockError(StateError):
    """This lock is not to be broken, or not this way."""

    code = "S111"


class FenceError(StateError):
    """This process held the lock, and has lost it: it must not write any more."""

    code = "S112"
