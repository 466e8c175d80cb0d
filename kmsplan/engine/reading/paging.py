"""Pages of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.engine.parameter import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.engine.keystore.connection import Connection

SIZE: Final = 10
"""Items on a page where nobody says how many."""
LARGEST: Final = 100
_FARTHEST: Final = 2**31


class Selection(NamedTuple):
    """What is listed: columns, tables with conditions, and the order."""

    columns: str
    source: str
    """Everything after FROM, up to the order."""
    order: str
    parameters: tuple[Any, ...] = ()


def fetch(db: Connection, selection: Selection, page: int, size: int) -> tuple[Sequence[tuple[Any, ...]], int]:
    """Return a page of rows, and how many rows there are on all pages.

    Raises:
        KmsError: InvalidParameter; pages count from 1 and have 1 to 100 items.
    """
    check(page, size)
    total = db.execute(f"SELECT count(*) FROM {selection.source}", selection.parameters).fetchone()[0]  # noqa: S608 - our own words; values are parameters
    offset = (page - 1) * size
    if offset >= total:
        return [], total
    rows = db.execute(
        f"SELECT {selection.columns} FROM {selection.source} ORDER BY {selection.order} LIMIT ? OFFSET ?",  # noqa: S608 - as above
        (*selection.parameters, size, offset),
    )
    return rows.fetchall(), total


def check(page: int, size: int) -> None:
    """Check which page is asked for.

    Raises:
        KmsError: InvalidParameter.
    """
    if not 1 <= page <= _FARTHEST:
        raise invalid("PageNumber", "pages are counted from 1")
    if not 1 <= size <= LARGEST:
        raise invalid("PageSize", f"a page has 1 to {LARGEST} items")


def marks(values: Sequence[object]) -> str:
    """Return as many placeholders as there are values."""
    return ", ".join("?" * len(values))
