"""ListResourceTags and ListTagResources."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, Final

from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore.instance import HIDDEN
from kmsplan.engine.parameter import invalid, is_text
from kmsplan.engine.reading.filtering import Condition, joined
from kmsplan.engine.reading.paging import marks
from kmsplan.engine.reading.question import Question, asked
from kmsplan.engine.reading.view import TagView
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import TAG_LIMIT, TAGGED_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core

ROWS: Final = 200
"""Tags on a page."""
_PLACE: Final = 2
"""Texts in a token: resource and name."""
_INSTANCE_ID: Final = "substr(t.resource_id, 1, 4) = 'kst-'"
_KINDS: Final = {"key": f"NOT {_INSTANCE_ID}", "instance": _INSTANCE_ID}


def list_resource_tags(core: Core, caller: Caller, key: str) -> tuple[TagView, ...]:
    """Return the tags of a key, by name.

    Raises:
        KmsError: there is no such key, or it is forbidden.
    """
    with asked(core, caller, "ListResourceTags", key) as question:
        key_id = question.key_by_id(key).key_id
        rows = question.db.execute("SELECT name, value FROM tag WHERE resource_id = ? ORDER BY name", (key_id,))
        return tuple(TagView(key_id, "key", name, value) for name, value in rows)


def list_tags(
    core: Core,
    caller: Caller,
    kind: str,
    ids: Sequence[str] = (),
    tags: Sequence[tuple[str, str | None]] = (),
    token: str = "",
) -> tuple[tuple[TagView, ...], str]:
    """Return 200 tags at most, by resource and name, and the token of what follows; "" where nothing does.

    Args:
        core: the engine.
        caller: who asks.
        kind: `key` or `instance`.
        ids: of these resources only, up to 50; all where there are none. Keys that do not exist have no tags.
        tags: of resources only that have all of these, up to 20; a value of None stands for any.
        token: where the page before left off.

    Raises:
        KmsError: a parameter is not valid, there is no such instance, a key is named by an alias, or it is forbidden.
    """
    with asked(core, caller, "ListTagResources", ",".join(ids) or None) as question:
        _check(kind, ids, tags)
        known = _known(question, kind, ids)
        if ids and not known:
            return (), ""
        wanted = joined(list(_conditions(kind, known, tags, token)))
        rows = question.db.execute(
            f"SELECT resource_id, name, value FROM tag AS t WHERE {wanted.sql} ORDER BY resource_id, name LIMIT ?",  # noqa: S608 - our own words; values are parameters
            (*wanted.parameters, ROWS + 1),
        ).fetchall()
    page = tuple(TagView(resource, kind, name, value) for resource, name, value in rows[:ROWS])
    return page, _token(page[-1]) if len(rows) > ROWS else ""


def _check(kind: str, ids: Sequence[str], tags: Sequence[tuple[str, str | None]]) -> None:
    if kind not in _KINDS:
        raise invalid("ResourceType", f"it is {' or '.join(_KINDS)}")
    if len(ids) > TAGGED_LIMIT:
        raise invalid("ResourceId", f"at most {TAGGED_LIMIT} are allowed, these are {len(ids)}")
    if len(tags) > TAG_LIMIT or not all(name for name, _ in tags):
        raise invalid("Tag", f"at most {TAG_LIMIT} tags are allowed, and each has a key")


def _known(question: Question, kind: str, ids: Sequence[str]) -> tuple[str, ...]:
    """Return those of the resources that exist and may be asked about.

    Raises:
        KmsError: there is no such instance, a key is named by an alias, or it is forbidden.
    """
    if kind == "instance":
        missing = [name for name in ids if name in HIDDEN or instances.load(question.db, name) is None]
        if missing:
            raise KmsError("Forbidden.DKMSInstanceNotFound", f"The specified instance {missing[0]} is not found.")
        return tuple(ids)
    return tuple(key_id for name in ids if (key_id := _key_id(question, name)))


def _key_id(question: Question, name: str) -> str | None:
    try:
        return question.key_by_id(name).key_id
    except KmsError as error:
        if error.code != "Forbidden.KeyNotFound":
            raise
        return None


def _conditions(
    kind: str, ids: Sequence[str], tags: Sequence[tuple[str, str | None]], token: str
) -> Iterator[Condition]:
    if ids:
        yield Condition(f"t.resource_id IN ({marks(ids)})", tuple(ids))
    else:
        yield Condition(_KINDS[kind])
    for name, value in tags:
        exact: tuple[Any, ...] = () if value is None else (value,)
        and_value = "" if value is None else " AND value = ?"
        yield Condition(
            f"t.resource_id IN (SELECT resource_id FROM tag WHERE name = ?{and_value})",  # noqa: S608 - our own words
            (name, *exact),
        )
    if token:
        yield Condition("(t.resource_id, t.name) > (?, ?)", _place(token))


def _token(last: TagView) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.resource_id, last.name]).encode()).decode()


def _place(token: str) -> tuple[str, str]:
    """Return after which tag the page begins.

    Raises:
        KmsError: InvalidParameter; nobody gave out such a token.
    """
    try:
        place = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        place = None
    if not isinstance(place, list) or len(place) != _PLACE or not all(map(is_text, place)):
        raise invalid("NextToken", "it is the one that the page before came with")
    resource, name = place
    return resource, name
