from __future__ import annotations

from typing import Any

import pytest

from kmsplan.report.value_text import value_text


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rotation", 7_776_000, "90d"),
        ("rotation", 3601, "3601s"),
        ("rotation", None, "null"),
        ("unused_for", 86_400, "1d"),
        ("deletion_window", 30, "30d"),
        ("enabled", True, "true"),
        ("instance", "instance.core", "instance.core"),
        ("instance", "kst\x1b[0m", "kst\\x1b[0m"),
        ("description", 'a "b"\n', '"a \\"b\\"\\n"'),
        ("tags", {"b": "2", "a": "1"}, '{"a": "1", "b": "2"}'),
        ("policy", {"S": [{"E": None}, 1, 1.5, False]}, '{"S": [{"E": null}, 1, 1.5, false]}'),
    ],
)
def test_values_read_as_people_write_them(name: str, value: Any, expected: str) -> None:
    assert value_text("key", name, value) == expected
