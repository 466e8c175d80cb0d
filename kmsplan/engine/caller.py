"""Who makes a call: an account and a user of it, in a role."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kmsplan.engine.access.role import Role

if TYPE_CHECKING:
    from kmsplan.engine.keystore.nonce import Claim


class Caller(NamedTuple):
    """Whom a call is made for, what they may do, and how the call came in."""

    actor: str
    """For the audit trail: `user@host`, or the id of an access key."""
    account: str | None = None
    """None is the owner of the engine's folder, who may do all that the seal allows."""
    user: str = "root"
    """RAM name within the account: `root`, `user/NAME` or `role/NAME`."""
    role: Role = Role.ADMINISTRATOR
    source: str = "embedded"
    """How the call came in: `embedded`, or the address it came from."""
    request_id: str | None = None
    """Given where the answer names one; else the engine makes one."""
    generation: int | None = None
    """The database's when the access key was looked up; one of another generation is looked up again at the commit."""
    claim: Claim | None = None
    """To the nonce of the request, where nodes on several machines may get the same one."""
