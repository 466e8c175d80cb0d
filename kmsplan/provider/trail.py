"""Entries of audit trails as events: the engine's own form, and ActionTrail's, which is the cloud's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from kmsplan.kms.trail import Event, identity_in

_NAMING: Final = ("KeyId", "AliasName", "KmsInstanceId", "ResourceId")
"""Parameters that name what a call is about."""
_OK: Final = "OK"
_NOBODY: Final = "unknown"


class EntryError(Exception):
    """An entry is none; the message says why."""


def from_engine(entry: Mapping[str, Any]) -> Event:
    """Return an entry of the engine's trail, of a call that succeeded."""
    return Event(
        action=entry["action"],
        subjects=frozenset(map(identity_in, _named(entry.get("resource"), entry.get("parameters") or {}))),
        actor=entry["actor"],
        time=entry["time"],
        request_id=entry["request_id"],
        source=entry["source"],
    )


def exported(entry: Mapping[str, Any]) -> Event | None:
    """Return an entry of `kmsplan engine audit export`; None where the call failed.

    Raises:
        EntryError: something is missing, or is not text.
    """
    for name in ("action", "actor", "time", "request_id", "source", "result"):
        _text(entry, name)
    parameters = entry.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise EntryError("parameters is no object")
    _moment(entry["time"])
    return from_engine(entry) if entry["result"] == _OK else None


def recorded(entry: Mapping[str, Any]) -> Event | None:
    """Return an event of ActionTrail (its management event structure, version 1); None where the call failed.

    Raises:
        EntryError: its name or its time is missing, or what names its objects has another form.
    """
    action, time = _text(entry, "eventName"), _moment(_text(entry, "eventTime"))
    if entry.get("errorCode"):
        return None
    return Event(
        action=action,
        subjects=frozenset(map(identity_in, _referenced(entry))),
        actor=_actor(entry.get("userIdentity")),
        time=time,
        request_id=str(entry.get("requestId") or entry.get("eventId") or ""),
        source=str(entry.get("sourceIpAddress") or ""),
    )


FORMS: Final[Mapping[str, Callable[[Mapping[str, Any]], Event | None]]] = MappingProxyType(
    {"eventName": recorded, "action": exported}
)
"""By the field that tells one form from another: what reads an entry of that form."""


def _named(resource: Any, parameters: Mapping[str, Any]) -> Iterator[str]:
    yield from _texts(resource)
    for name, value in parameters.items():
        if name.partition(".")[0] in _NAMING:  # lists may be written out: ResourceId.1, ResourceId.2
            yield from _texts(value)


def _referenced(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from _named(None, _parameters(entry))
    for name in _texts(entry.get("resourceName")):
        yield from name.split(";")
    resources = entry.get("referencedResources")
    for named in resources.values() if isinstance(resources, dict) else ():
        yield from _texts(named)


def _parameters(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a call was made with: an object, or JSON text of one."""
    found = entry.get("requestParameters") or entry.get("requestParameterJson") or {}
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            raise EntryError("requestParameterJson is not JSON") from None
    if not isinstance(found, dict):
        raise EntryError("requestParameters is no object")
    return found


def _actor(identity: Any) -> str:
    """Return the name of a user, else the next best that tells who it was."""
    if isinstance(identity, dict):
        for name in ("userName", "principalId", "accountId", "type"):
            if identity.get(name):
                return str(identity[name])
    return _NOBODY


def _texts(value: Any) -> Iterator[str]:
    """Yield a text, or the texts of a list, which may itself be written as JSON text."""
    if isinstance(value, str) and value:
        if value.startswith("["):
            try:
                yield from _texts(json.loads(value))
            except (ValueError, RecursionError):
                return
        else:
            yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, str) and item)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise EntryError(f"{name} is missing" if value in (None, "") else f"{name} is no text")
    return value


def _moment(text: str) -> str:
    """Return a time in the one form that all events have."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise EntryError(f"{text[:40]!r} is no time") from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        raise EntryError(f"{text[:40]!r} is no time") from None


def newest_first(events: Iterable[Event]) -> list[Event]:
    """Return events in the order of their times, the newest first; of two in one second the later in the file."""
    ordered = sorted(events, key=lambda event: event.time)
    ordered.reverse()
    return ordered
