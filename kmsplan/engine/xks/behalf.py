"""On whose behalf the engine calls a key manager: the request that is being carried out in this thread."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from kmsplan.engine.xks.message import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Identity

_CURRENT: Final[ContextVar[tuple[Identity, Request, str | None] | None]] = ContextVar("request", default=None)
_REGION: Final = "local"


class OnBehalf:
    """A context in which calls to key managers name this request.

    A class, and not a generator: it is entered by every call of the data plane.
    """

    __slots__ = ("_current", "_token")

    def __init__(self, identity: Identity, request: Request) -> None:
        self._current = (identity, request, None)

    def __enter__(self) -> None:
        self._token = _CURRENT.set(self._current)

    def __exit__(self, *error: object) -> None:
        _CURRENT.reset(self._token)


def about(key_id: str) -> None:
    """Name the key that is used next; a request may use several, and is audited under the first."""
    current = _CURRENT.get()
    if current is not None:
        _CURRENT.set((*current[:2], key_id))


def region() -> str:
    """Return the region that calls come from."""
    current = _CURRENT.get()
    return current[0].region if current else _REGION


def metadata(otherwise: str, entropy: Callable[[int], bytes]) -> Metadata:
    """Return what to tell the key manager.

    Args:
        otherwise: the operation where no request is being carried out, as when a plan looks at keys.
        entropy: for the request id then.
    """
    current = _CURRENT.get()
    if current is None:
        return Metadata(operation=otherwise, request_id=entropy(16).hex(), principal="kmsplan", key_arn="unknown")
    identity, request, key_id = current
    caller = request.caller
    return Metadata(
        operation=request.action,
        request_id=request.request_id,
        principal=f"acs:ram::{caller.account or identity.account}:{caller.user}",
        key_arn=f"{identity.arn_prefix}key/{key_id or request.resource or 'unknown'}",
    )
