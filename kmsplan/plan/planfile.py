"""Saved plans: one canonical JSON document, with a digest over what it does, so that what was reviewed is what runs.

Canonical means that a plan has exactly one spelling: sorted keys, no spaces, one newline at the end. A file that
differs from that spelling in a single byte was not written by kmsplan and is refused.

Two sums stand in it. The digest leaves out who saved the plan: whoever plans the same anew gets the same digest, on any
machine. The checksum is over the whole file. Neither keeps out somebody who can compute them; signatures do.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan import __version__
from kmsplan.plan import codec
from kmsplan.state.plain import plain

if TYPE_CHECKING:
    from kmsplan.plan.plan import Plan

FORMAT_VERSION: Final = 1

_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_REMEDY: Final = "Make it again with kmsplan plan -o FILE."


class PlanFileError(Exception):
    """A saved plan that cannot be used: truncated, edited, or of another version."""


def digest(plan: Plan) -> str:
    """Return sha256 hex of the plan as it would be saved: equal plans have equal digests."""
    return _digest(_body(plan))


def dump(plan: Plan) -> bytes:
    """Return the file of a plan. Unchanged objects are left out, so that it is as small as what it does."""
    return dump_with_digest(plan)[0]


def dump_with_digest(plan: Plan) -> tuple[bytes, str]:
    """Return the file of a plan, and its digest, which would take as long again to make."""
    body = _body(plan)
    made = _digest(body)
    document = {"author": plan.author, "digest": made, **body}
    return orjson.dumps({"checksum": _digest(document), **document}, option=_OPTIONS, default=plain), made


def load(data: bytes) -> Plan:
    """Read what `dump` wrote.

    Raises:
        PlanFileError: anything about it is not as `dump` wrote it, or a newer kmsplan did.
    """
    document = _parse(data)
    spelled = orjson.dumps(document, option=_OPTIONS)
    checksum = document.pop("checksum", None)
    whole = checksum == _digest(document)
    author, written = document.pop("author", None), document.pop("digest", None)
    if spelled != data or not whole or written != _digest(document) or not isinstance(author, str):
        raise PlanFileError(
            f"the plan file was edited or damaged: its digest does not fit its content. A plan is applied as it was "
            f"reviewed or not at all. {_REMEDY}"
        )
    try:
        return replace(codec.plan_from_json(document), author=author)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlanFileError(
            f"the plan file was made by kmsplan {document.get('kmsplan_version')}, and this is {__version__}: they "
            f"disagree about its content ({type(error).__name__}: {error}). {_REMEDY}"
        ) from error


def _parse(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise PlanFileError(f"the plan file is truncated or damaged: {error}. {_REMEDY}") from error
    if not isinstance(document, dict) or not isinstance(document.get("format_version"), int):
        raise PlanFileError(f"the file is not a saved plan. {_REMEDY}")
    version = document["format_version"]
    if version != FORMAT_VERSION:
        raise PlanFileError(
            f"the plan file has format version {version}, made by kmsplan {document.get('kmsplan_version')}; this is "
            f"kmsplan {__version__}, which reads version {FORMAT_VERSION}. Apply it with the version that made it, or "
            f"make it again with this one."
        )
    return document


def _body(plan: Plan) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, "kmsplan_version": __version__, **codec.plan_to_json(plan)}


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(body, option=_OPTIONS, default=plain)).hexdigest()
