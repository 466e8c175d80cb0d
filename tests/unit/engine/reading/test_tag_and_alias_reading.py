from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateAlias
from tests.engines import new_instance, new_key

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_aliases_are_listed_by_name_all_or_a_keys(engine: Engine, instance: str) -> None:
    first, second = new_key(engine, instance), new_key(engine, instance)
    for name, key in (("c", first), ("a", first), ("b", second)):
        engine.execute(CreateAlias(alias=f"alias/{name}", key=key))
    assert [item.alias for item in engine.list_aliases().items] == ["alias/a", "alias/b", "alias/c"]
    own = engine.list_aliases(key=first)
    assert ([item.alias for item in own.items], own.total) == (["alias/a", "alias/c"], 2)
    assert engine.list_aliases(key=first, page=2, size=1).items[0] == own.items[1]
    assert own.items[0].arn == f"acs:kms:local:{engine.account}:alias/a"


def test_two_hundred_tags_come_at_a_time(engine: Engine, instance: str) -> None:
    wanted = set()
    for _ in range(21):
        key = new_key(engine, instance, tags={f"t{number}": "x" for number in range(20)})
        wanted |= {(key, f"t{number}") for number in range(20)}
    rows, token = engine.list_tags("key")
    got, sizes = list(rows), [len(rows)]
    while token:
        rows, token = engine.list_tags("key", token=token)
        got += rows
        sizes.append(len(rows))
    assert sizes == [200, 200, 20]
    assert {(tag.resource_id, tag.name) for tag in got} == wanted
    assert [tag[:3] for tag in got] == sorted(tag[:3] for tag in got)


def test_a_full_last_page_has_no_follower(engine: Engine, instance: str) -> None:
    for _ in range(10):
        new_key(engine, instance, tags={f"t{number}": "x" for number in range(20)})
    rows, token = engine.list_tags("key")
    assert (len(rows), token) == (200, "")


def test_tags_of_some_resources(engine: Engine, instance: str) -> None:
    keys = [new_key(engine, instance, tags={"a": str(number)}) for number in range(3)]
    rows, token = engine.list_tags("key", (keys[2], keys[0], "key-none"))
    assert ({(tag.resource_id, tag.value) for tag in rows}, token) == ({(keys[0], "0"), (keys[2], "2")}, "")
    assert engine.list_tags("key", ("key-none",)) == ((), "")


def test_tags_of_resources_that_have_all_of_some_tags(engine: Engine, instance: str) -> None:
    both = new_key(engine, instance, tags={"a": "1", "b": "2"})
    other = new_key(engine, instance, tags={"a": "1", "b": "3"})
    rows, _ = engine.list_tags("key", (), [("a", "1"), ("b", "2")])
    assert {(tag.resource_id, tag.name) for tag in rows} == {(both, "a"), (both, "b")}
    rows, _ = engine.list_tags("key", (), [("b", None)])
    assert {tag.resource_id for tag in rows} == {both, other}
    assert engine.list_tags("key", (other,), [("b", "2")]) == ((), "")


def test_keys_and_instances_are_kept_apart(engine: Engine) -> None:
    place = new_instance(engine, tags={"a": "b"})
    key = new_key(engine, place, tags={"c": "d"})
    assert [tuple(tag) for tag in engine.list_tags("instance", (place,))[0]] == [(place, "instance", "a", "b")]
    assert [tag.resource_id for tag in engine.list_tags("instance")[0]] == [place]
    assert [tag.resource_id for tag in engine.list_tags("key")[0]] == [key]


@pytest.mark.parametrize(
    ("kind", "ids", "tags", "token", "code"),
    [
        ("secret", (), (), "", "InvalidParameter"),
        ("key", ("k",) * 51, (), "", "InvalidParameter"),
        ("key", (), (("a", "b"),) * 21, "", "InvalidParameter"),
        ("key", (), (("", "b"),), "", "InvalidParameter"),
        ("key", (), (), "nonsense", "InvalidParameter"),
        ("key", (), (), "ünsinn", "InvalidParameter"),
        ("key", (), (), _encoded("x"), "InvalidParameter"),
        ("key", (), (), _encoded(["a"]), "InvalidParameter"),
        ("key", (), (), _encoded(["a", 1]), "InvalidParameter"),
        ("key", (), (), _encoded({"a": 1, "b": 2, "c": 3}), "InvalidParameter"),
        ("key", (), (), _encoded({"a": 1, "b": 2}), "InvalidParameter"),
        ("key", (), (), _encoded("ab"), "InvalidParameter"),
        ("key", (), (), _encoded(["\ud800", "a"]), "InvalidParameter"),
        ("key", (), (), _encoded(["a", "\ud800"]), "InvalidParameter"),
        ("key", (), (), base64.b64encode(b"[" * 100_000).decode(), "InvalidParameter"),
        ("key", ("alias/none",), (), "", "Unsupported.Alias"),
        ("instance", ("kst-none",), (), "", "Forbidden.DKMSInstanceNotFound"),
        ("instance", ("kmsplan-default",), (), "", "Forbidden.DKMSInstanceNotFound"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    engine: Engine,
    kind: str,
    ids: tuple[str, ...],
    tags: tuple[tuple[str, str | None], ...],
    token: str,
    code: str,
) -> None:
    with pytest.raises(KmsError) as caught:
        engine.list_tags(kind, ids, tags, token)
    assert caught.value.code == code


def test_a_token_beyond_everything_ends_the_list(engine: Engine, instance: str) -> None:
    new_key(engine, instance, tags={"a": "b"})
    assert engine.list_tags("key", token=_encoded(["~", "~"])) == ((), "")
