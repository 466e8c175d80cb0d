"""What the engine answers to questions: describing, listing and paging, as the API does. Nothing here changes anything.

1. Every question passes the same permissions as a change; what is refused for want of them is audited.
2. Filters and pages are SQL, so that a page costs the same with 100,000 keys as with 100, or nearly.
3. Answers are frozen views with our own names; how they look on the wire is the server's business.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from kmsplan.engine.reading import alias, instance, key, tag

__all__ = ("alias", "instance", "key", "tag")


def __getattr__(name: str) -> ModuleType:
    """Import what answers when it is first asked: planning opens an engine and asks none of this (PEP 562)."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(name)
