"""Access keys that were looked up, and what is remembered of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.engine.caller import Caller

if TYPE_CHECKING:
    from kmsplan.engine.access.role import Role
    from kmsplan.engine.keystore.nonce import Claim
    from kmsplan.kms.secret import SecretBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """An access key with its secret."""

    access_key_id: str
    account: str
    user: str
    role: Role
    active: bool
    expires: str | None
    secret: SecretBytes
    generation: int
    """The database's when it was read."""

    def caller(self, source: str, request_id: str | None = None, claim: Claim | None = None) -> Caller:
        """Return whom a request is made for that was signed with the secret."""
        return Caller(
            self.access_key_id, self.account, self.user, self.role, source, request_id, self.generation, claim
        )


class AccessKeys:
    """Access keys that were looked up lately, of one generation of the database."""

    LIMIT: Final = 10_000

    def __init__(self) -> None:
        self._generation = -1
        self._known: dict[str, AccessKey] = {}
        self._used: dict[str, str] = {}
        """By access key, the minute that was noted last."""

    def get(self, access_key_id: str, generation: int) -> AccessKey | None:
        """Return what is remembered, if nothing has changed since."""
        return self._known.get(access_key_id) if generation == self._generation else None

    def put(self, key: AccessKey) -> None:
        """Remember a key, and forget those of other generations."""
        if key.generation != self._generation or len(self._known) >= self.LIMIT:
            self._known, self._generation = {}, key.generation
        self._known[key.access_key_id] = key

    def first_use_in(self, access_key_id: str, minute: str) -> bool:
        """Return whether a key is seen for the first time in a minute."""
        if self._used.get(access_key_id) == minute:
            return False
        if len(self._used) >= self.LIMIT:
            self._used = {}
        self._used[access_key_id] = minute
        return True

    def clear(self) -> None:
        """Forget all."""
        self._known = {}
