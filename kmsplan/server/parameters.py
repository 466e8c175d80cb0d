"""What callers send, as typed values: every parameter is text on the wire, and tables say what it has to be.

What a reader refuses is what cannot be understood at all. Whether a value goes with a key, and the limits that hold
however the engine is called, the engine checks itself.
"""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import orjson

from kmsplan.engine.reading.view import Filter
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import parse_duration
from kmsplan.server.rehearsal import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CONTEXT_LENGTH: Final = 8192
"""Characters of an encryption context."""
DRY_RUN: Final = "DryRun"
PAGE_SIZES: Final = (1, 100)
_PAGE_LIMIT: Final = 2**31 - 1
_NUMBERED: Final = re.compile(r"([1-9][0-9]{0,2})(?:\.(Key|Value))?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_DEEPEST: Final = 64
"""Levels of JSON; a policy has five."""


class _UnfitError(ValueError):
    """A text is not what the parameter has to be; the message says what that is."""


class Parameter(NamedTuple):
    """One parameter of an action."""

    name: str
    read: Callable[[str], Any] = str
    """Text to value.

    Raises:
        ValueError: with what the text should be.
    """
    required: bool = False
    empty: bool = False
    """An empty text is a value; of others it is as if they were not there."""
    gather: Callable[[str, Mapping[str, str]], Any] | None = None
    """Takes together what is sent as `Name.1`, `Name.2`: instead of `read`."""


def read(table: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, Any]:
    """Read an action's parameters; what is not in the table is left alone, as the API does.

    Raises:
        KmsError: MissingParameter or InvalidParameter; of a dry run, what says so.
    """
    try:
        return _read(table, given)
    except KmsError as error:
        if given.get(DRY_RUN, "").lower() == "true" and any(parameter.name == DRY_RUN for parameter in table):
            raise verdict(error) from None
        raise


def _read(table: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, reader, required, empty, gather in table:
        text = given.get(name)
        try:
            if gather is not None:
                if len(values) < len(given) and (value := gather(name, given)):  # not all that was sent is read yet
                    values[name] = value
            elif text or (text is not None and empty):
                values[name] = reader(text)
        except ValueError as error:
            _refuse(name, error)
        if required and name not in values:
            raise KmsError("MissingParameter", f'The parameter "{name}" is needed but not provided.')
    return values


def _refuse(name: str, error: ValueError) -> NoReturn:
    reason = f": {error}." if isinstance(error, _UnfitError) else "."
    raise KmsError("InvalidParameter", f'The specified parameter "{name}" is not valid{reason}') from None


def flag(text: str) -> bool:
    """Read a truth value; Python's SDK writes it with a capital."""
    value = {"true": True, "false": False}.get(text.lower())
    if value is None:
        raise _UnfitError("it is true or false")
    return value


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers between two limits."""

    def reader(text: str) -> int:
        if _WHOLE.fullmatch(text) and low <= int(text) <= high:
            return int(text)
        raise _UnfitError(f"it is a whole number from {low} to {high}")

    return reader


def number(text: str) -> int:
    """Read a whole number whose limits the engine checks."""
    if not _WHOLE.fullmatch(text):
        raise _UnfitError("it is a whole number")
    return int(text)


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return a reader of one of some words."""

    def reader(text: str) -> str:
        if text not in allowed:
            raise _UnfitError(f"it is one of {', '.join(allowed)}")
        return text

    return reader


def base64(text: str) -> bytes:
    """Read Base64 (RFC 4648, 4)."""
    try:
        return a2b_base64(text.encode("ascii"), strict_mode=True)
    except (Base64Error, UnicodeEncodeError) as error:
        raise _UnfitError("it is Base64") from error


def ciphertext(text: str) -> bytes:
    """Read Base64 of a ciphertext, whose refusal is the same whatever is wrong with it: see `answer.refusal`."""
    try:
        return a2b_base64(text.encode("ascii"), strict_mode=True)
    except (Base64Error, UnicodeEncodeError) as error:
        raise ValueError from error


def utf8(text: str) -> bytes:
    """Read a text that the API treats as bytes: `Plaintext` is encrypted as it is written."""
    return text.encode()


def duration(text: str) -> int:
    """Read `30d`, `12h`, `45m` or `86400s` in seconds."""
    seconds = parse_duration(text)
    if seconds is None:
        raise _UnfitError("it is a number with a unit: 30d, 720h, 43200m or 2592000s")
    return seconds


def _json(text: str, kind: type, what: str) -> Any:
    try:
        value = orjson.loads(text)
        json.loads(text, object_pairs_hook=_once)  # orjson takes the last of two: of a policy, not what was reviewed
    except (json.JSONDecodeError, RecursionError) as error:
        raise _UnfitError(f"it is {what} in JSON") from error
    if not isinstance(value, kind) or _is_deep(value):
        raise _UnfitError(f"it is {what} in JSON")
    return value


def _is_deep(value: Any) -> bool:
    """Return whether it is nested too deep to be meant; how deep json itself goes differs from Python to Python."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            part
            for found in level
            if isinstance(found, dict | list)
            for part in (found.values() if isinstance(found, dict) else found)
        ]
        if not level:
            return False
    return True


def _once(found: list[tuple[str, Any]]) -> None:
    """Check that no name stands twice in an object."""
    if len(dict(found)) != len(found):
        raise _UnfitError("a name stands in it twice")


def contexts(name: str, given: Mapping[str, str]) -> dict[str, str] | None:
    """Take an encryption context, sent as one JSON object, or as `Name.KEY=VALUE` by SDKs that flatten maps.

    None of it may be overlooked: what was encrypted under a context must not open under none.
    """
    text, start = given.get(name), f"{name}."
    flattened = [sent for sent in given if sent.startswith(start)]
    if not flattened:
        return context(text) if text else None
    parts = {sent.removeprefix(start): given[sent] for sent in flattened}
    if text or sum(map(len, (*parts, *parts.values()))) > CONTEXT_LENGTH:
        raise _UnfitError(f"it is sent in one form, JSON or {start}KEY, with at most {CONTEXT_LENGTH} characters")
    return parts


def context(text: str) -> dict[str, str]:
    """Read an encryption context: a JSON object from text to text, in which no name stands twice."""
    if len(text) > CONTEXT_LENGTH:
        raise _UnfitError(f"it has at most {CONTEXT_LENGTH} characters")
    try:
        found = json.loads(text, object_pairs_hook=_pairs)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _UnfitError("it is a JSON object") from error
    if not isinstance(found, _Pairs):
        raise _UnfitError("it is a JSON object")
    context = dict(found)
    if len(context) != len(found):
        raise _UnfitError("a name stands in it twice")
    if not all(isinstance(value, str) for value in context.values()):
        raise _UnfitError("it maps text to text")
    try:
        "".join((*context, *context.values())).encode()
    except UnicodeEncodeError as error:
        raise _UnfitError("it is text in UTF-8") from error
    return context


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it is written."""


def _pairs(found: list[tuple[str, Any]]) -> _Pairs:
    return _Pairs(found)


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object."""
    return dict(_json(text, dict, "an object"))


def tags(text: str) -> dict[str, str]:
    """Read `[{"TagKey": ..., "TagValue": ...}]`."""
    found: dict[str, str] = {}
    for tag in _json(text, list, 'a list of {"TagKey", "TagValue"}'):
        if not isinstance(tag, dict) or not isinstance(tag.get("TagKey"), str):
            raise _UnfitError('it is a list of {"TagKey", "TagValue"} in JSON')
        value = tag.get("TagValue", "")
        if not isinstance(value, str) or tag["TagKey"] in found:
            raise _UnfitError("a tag has one key and one value, which are text, and no key stands twice")
        found[tag["TagKey"]] = value
    return found


def names(text: str) -> tuple[str, ...]:
    """Read a list of names: a JSON list, or names with commas between them (the API's examples and its text differ)."""
    found = _json(text, list, "a list") if text.lstrip().startswith("[") else text.split(",")
    if not found or not all(isinstance(name, str) and name.strip() for name in found):
        raise _UnfitError("it is a list of names")
    return tuple(name.strip() for name in found)


def objects(text: str) -> tuple[dict[str, Any], ...]:
    """Read a JSON list of objects."""
    found = _json(text, list, "a list of objects")
    if not all(isinstance(item, dict) for item in found):
        raise _UnfitError("it is a list of objects in JSON")
    return tuple(found)


def filters(text: str) -> tuple[Filter, ...]:
    """Read `[{"Key": ..., "Values": [...]}]`; which keys there are, and how many, the list itself says."""
    return tuple(map(_filter, _json(text, list, 'a list of {"Key", "Values"}')))


def _filter(item: Any) -> Filter:
    if isinstance(item, dict) and isinstance(key := item.get("Key"), str):
        values = item.get("Values", [])
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return Filter(key, tuple(values))
    raise _UnfitError('it is a list of {"Key", "Values"} in JSON, with a text and a list of texts')


def _numbered(name: str, given: Mapping[str, str]) -> dict[tuple[int, str], str]:
    """Return what was sent as `Name.N` or `Name.N.Key`, by number and what follows it, in order."""
    start, found = f"{name}.", {}
    for sent, value in given.items():
        if sent.startswith(start):
            match = _NUMBERED.fullmatch(sent, len(start))
            if match is None:
                raise _UnfitError(f"lists are written {name}.1, {name}.2, tags {name}.1.Key, {name}.1.Value")
            found[int(match[1]), match[2] or ""] = value
    return dict(sorted(found.items()))


def listed(name: str, given: Mapping[str, str]) -> tuple[str, ...]:
    """Take `Name.1`, `Name.2` together."""
    found = _numbered(name, given)
    if any(part for _, part in found):
        raise _UnfitError(f"it is a list: {name}.1, {name}.2")
    if not all(found.values()):
        raise _UnfitError("it is a list of names, none of them empty")
    return tuple(found.values())


def tagged(name: str, given: Mapping[str, str]) -> dict[str, str]:
    """Take `Tag.1.Key`, `Tag.1.Value` together."""
    found = tagged_pairs(name, given)
    result = {key: value or "" for key, value in found}
    if len(result) != len(found):
        raise _UnfitError("no key stands in it twice")
    return result


def tagged_pairs(name: str, given: Mapping[str, str]) -> tuple[tuple[str, str | None], ...]:
    """Take `Tag.1.Key`, `Tag.1.Value` together, as pairs; None where no value was sent."""
    found, result = _numbered(name, given), []
    for (number, part), value in found.items():
        if part == "Key":
            result.append((value, found.get((number, "Value"))))
        elif (number, "Key") not in found:
            raise _UnfitError(f"every tag has a {name}.{number}.Key")
    return tuple(result)


PAGE: Final = (
    Parameter("PageNumber", whole(1, _PAGE_LIMIT)),
    Parameter("PageSize", whole(*PAGE_SIZES)),
)
