"""Opened keys, kept for a while: unwrapping, and asking a token, costs more than using."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, ParamSpec, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kmsplan.engine.protection.protocol import AsymmetricDecrypter, Encrypter, Mac, Signer

    Handle: TypeAlias = Encrypter | Signer | AsymmetricDecrypter | Mac

P = ParamSpec("P")
LIFETIME: Final = timedelta(minutes=5)
"""However much it is used, an unwrapped key leaves memory after this time at the latest, at its next use."""
KEYS: Final = 1000
"""How many keys are kept open; the one that was not used for longest gives way."""


class Handles:
    """Opened key versions by key.

    Args:
        clock: the engine's.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._keys: OrderedDict[str, dict[str, tuple[Handle, datetime]]] = OrderedDict()

    def get(
        self, key_id: str, version_id: str, opened: Callable[P, Handle], *args: P.args, **kwargs: P.kwargs
    ) -> Handle:
        """Return the handle of a version; where none is kept, what `opened` returns.

        Two threads may open the same version at once; both handles are good, and one is kept.
        """
        now = self._clock()
        with self._lock:
            versions = self._keys.get(key_id)
            kept = None if versions is None else versions.get(version_id)
            if kept is not None and now < kept[1]:
                self._keys.move_to_end(key_id)
                return kept[0]
        handle = opened(*args, **kwargs)
        with self._lock:
            self._keys.setdefault(key_id, {})[version_id] = handle, now + LIFETIME
            self._keys.move_to_end(key_id)
            while len(self._keys) > KEYS:
                self._keys.popitem(last=False)
        return handle

    def drop(self, key_id: str) -> None:
        """Forget every version of a key."""
        with self._lock:
            self._keys.pop(key_id, None)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._keys.clear()
