"""The inventory as a table for spreadsheets (RFC 4180): one header, one line for each key.

Spreadsheets compute cells that begin like a formula, so that a tag's value could run a program on its reader's machine
(CWE-1236). Such a cell begins with an apostrophe here, which spreadsheets take as "this is text". What a terminal would
act on, line breaks among it, is a visible escape: a line is a key. The JSON has every text as it is.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.report.escape import escape
from kmsplan.report.inventory_fields import FIELDS, known, moment

if TYPE_CHECKING:
    from kmsplan.inventory.item import Inventory, Item
    from kmsplan.report.scene import Scene

UNKNOWN: Final = "unknown"
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a formula begins, or its wide form. Tabs and line breaks, which can hide the beginning, are escaped."""
_TEXT: Final = "'"


def inventory_csv(inventory: Inventory, _: Scene) -> str:
    """Return the inventory as CSV: aliases with spaces between, tags and users as JSON."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(FIELDS)
    writer.writerows(_cells(item) for item in inventory.items)
    return written.getvalue()


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet computes and no terminal acts on.

    An apostrophe is also put before those that a text begins with before a formula: taking one away gives the text.
    """
    safe = escape(text)
    return _TEXT + safe if safe.lstrip(_TEXT).lstrip().startswith(_FORMULA) else safe


def _cells(item: Item) -> list[str]:
    return [cell(_text(name, get(item))) if known(item, name) else UNKNOWN for name, get in FIELDS.items()]


def _text(name: str, value: Any) -> str:
    if value in (None, (), {}):
        return ""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case datetime():
            return moment(value)
        case tuple() if name == "aliases":
            return " ".join(value)
        case int():
            return str(value)
        case _:
            return orjson.dumps(value).decode()
