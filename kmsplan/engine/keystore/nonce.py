"""Nonces that are used up in the keystore, once for all nodes that serve the engine.

The processes of one machine know each other's nonces by themselves (`server.nonce`), at next to no cost. Where nodes on
several machines have the engine, the database has the last word: a nonce is used up in the transaction that commits
what the request does, so that of two copies of a request one commits, on whatever nodes they arrive.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol

from kmsplan.engine.keystore.folder import flush_folder
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection

FILE: Final = "nonces"
"""Where the processes of one machine keep theirs, in the engine's folder."""
_UNKNOWN: Final = b"of a restored engine: not known\n"
TAG_BYTES: Final = 16
"""As much of a nonce's hash as is kept: two that are equal are found by nobody, least of all by chance."""


class Claim:
    """A request's claim to its nonce.

    Args:
        digest: a hash of the nonce and of whose it is.
        time: what the request says of itself, in seconds since 1970.
    """

    __slots__ = ("_refusal", "held", "tag", "time")

    def __init__(self, digest: bytes, time: int) -> None:
        self.tag = digest[:TAG_BYTES]
        self.time = time
        self.held = False
        """Whether it is committed that this request has the nonce, which then may write as often as it needs to."""
        self._refusal: Callable[[], KmsError] | None = None

    def decide(self, refusal: Callable[[], KmsError] | None) -> None:
        """Say how it went in the transaction that is open: refused, or not."""
        self._refusal = refusal

    def hold(self) -> None:
        """Say that the transaction is committed."""
        self.held = self._refusal is None

    def refusal(self) -> KmsError | None:
        """Return why the request is not answered, or None; only in the transaction that it was handed in for."""
        return None if self._refusal is None else self._refusal()


class SharedNonces(Protocol):
    """Where a database keeps them."""

    def use_up(self, db: Connection, claims: Sequence[Claim]) -> None:
        """Decide claims in the open transaction, all with one statement."""

    def is_due(self, db: Connection, before: int) -> bool:
        """Return whether nonces are kept that are older than a time, in seconds since 1970."""

    def forget(self, db: Connection, before: int) -> bool:
        """Forget some of those, and refuse from now on what is as old; return whether there may be more.

        A time that the database's clock has not reached is taken for the one that it shows, so that a node whose clock
        is ahead shuts nobody out.
        """


def forget_in(folder: Path) -> None:
    """Leave word in a folder that the nonces of the engine which is put there are not known.

    Who has recorded a request that was answered elsewhere could send it again. Whoever serves the engine first finds a
    file that it does not believe, and refuses what was signed until then (`server.nonce`): also what was answered
    elsewhere after the backup, or after this moment.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / FILE
    path.unlink(missing_ok=True)  # not written over: a server that still runs there has it mapped
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_UNKNOWN)
        file.flush()
        os.fsync(file.fileno())
    flush_folder(folder)


def used() -> KmsError:
    """Return the error of a nonce that was used before."""
    return KmsError("SignatureNonceUsed", "Specified signature nonce was used already.")


def forgotten() -> KmsError:
    """Return the error of a request that is as old as nonces that are not known any more."""
    return KmsError(
        "InvalidTimeStamp.Expired",
        "The server cannot tell any more whether the request was answered before. Sign it again, and set the client's "
        "clock.",
    )
