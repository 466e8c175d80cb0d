from __future__ import annotations

from kmsplan.kms.wording import width


def test_width_counts_columns_not_characters() -> None:
    assert (width("abc"), width("漢字"), width("e\u0301")) == (3, 4, 1)
