from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click
import pytest

from kmsplan.cli.call import parse_call
from kmsplan.kms.operation import DisableKey, TagResources

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine


class _Names:
    def resolve(self, name: str) -> str:
        return f"id of {name}"


NAMES = cast("Engine", _Names())


def test_an_alias_is_resolved_where_an_id_is_wanted() -> None:
    assert parse_call("DisableKey", ("KeyId=alias/orders",))(NAMES) == DisableKey(key="id of alias/orders")


def test_values_are_json_where_they_are_json() -> None:
    made = parse_call("TagResources", ("ResourceId=key-1", "ResourceType=key", 'Tag={"a": "b"}'))(NAMES)
    assert made == TagResources(resource="key-1", resource_type="key", tags={"a": "b"})


@pytest.mark.parametrize(
    ("name", "pairs", "message"),
    [
        ("DisableKy", (), "Did you mean 'DisableKey'"),
        ("DisableKey", ("KeyId",), "NAME=VALUE"),
        ("DisableKey", ("Key=1",), "no parameter 'Key'"),
    ],
)
def test_wrong_calls_say_what_is_wrong(name: str, pairs: tuple[str, ...], message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        parse_call(name, pairs)(NAMES)
