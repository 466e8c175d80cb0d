"""The deep health check of a proxy: keys are really used, now and then, and the result is kept for a while.

The specification wants real cryptography, an answer within 250 ms, and none that is older than a minute.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

from kmsplan.engine.xks.message import ACTIVE, UNAVAILABLE, Manager

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.service import Engine

FRESH: Final = 30.0
"""Seconds for which a result is given again."""
_MESSAGE: Final = b"kmsplan: does this key work?"


class Health:
    """What is known of the instances whose keys are offered.

    Args:
        engine: acting for the health check, so that the audit trail tells its uses of keys from others'.
        keys: by instance, the key that is tried.
        model: of the key managers, for people.
        monotonic: seconds.
    """

    def __init__(self, engine: Engine, keys: Mapping[str, str], model: str, monotonic: Callable[[], float]) -> None:
        self._engine = engine
        self._keys = keys
        self._model = model
        self._monotonic = monotonic
        self._lock = Lock()
        self._known: tuple[Manager, ...] = ()
        self._fresh_until = 0.0

    def check(self) -> tuple[Manager, ...]:
        """Return the state of each instance; callers that come while keys are tried wait for that result."""
        with self._lock:
            if self._monotonic() >= self._fresh_until:
                self._known = tuple(map(self._manager, self._keys))
                self._fresh_until = self._monotonic() + FRESH
            return self._known

    def _manager(self, instance: str) -> Manager:
        health = ACTIVE if self._works(self._keys[instance]) else UNAVAILABLE
        return Manager(manager_id=instance, model=self._model, health=health)

    def _works(self, key: str) -> bool:
        try:
            blob = self._engine.encrypt(key, _MESSAGE).blob
            return self._engine.decrypt(blob).plaintext == _MESSAGE
        except Exception:  # noqa: BLE001 - whatever is wrong, the key cannot be used now
            return False
