"""Nonces that are used up in the keystore, once for all nodes that serve the engine.

The processes of one machine know each other's nonces by themselves (`server.nonce`), at next to no cost. Where nodes on
several machines have the engine, the database has the last word: a nonce is used up in the transaction that commits
what the request does, so that of two copies of a request one commits, on whatever nodes they arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kmsplan.engine.keystore.connection import Connection

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
