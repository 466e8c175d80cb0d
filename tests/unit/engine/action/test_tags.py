from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.operation import ScheduleKeyDeletion, TagResource, TagResources, UntagResource, UntagResources
from tests.engines import new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.error import KmsError
    from kmsplan.kms.operation import Operation


def tags(engine: Engine, key: str) -> dict[str, str]:
    return {tag.name: tag.value for tag in engine.list_resource_tags(key)}


def test_fifty_resources_are_tagged_and_untagged_at_once(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    keys = tuple(new_key(engine, instance) for _ in range(51))
    error = refusal(TagResources(resource=keys, resource_type="key", tags={"a": "b"}))
    assert (error.code, "50" in error.message) == ("InvalidParameter", True)
    engine.execute(TagResources(resource=keys[:50], resource_type="key", tags={"a": "b", "c": "d"}))
    assert [tags(engine, key) for key in keys] == [{"a": "b", "c": "d"}] * 50 + [{}]
    engine.execute(UntagResources(resource=keys[:50], resource_type="key", tag_keys=("a", "none")))
    assert tags(engine, keys[0]) == {"c": "d"}
    assert list(engine.audit_entries())[-1]["resource"].startswith(f"{keys[0]},{keys[1]},")


def test_several_resources_are_tagged_all_or_none(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    first, leaving = new_key(engine, instance), new_key(engine, instance)
    engine.execute(ScheduleKeyDeletion(key=leaving, window_days=7))
    for other, code in ((leaving, "Rejected.PendingDeletion"), ("key-none", "Forbidden.KeyNotFound")):
        assert refusal(TagResources(resource=(first, other), resource_type="key", tags={"a": "b"})).code == code
        assert tags(engine, first) == {}


def test_every_tag_goes_where_that_is_said(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance, tags={"a": "b", "c": "d"})
    for names, every in (((), None), ((), False), (("a",), True)):
        operation = UntagResources(resource=key, resource_type="key", tag_keys=names, every=every)
        assert refusal(operation).code == "InvalidParameter"
    engine.execute(UntagResources(resource=key, resource_type="key", tag_keys=(), every=True))
    assert tags(engine, key) == {}


def test_twenty_tags_are_the_most_also_in_steps(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance, tags={f"t{number}": "x" for number in range(20)})
    engine.execute(TagResource(key=key, tags={"t0": "changed"}))
    assert tags(engine, key)["t0"] == "changed"
    assert refusal(TagResource(key=key, tags={"t20": "x"})).code == "Rejected.LimitExceeded"
    assert refusal(TagResources(resource=key, resource_type="key", tags={"t20": "x"})).code == "Rejected.LimitExceeded"
    assert len(tags(engine, key)) == 20


def test_the_older_action_takes_ten_tags(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance)
    engine.execute(TagResource(key=key, tags={f"t{number}": "x" for number in range(10)}))
    assert refusal(TagResource(key=key, tags={f"u{number}": "x" for number in range(11)})).code == "InvalidParameter"
    engine.execute(UntagResource(key=key, tag_keys=("t0", "none")))
    assert len(tags(engine, key)) == 9
    assert refusal(UntagResource(key=key, tag_keys=())).code == "InvalidParameter"


@pytest.mark.parametrize(
    ("name", "value"),
    [("aliyun", "x"), ("acs:a", "x"), ("", "x"), ("x" * 129, "x"), ("a", "x" * 129), ("a;b", "x"), ("a", "x\n")],
)
def test_a_tag_that_is_none_is_refused(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError], name: str, value: str
) -> None:
    key = new_key(engine, instance)
    for operation in (
        TagResource(key=key, tags={name: value}),
        TagResources(resource=key, resource_type="key", tags={name: value}),
        TagResources(resource=instance, resource_type="instance", tags={name: value}),
    ):
        assert refusal(operation).code == "InvalidParameter"
    assert tags(engine, key) == {}


def test_the_longest_tag_is_taken(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, tags={"k" * 128: "v" * 128, "a b/\\_-.+=:@": ""})
    assert tags(engine, key) == {"k" * 128: "v" * 128, "a b/\\_-.+=:@": ""}


def test_instances_have_tags_of_their_own(engine: Engine, instance: str) -> None:
    engine.execute(TagResources(resource=(instance,), resource_type="instance", tags={"a": "b"}))
    assert [tuple(tag) for tag in engine.list_tags("instance")[0]] == [(instance, "instance", "a", "b")]


def test_a_resource_that_is_not_there_is_not_found(instance: str, refusal: Callable[[Operation], KmsError]) -> None:
    for kind, name, code in (
        ("key", "key-none", "Forbidden.KeyNotFound"),
        ("key", instance, "Forbidden.KeyNotFound"),
        ("instance", "kst-none", "Forbidden.DKMSInstanceNotFound"),
        ("instance", "kmsplan-default", "Forbidden.DKMSInstanceNotFound"),
        ("secret", "x", "InvalidParameter"),
        ("key", "", "InvalidParameter"),
    ):
        assert refusal(TagResources(resource=name, resource_type=kind, tags={"a": "b"})).code == code
