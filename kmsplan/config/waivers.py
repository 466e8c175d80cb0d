"""`waivers:`: who answers for a drifted attribute or a broken rule, and until which day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from kmsplan.config.configuration import Waiver
from kmsplan.config.diagnostic import Severity
from kmsplan.config.fixed import has_reference
from kmsplan.kms.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.config.expand import Entry, Expanded
    from kmsplan.config.problems import Problems

DAY_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
LONGEST: Final = timedelta(days=366)
"""What lasts longer is no exception any more."""
_WHY: Final = "What is let pass is not for whoever sets variables to say."
_TEXT: Final = {"type": "string", "minLength": 1}

WAIVERS_SCHEMA: Final = {
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "required": ["address", "owner", "reason", "expires"],
        "additionalProperties": False,
        "properties": {
            "address": {
                **_TEXT,
                "description": "An address, such as key.orders; the identity of an object that nobody manages; or "
                "a glob of either.",
            },
            "attribute": {**_TEXT, "description": "Of drift: the attribute that may differ. Default: all of them."},
            "rule": {**_TEXT, "description": "The rule of the policy that may be broken. Without it: drift."},
            "owner": {**_TEXT, "maxLength": 128, "description": "Who answers for it."},
            "reason": {**_TEXT, "maxLength": 1024, "description": "Why it is let pass."},
            "expires": {
                "type": "string",
                "pattern": DAY_PATTERN,
                "description": "The last day on which it counts.",
            },
        },
    },
}


def read_waivers(expanded: Expanded, problems: Problems, *, now: datetime | None) -> tuple[Waiver, ...]:
    """Return the waivers in the order in which they are written.

    Args:
        expanded: the configuration as meant.
        problems: where to tell.
        now: aware, UTC; a waiver that has expired then is told, and returned all the same. None where nobody minds.
    """
    return tuple(_waivers(expanded.lists["waivers"], problems, now.date() if now else None))


def _waivers(entries: list[Entry], problems: Problems, today: date | None) -> Iterator[Waiver]:
    for entry in entries:
        if has_reference(entry.node, problems, _WHY):
            continue
        last = _day(entry, problems)
        _about(entry, problems)
        if last is None:
            continue
        if today is not None:
            _term(entry, last, today, problems)
        written = entry.written
        yield Waiver(
            address=written["address"],
            owner=written["owner"],
            reason=written["reason"],
            expires=last,
            span=entry.node.key_place.span,
            rule=written.get("rule"),
            attribute=written.get("attribute"),
        )


def _day(entry: Entry, problems: Problems) -> date | None:
    try:
        return date.fromisoformat(entry.written["expires"])
    except ValueError:
        detail = f"{quoted(entry.written['expires'])} is no day of the calendar."
        problems.add("K426", detail, entry.node.locate(("expires",)))
        return None


def _about(entry: Entry, problems: Problems) -> None:
    if {"attribute", "rule"} <= entry.written.keys():
        detail = "A waiver is about drift (`attribute`) or about a rule of the policy (`rule`), not both. Write two."
        problems.add("K426", detail, entry.node.locate(("rule",), key=True))


def _term(entry: Entry, last: date, today: date, problems: Problems) -> None:
    """Tell of a waiver that has ended, and of one that has no end to speak of."""
    code, detail = "", ""
    if last < today:
        code = "K427"
        detail = (
            f"It counted until {last}, and accepts nothing any more. Remove it, or let somebody answer for it anew."
        )
    elif last - today > LONGEST:
        code = "K428"
        detail = f"It counts until {last}. An exception of more than {LONGEST.days} days is a rule: shorten it, or "
        detail += "change what is declared, or the policy."
    if code:
        place = entry.node.locate(("expires",))
        problems.add(code, detail, place, address=entry.written["address"], severity=Severity.WARNING)
