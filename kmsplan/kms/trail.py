"""What audit trails tell: successful calls that changed something, whichever trail they stand in."""

from __future__ import annotations

from dataclasses import dataclass

from kmsplan.kms.naming import ALIAS_PREFIX, parse_arn


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One successful call."""

    action: str
    """The API's name: DisableKey, UntagResources, ..."""
    subjects: frozenset[str]
    """Identities of the objects that it is about."""
    actor: str
    time: str
    """RFC 3339, UTC, whole seconds; such texts sort as the times do."""
    request_id: str
    source: str
    """Where it came from: an address, or the program's own."""


def identity_in(text: str) -> str:
    """Return the identity that a trail's name for an object means: an ARN's last part, or the text as it stands."""
    arn = parse_arn(text)
    if arn is None:
        return text
    return f"{ALIAS_PREFIX}{arn.name}" if arn.kind == ALIAS_PREFIX.rstrip("/") else arn.name
