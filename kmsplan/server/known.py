"""Access keys that this process has looked up a moment ago, and their secrets, ready to check signatures with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.kms.error import KmsError
from kmsplan.server.signature import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.access.known import AccessKey
    from kmsplan.engine.service import Engine

MOMENT: Final = 0.1
"""Seconds."""
_LIMIT: Final = 10_000


@dataclass(slots=True)
class Client:
    """An access key as it was found."""

    since: float
    """When it was asked for."""
    key: AccessKey
    secret: Secret
    used: bool = False
    """Whether the engine was told that it was used since."""


class Known:
    """What the engine said of access keys; asking it takes a read of the database.

    Args:
        engine: who knows them.
        time: a monotonic clock in seconds.
    """

    def __init__(self, engine: Engine, time: Callable[[], float]) -> None:
        self._engine = engine
        self._time = time
        self._found: dict[str, Client] = {}

    def get(self, access_key_id: str, *, fresh: bool) -> Client:
        """Return an access key; as it is now, or as it was a moment ago.

        Raises:
            KmsError: there is none, or the engine is sealed.
        """
        now, known = self._time(), self._found.get(access_key_id)
        if known is not None and not fresh and now - known.since < MOMENT:
            return known
        found = self._engine.access_key(access_key_id)
        if found is None:
            self._found.pop(access_key_id, None)
            raise KmsError("InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        if len(self._found) >= _LIMIT:
            self._found.clear()
        same = known is not None and known.key.secret is found.secret
        secret = known.secret if known is not None and same else Secret(found.secret)
        client = self._found[access_key_id] = Client(now, found, secret)
        return client

    def used(self, client: Client) -> None:
        """Tell the engine that a request was signed with an access key, once for each time that it was asked for."""
        if not client.used:
            client.used = True
            self._engine.note_use(client.key.access_key_id)
