from __future__ import annotations

import dataclasses

import pytest

from kmsplan.kms.operation import DisableKey, EnableKey
from kmsplan.kms.settling import OPERATIONS


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_parameter_has_an_api_name(name: str) -> None:
    fields = dataclasses.fields(OPERATIONS[name].operation)  # type: ignore[arg-type]
    wires = [field.metadata["wire"] for field in fields]
    assert len(set(wires)) == len(wires) > 0


def test_operations_are_equal_by_kind_and_content_and_say_what_they_are() -> None:
    assert DisableKey(key="key-1") == DisableKey(key="key-1")
    assert DisableKey(key="key-1") != DisableKey(key="key-2")
    assert DisableKey(key="key-1") != EnableKey(key="key-1")
    assert len({DisableKey(key="key-1"), DisableKey(key="key-1"), EnableKey(key="key-1")}) == 2
    assert repr(DisableKey(key="key-1")) == "DisableKey(key='key-1')"
