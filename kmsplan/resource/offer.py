"""What a provider can do, as data, so that a plan never promises what its KMS refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The part of the model that one KMS carries out."""

    name: str
    """For messages: "the embedded engine"."""
    kinds: frozenset[str]
    instance_types: frozenset[str]
    specs: Mapping[str, frozenset[str]]
    """By instance type."""
    origins: frozenset[str]
    storage_mechanisms: frozenset[str]
    hsm_objects: bool = False
    """Whether a key can stand for an object that is in an HSM's token already."""
