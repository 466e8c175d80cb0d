from __future__ import annotations

import typing

from kmsplan.kms.operation import Operation
from kmsplan.kms.settling import OPERATIONS, Settle


def test_the_table_lists_exactly_the_closed_set() -> None:
    assert {facts.operation for facts in OPERATIONS.values()} == set(typing.get_args(Operation))


def test_what_makes_an_object_without_a_client_token_is_settled_by_its_owner_tag() -> None:
    by_token = {name for name, facts in OPERATIONS.items() if facts.settle is Settle.BY_TOKEN}
    assert by_token == {"CreateKey", "CreateInstance"}
    assert not any(OPERATIONS[name].repeatable for name in by_token)
