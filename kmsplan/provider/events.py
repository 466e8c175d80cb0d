"""A file of audit events: what `drift --events FILE` reads where the trail itself cannot be reached.

It may hold JSON lines, one JSON array, or the answer of ActionTrail's LookupEvents. Events of other services and reads
may be among them. A line that is no event stops the reading: half a trail would blame the wrong one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kmsplan.provider.trail import FORMS, EntryError, newest_first

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from kmsplan.kms.trail import Event

SIZE_LIMIT: Final = 512 * 1024 * 1024
_SPACE: Final = re.compile(r"[\s,]*")
_DECODER: Final = json.JSONDecoder()


class EventsFileError(Exception):
    """A file holds no audit events; says where and why."""


@dataclass(frozen=True, slots=True)
class EventsFile:
    """The events of a file, as a trail."""

    events: tuple[Event, ...]
    """The newest first."""

    @classmethod
    def read(cls, path: Path) -> EventsFile:
        """Read a file.

        Raises:
            EventsFileError: it cannot be read, or something in it is no event.
        """
        try:
            if path.stat().st_size > SIZE_LIMIT:
                raise EventsFileError(f"{path} is larger than {SIZE_LIMIT // 1024**2} MiB")
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise EventsFileError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise EventsFileError(f"{path} is not UTF-8 text; unpack it where it is compressed") from error
        return cls(tuple(newest_first(_events(text, str(path)))))

    def newest(self, actions: Collection[str]) -> Iterator[Event]:
        """Yield the events of these actions, the newest first."""
        return (event for event in self.events if event.action in actions)


def _events(text: str, name: str) -> Iterator[Event]:
    for offset, value in _values(text, name):
        for entry in _unwrapped(value):
            try:
                event = _event(entry)
            except EntryError as error:
                raise EventsFileError(f"{name}:{_line(text, offset)}: {error}") from None
            if event is not None:
                yield event


def _values(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Yield each value of JSON lines, or of an array, and where it begins."""
    at = _SPACE.match(text, 0).end()  # type: ignore[union-attr]  # it matches nothing, too
    array = text.startswith("[", at)
    at += array
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # as above
        if at == len(text) and not array:
            return
        if array and text.startswith("]", at):
            return
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            where = getattr(error, "pos", at)
            raise EventsFileError(
                f"{name}:{_line(text, where)}: this is not JSON: {getattr(error, 'msg', 'it is nested too deeply')}"
            ) from None
        yield at, value
        at = end


def _unwrapped(value: Any) -> Iterator[Any]:
    """Yield events out of what delivers them: LookupEvents' answer, or a line of the log service."""
    if isinstance(value, dict) and isinstance(value.get("Events"), list):
        yield from value["Events"]
    elif isinstance(value, dict) and "event" in value and not FORMS.keys() & value.keys():
        inner = value["event"]
        try:
            yield json.loads(inner) if isinstance(inner, str) else inner
        except (ValueError, RecursionError):
            yield None
    else:
        yield value


def _event(entry: Any) -> Event | None:
    form = next((form for name, form in FORMS.items() if isinstance(entry, dict) and name in entry), None)
    if form is None:
        raise EntryError("this is no audit event: it has neither eventName (ActionTrail) nor action (kmsplan's engine)")
    return form(entry)


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
