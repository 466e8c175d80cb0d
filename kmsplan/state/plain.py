"""Values that orjson does not know, as values that it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Turn a read-only mapping into a dict, for `orjson.dumps(..., default=plain)`.

    Raises:
        TypeError: the value is nothing that a state may hold; a secret, for one.
    """
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
