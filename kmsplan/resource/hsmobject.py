"""A key in an HSM's token that somebody else made: what a key of this KMS can stand for, or why none can."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmObject:
    """One such key, as its instance's token tells of it."""

    instance: str
    """The identity of the hardware instance that reaches the token."""
    object_id: str
    """CKA_ID, in hexadecimal digits; empty where it has none."""
    label: str = ""
    """CKA_LABEL; it may hold anything."""
    spec: str | None = None
    """Of the key that can stand for it; None where none can."""
    usages: tuple[str, ...] = ()
    """What that key may be for, the usual first."""
    problem: str | None = None
    """Why no key can."""
    never_left: bool = True
    """Whether the token says that it made the material and could never hand it out."""
