"""Older snapshot formats, and the way from each to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

Document: TypeAlias = dict[str, Any]

FORMAT_VERSION: Final = 2
UPGRADES: Final[Mapping[int, Callable[[Document], Document]]] = MappingProxyType(
    {1: lambda document: {**document, "made": None}}  # who made a serial was not noted
)
"""Format version -> what makes a document of the next version of one of this version. Version 1 is the first."""


def upgraded(
    document: Document,
    *,
    version: int = FORMAT_VERSION,
    upgrades: Mapping[int, Callable[[Document], Document]] = UPGRADES,
) -> Document:
    """Return the document in format `version`, taking every step in between.

    Raises:
        KeyError: there is no way from the document's version.
    """
    while (found := document["format_version"]) < version:
        document = {**upgrades[found](document), "format_version": found + 1}
    return document
