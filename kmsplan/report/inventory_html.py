"""The inventory as an HTML file: every key with all that is known of it, and what falls due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.inventory.item import Presence
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.quantum import QuantumClass
from kmsplan.report.escape import escape
from kmsplan.report.graph import Member
from kmsplan.report.html.calendar import calendar
from kmsplan.report.html.page import Column, Figure, Mark, Page, Row, Section, Table, Tone
from kmsplan.report.html.render import render
from kmsplan.report.html.words import belonging, day_and_time
from kmsplan.report.inventory_fields import FIELDS, known, moment
from kmsplan.report.inventory_text import UNKNOWN, row
from kmsplan.report.value_text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.inventory.item import Inventory, Item
    from kmsplan.report.scene import Scene

_COLUMNS: Final = (
    Column("Key"),
    Column("State", chips=True),
    Column("Spec", chips=True),
    Column("Protection", chips=True),
    Column("Rotation"),
    Column("Last use"),
    Column("Owner"),
    Column("Quantum", chips=True),
    Column("Ends"),
)
_STATES: Final = {
    KeyState.ENABLED.value: Mark("✓", "enabled", Tone.GOOD),
    KeyState.DISABLED.value: Mark("■", "disabled", Tone.CHANGE),
    KeyState.PENDING_IMPORT.value: Mark("…", "without material", Tone.CHANGE),
    KeyState.PENDING_DELETION.value: Mark("-", "pending deletion", Tone.BAD),
}
_ELSE: Final = Mark("!", "not available", Tone.BAD)
_UNREAD: Final = {
    Presence.ABSENT: Mark("-", "gone", Tone.BAD),
    Presence.UNREADABLE: Mark("?", "not readable", Tone.BAD),
}


def inventory_html(inventory: Inventory, scene: Scene) -> str:
    """Return the inventory as one HTML file."""
    items = inventory.items
    return render(
        Page(
            title="kmsplan: inventory",
            headline=f"{len(items):,} {'key' if len(items) == 1 else 'keys'}",
            tone=Tone.QUIET,
            when=day_and_time(scene.now),
            environment=escape(inventory.environment or scene.environment),
            figures=_figures(inventory),
            sections=(
                Section(
                    id="keys",
                    title="Keys",
                    intro="Each unfolds to all that is known of it. What nobody could tell is said to be unknown.",
                    table=Table(columns=_COLUMNS, rows=[_row(item) for item in items]),
                ),
                calendar(scene.due, scene.now),
                belonging(_members(items), "Keys that are enabled and in order are counted."),
            ),
        )
    )


def _figures(inventory: Inventory) -> tuple[Figure, ...]:
    items = inventory.items
    broken = sum(item.quantum is not None and item.quantum.kind is QuantumClass.VULNERABLE for item in items)
    numbers = (
        (sum(item.managed for item in items), "managed", Tone.GOOD),
        (inventory.unmanaged, "not managed here", Tone.INFO),
        (sum(item.presence is Presence.ABSENT for item in items), "recorded, and gone", Tone.BAD),
        (sum(item.presence is Presence.UNREADABLE for item in items), "not readable now", Tone.BAD),
        (sum(item.deletion is not None for item in items), "to be deleted", Tone.BAD),
        (broken, "broken by a quantum computer", Tone.CHANGE),
        (sum(item.harvest for item in items), "encrypt what can be kept until then", Tone.CHANGE),
    )
    return tuple(Figure(f"{number:,}", words, tone) for number, words, tone in numbers if number)


def _mark(item: Item) -> Mark:
    return _UNREAD.get(item.presence) or _STATES.get(item.state or "", _ELSE)


def _row(item: Item) -> Row:
    key, state, spec, protection, _, *rest = map(escape, row(item))
    return Row(_mark(item), (key, state, spec, protection, *rest), tuple(_facts(item)))


def _facts(item: Item) -> Iterator[str]:
    for name, told in FIELDS.items():
        value = told(item)
        if not known(item, name):
            yield f"  {name} = {UNKNOWN}"
        elif value not in (None, "", (), {}):
            text = moment(value) if hasattr(value, "astimezone") else json_text(value)
            yield f"  {name} = {text}"


def _members(items: tuple[Item, ...]) -> Iterator[Member]:
    for item in items:
        mark = _mark(item)
        yield Member(item.address or item.identity, item.instance, None if mark.tone is Tone.GOOD else mark)
