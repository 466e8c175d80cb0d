from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kmsplan.kms.wording import width
from kmsplan.report.escape import escape
from kmsplan.report.style import Style
from kmsplan.report.table import table

HEAD = ("name", "when", "")
ROWS = [("orders", "2026-01-01", "current"), ("密钥", "", ""), ("a\x1b[31m", "never", "")]


def shown(columns: int | None) -> list[str]:
    return list(table(HEAD, ROWS, columns))


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert shown(None) == [
        "name       when",
        "orders     2026-01-01  current",
        "密钥",
        "a\\x1b[31m  never",
    ]
    assert shown(30) == shown(None)


def test_where_a_row_has_no_room_it_is_a_block() -> None:
    assert shown(29) == [
        "name: orders",
        "  when: 2026-01-01",
        "  current",
        "name: 密钥",
        "name: a\\x1b[31m",
        "  when: never",
    ]


def test_a_cell_that_has_no_room_beside_its_name_has_a_line_of_its_own() -> None:
    assert list(table(HEAD, [("orders", "2026-01-01", "current")], 15)) == [
        "name: orders",
        "  when:",
        "    2026-01-01",
        "  current",
    ]


def test_the_heads_are_bold_where_colours_are_wanted() -> None:
    assert next(table(HEAD, ROWS, None, Style(color=True))) == "\x1b[1mname       when\x1b[0m"


CELLS = st.text(max_size=30)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5),
    columns=st.one_of(st.none(), st.integers(min_value=1, max_value=200)),
)
def test_nothing_is_lost_and_a_table_is_never_wider_than_there_is_room(
    rows: list[tuple[str, str, str]], columns: int | None
) -> None:
    lines = list(table(("a", "b", "c"), rows, columns))
    text = "\n".join(lines)
    assert [cell for row in rows for cell in row if escape(cell).rstrip() not in text] == []
    if columns is not None and lines and lines[0].startswith("a  b") and rows and lines[0].split() == ["a", "b", "c"]:
        assert max(map(width, lines)) <= columns
