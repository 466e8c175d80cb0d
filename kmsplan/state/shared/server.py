"""What a server of Terraform's http protocol is asked: for the document, to keep another one, to lock, to unlock."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson

from kmsplan.state.error import FenceError, StateAccessError, StateMovedError
from kmsplan.state.holder import Holder
from kmsplan.state.shared.client import place, refusal
from kmsplan.state.shared.document import decode
from kmsplan.state.shared.remote import ClaimedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.state.shared.client import Answer, Client
    from kmsplan.state.shared.document import Document

_DONE: Final = frozenset({200, 201, 204})
_NOTHING: Final = frozenset({204, 404})
_LOCKED: Final = frozenset({409, 423})
_MOVED: Final = 412
_ATTEMPTS: Final = 3
_PAUSE: Final = 1.0

NAMELESS: Final = Holder(
    id="unknown",
    owner="somebody whom the server does not name",
    pid=0,
    command="",
    acquired=datetime.fromtimestamp(0, UTC),
    heartbeat=datetime.fromtimestamp(0, UTC),
    fence=0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the server is asked for what, and with which methods."""

    address: str
    lock_address: str
    unlock_address: str
    lock_method: str = "LOCK"
    unlock_method: str = "UNLOCK"
    update_method: str = "POST"


class Server:
    """One document on a server, and its lock.

    Args:
        addresses: of the server.
        client: asks it.
        version: of kmsplan, for the description of who locks.
        sleep: waits between attempts.
    """

    def __init__(
        self, addresses: Addresses, client: Client, version: str, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._at = addresses
        self._client = client
        self._version = version
        self._sleep = sleep
        self.name = f"the state at {place(addresses.address)}"

    def get(self) -> tuple[Document | None, str | None]:
        """Return the document and its ETag; None where there is none.

        Raises:
            StateError: the server refuses, or kmsplan did not write what it keeps.
        """
        answer = self._client.send("GET", self._at.address)
        if answer.status in _NOTHING or (answer.status == 200 and not answer.content):  # noqa: PLR2004 - OK
            return None, None
        if answer.status != 200:  # noqa: PLR2004 - as above
            raise refusal("to show the state", self._at.address, answer)
        return decode(answer.content, self.name), answer.etag

    def put(self, document: Document, holder: Holder, etag: str | None) -> None:
        """Keep a document; an answer that got lost is looked for in what is there.

        Args:
            document: the new one.
            holder: of the lock.
            etag: of the one that was read; None where the server gave none.

        Raises:
            FenceError: somebody else has the lock.
            StateMovedError: another document is there than was read.
            StateAccessError: the server cannot be reached or refuses.
        """
        content = document.encode()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._post(content, holder, etag)
            except StateAccessError:
                if attempt == _ATTEMPTS:
                    raise
                self._sleep(_PAUSE)
                continue
            if answer.status < 500 or attempt == _ATTEMPTS:  # noqa: PLR2004 - a server's own failure
                break
            self._sleep(_PAUSE)
        if answer.status not in _DONE and not (attempt > 1 and self._is_there(content)):
            raise self._refused(answer, holder)

    def _post(self, content: bytes, holder: Holder, etag: str | None) -> Answer:
        headers = {"If-Match": etag} if etag else {}
        return self._client.send(
            self._at.update_method, self._at.address, content, query={"ID": holder.id}, headers=headers
        )

    def _is_there(self, content: bytes) -> bool:
        return self._client.send("GET", self._at.address).content == content

    def _refused(self, answer: Answer, holder: Holder) -> Exception:
        if answer.status in _LOCKED:
            found = _holder(answer.content)
            return self.lost(holder, f"by {found}" if found else "by another process")
        if answer.status == _MOVED:
            return self.moved()
        return refusal("to keep the state", self._at.address, answer)

    def lock(self, holder: Holder) -> ClaimedError | None:
        """Lock; return the error that says who has it where somebody has, this very lock included.

        Raises:
            StateAccessError: the server cannot be reached or refuses.
        """
        answer = self._client.send(self._at.lock_method, self._at.lock_address, self._description(holder))
        if answer.status in _DONE:
            return None
        if answer.status in _LOCKED:
            return ClaimedError(_holder(answer.content))
        raise refusal("to lock the state", self._at.lock_address, answer)

    def unlock(self, holder: Holder) -> None:
        """Unlock.

        Raises:
            StateAccessError: the server cannot be reached or refuses.
        """
        answer = self._client.send(
            self._at.unlock_method, self._at.unlock_address, self._description(holder), query={"ID": holder.id}
        )
        if answer.status not in _DONE:
            raise refusal("to unlock the state", self._at.unlock_address, answer)

    def _description(self, holder: Holder) -> bytes:
        return orjson.dumps(
            {
                "ID": holder.id,
                "Operation": holder.command,
                "Info": f"pid {holder.pid}",
                "Who": holder.owner,
                "Version": self._version,
                "Created": holder.acquired.isoformat(),
                "Path": place(self._at.address),
            }
        )

    def lost(self, holder: Holder, how: str) -> FenceError:
        """Return the error for a lock that is somebody else's now."""
        return FenceError(
            f"the lock of {self.name} was taken from this process (lock id {holder.id}) {how}, so it stops writing",
            "Another run may have gone on since. Everything that this one had begun is in the journal: run "
            "`kmsplan plan` to see what is left.",
        )

    def moved(self) -> StateMovedError:
        """Return the error for a document that somebody changed without the lock."""
        return StateMovedError(
            f"{self.name} was changed during this run by something that does not hold the lock",
            "What this run did is in the journal on this machine. Find out who writes there, put the state back as it "
            "was, and run kmsplan again.",
        )


def probe() -> Holder:
    """Return who locks for a moment, to look or to make the state."""
    now = datetime.now(UTC)
    return Holder(
        id=secrets.token_hex(8), owner="kmsplan", pid=os.getpid(), command="look", acquired=now, heartbeat=now, fence=0
    )


def _holder(content: bytes) -> Holder | None:
    """Read a description of who locks; None where it is none. GitLab repeats the asker's in part, so less is taken."""
    try:
        values = orjson.loads(content)
        created = datetime.fromisoformat(values["Created"])
        return Holder(
            id=values["ID"],
            owner=values["Who"],
            pid=0,
            command=values["Operation"],
            acquired=created,
            heartbeat=created,
            fence=0,
        )
    except (KeyError, TypeError, ValueError):
        return None
