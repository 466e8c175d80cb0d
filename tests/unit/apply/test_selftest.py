"""The self-test of successors: once a run, and no move to a key that does not work."""

from __future__ import annotations

from typing import Any

import pytest

from kmsplan.apply.outcome import exit_code
from kmsplan.apply.selftest import SelfTestError, SelfTests
from kmsplan.kms.operation import name_of
from kmsplan.resource.address import Address
from tests.fake import plans
from tests.fake.kms import ModelKms

Bench = Any

A, OLD, ALIAS = Address("key.a"), Address("key.a~1"), Address("alias.a")


def objects(**attributes: Any) -> Any:
    return plans.desired(
        instance__core=plans.core(),
        key__a=plans.key(on_replace="succeed", **attributes),
        alias__a={"key": "key.a"},
        alias__b={"key": "key.a"},
    )


def test_a_key_is_tested_once() -> None:
    kms = ModelKms()
    tests = SelfTests(kms, {A: "key-1"})
    tests.require(A)
    tests.require(A)
    assert kms.tested == ["key-1"]


def test_a_key_that_fails_says_what_stays_and_fails_again() -> None:
    kms = ModelKms(broken={"key-1"})
    tests = SelfTests(kms, {A: "key-1"})
    for _ in range(2):
        with pytest.raises(SelfTestError, match=r"key\.a \(key-1\) did not pass .* \(A101\)"):
            tests.require(A)
    assert kms.tested == ["key-1"]


def test_a_successor_is_tested_once_before_its_aliases_move(bench: Bench) -> None:
    bench.apply(objects())
    bench.apply(objects(spec="RSA_2048"))
    recorded = bench.store.load().records
    assert bench.kms.tested == [recorded[A].identity]
    assert {bench.kms.objects[f"alias/{name}"].attributes["key"] for name in "ab"} == {recorded[A].identity}


def test_a_successor_that_fails_leaves_aliases_and_predecessor_as_they_were(bench: Bench) -> None:
    bench.apply(objects())
    old = bench.store.load().records[A].identity
    bench.kms.broken = {f"key-{number:021d}" for number in range(10)}
    outcome = bench.apply(objects(spec="RSA_2048")).outcome
    assert exit_code(outcome) == 8
    assert {result.address: result.code for result in outcome.failed} == {ALIAS: "A101", "alias.b": "A101"}
    assert bench.kms.objects["alias/a"].attributes["key"] == old
    assert bench.kms.objects[old].attributes["enabled"]


def test_a_successor_that_works_later_is_tested_again_and_then_moved_to(bench: Bench) -> None:
    bench.apply(objects())
    bench.kms.broken = {f"key-{number:021d}" for number in range(10)}
    bench.apply(objects(spec="RSA_2048"))
    assert exit_code(bench.apply(objects(spec="RSA_2048")).outcome) != 0
    bench.kms.broken = set()
    assert exit_code(bench.apply(objects(spec="RSA_2048")).outcome) == 0
    recorded = bench.store.load().records
    assert bench.kms.objects["alias/a"].attributes["key"] == recorded[A].identity
    assert recorded[OLD].attributes["enabled"] is False
    assert [name_of(call) for call in bench.kms.calls].count("CreateKey") == 2


def test_a_successor_that_is_not_to_work_is_not_tested(bench: Bench) -> None:
    bench.apply(objects())
    bench.apply(objects(spec="RSA_2048", enabled=False))
    assert bench.kms.tested == []
