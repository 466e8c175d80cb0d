"""The inventory for people: what matters of each key; CSV and JSON say everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.inventory.item import Presence
from kmsplan.kms.naming import format_duration
from kmsplan.report.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from kmsplan.inventory.item import Inventory, Item
    from kmsplan.report.scene import Scene

UNKNOWN: Final = "unknown"
_HEAD: Final = ("KEY", "STATE", "SPEC", "PROTECTION", "AGE", "ROTATION", "LAST USE", "OWNER", "QUANTUM", "ENDS")


def inventory_text(inventory: Inventory, scene: Scene) -> str:
    """Return the inventory as a table; the last lines count it."""
    return "".join(f"{line}\n" for line in _lines(inventory, scene))


def _lines(inventory: Inventory, scene: Scene) -> Iterator[str]:
    style, items = scene.style, inventory.items
    if items:
        yield from table(_HEAD, [row(item) for item in items], scene.columns, style)
        yield ""
    managed = sum(item.managed for item in items)
    listed = len(items) - managed
    others = f", {inventory.unmanaged} not managed here" if inventory.unmanaged else ""
    hint = "" if listed or not inventory.unmanaged else " (--all lists them)"
    yield style.bold(f"Keys: {managed} managed{others}{hint}.")
    broken, kept = sum(item.vulnerable for item in items), sum(item.harvest for item in items)
    if broken:
        more = f"; what {kept} of them encrypt today can be kept and read then" if kept else ""
        yield f"Broken by a quantum computer: {broken}{more}."
    unread = sum(item.presence is Presence.UNREADABLE for item in items)
    if unread:
        yield style.yellow(f"Not readable now: {unread}; what is said of them is what the last apply left.")
    gone = sum(item.presence is Presence.ABSENT for item in items)
    if gone:
        yield style.yellow(f"Recorded, and gone at the KMS: {gone}.")


def row(item: Item) -> tuple[str, ...]:
    """Return what matters of one key, in the order of the table's head; holds users' own words."""
    level = "" if item.quantum is None else f"{item.quantum.kind.value} ({item.quantum.level})"
    return (
        item.address or f"{item.identity} (not managed)",
        _state(item),
        _known(item, "spec", item.spec or ""),
        _known(item, "protection", item.protection or ""),
        _known(item, "age_days", f"{item.age_days}d"),
        _known(item, "rotation_seconds", _rotation(item)),
        _known(item, "last_used", _use(item)),
        item.owner or "",
        _known(item, "quantum", f"{level}, harvest" if item.harvest else level),
        _ends(item),
    )


def _known(item: Item, name: str, text: str) -> str:
    return UNKNOWN if name in item.unknown else "" if getattr(item, name) is None and name != "last_used" else text


def _state(item: Item) -> str:
    return {Presence.ABSENT: "gone", Presence.UNREADABLE: "not readable"}.get(item.presence, item.state or UNKNOWN)


def _rotation(item: Item) -> str:
    period = f"every {format_duration(item.rotation_seconds or 0)}"
    if "next_rotation" in item.unknown:
        return f"{period}, next {UNKNOWN}"
    return f"{period}, next {_day(item.next_rotation)}" if item.next_rotation else f"{period}, suspended"


def _use(item: Item) -> str:
    if item.last_used is not None:
        return _day(item.last_used)
    return f"none since {_day(item.tracked_since)}" if item.tracked_since else ""


def _ends(item: Item) -> str:
    ends = (("deleted", item.deletion, "deletion"), ("material expires", item.material_expires, "material_expires"))
    return ", ".join(
        f"{what} {UNKNOWN if name in item.unknown else _day(when)}"
        for what, when, name in ends
        if when is not None or (name in item.unknown and item.presence is Presence.PRESENT)
    )


def _day(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d}" if value else ""
