"""An earlier serial's records become those of now, or it is said why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.apply.restore import restore
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.resource.value import ABSENT, Observed, Present, Unreadable
from kmsplan.state.record import Pending, Record, Recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.resource.value import Observation


def state(serial: int = 1, pending: tuple[Pending, ...] = (), **identities: str) -> Recorded:
    records = {
        Address(f"key.{name}"): Record(address=Address(f"key.{name}"), identity=identity, attributes={"serial": serial})
        for name, identity in identities.items()
    }
    return Recorded(lineage="l", serial=serial, environment="fake/1", records=records, pending=pending)


def observed(
    *identities: str, environment: str = "fake/1", others: Mapping[str, Observation] | None = None
) -> Observed:
    found = {identity: Present(kind="key", identity=identity, attributes={}) for identity in identities}
    return Observed(environment=environment, objects={**found, **(others or {})})


def told(recorded: Recorded, earlier: Recorded, seen: Observed, *excludes: str) -> str:
    return "\n".join(restore(recorded, earlier, seen, excludes=excludes).problems)


def identities(recorded: Recorded) -> dict[str, str]:
    return {address: record.identity for address, record in recorded.records.items()}


def test_a_forgotten_record_comes_back_as_it_was() -> None:
    earlier = state(1, a="key-1", b="key-2")
    found = restore(state(2, a="key-1"), earlier, observed("key-1", "key-2"))
    assert found.problems == ()
    assert found.recorded.records == earlier.records
    assert found.recorded.serial == 2, "whoever writes it down counts"


def test_what_was_made_since_stays_recorded() -> None:
    found = restore(state(2, a="key-1", new="key-3"), state(1, a="key-1"), observed("key-1", "key-3"))
    assert found.problems == ()
    assert identities(found.recorded) == {"key.a": "key-1", "key.new": "key-3"}


def test_a_moved_record_moves_back_and_is_there_once() -> None:
    found = restore(state(2, b="key-1"), state(1, a="key-1"), observed("key-1"))
    assert found.problems == ()
    assert identities(found.recorded) == {"key.a": "key-1"}


def test_an_object_that_is_gone_or_unreadable_stands_against_it() -> None:
    seen = observed(others={"key-1": ABSENT, "key-2": Unreadable("x", "no HSM")})
    said = told(state(2), state(1, a="key-1", b="key-2", c="key-3"), seen)
    assert "key.a: key-1 is gone at the KMS" in said
    assert "key.b: key-2 cannot be read: no HSM" in said
    assert "key.c: key-3 is gone at the KMS" in said, "what nobody read is not there for certain"


def test_nothing_is_orphaned() -> None:
    now, earlier = state(2, a="key-2"), state(1, a="key-1")
    seen = observed("key-1", "key-2")
    assert "key.a: key-2 is recorded here now, and would be recorded nowhere" in told(now, earlier, seen)
    assert told(now, earlier, seen, "key.a") == ""
    assert identities(restore(now, earlier, seen, excludes=["key.a"]).recorded) == {"key.a": "key-2"}


def test_a_predecessor_comes_back_where_its_successor_moves_elsewhere() -> None:
    now, earlier = state(2, a="key-2", b="key-1"), state(1, a="key-1", b="key-2")
    assert identities(restore(now, earlier, observed("key-1", "key-2")).recorded) == {
        "key.a": "key-1",
        "key.b": "key-2",
    }


def test_another_kms_stands_against_it() -> None:
    assert "serial 1 speaks of fake/1, and the configuration reaches fake/2" in told(
        state(2), state(1), observed(environment="fake/2")
    )


def test_an_operation_in_doubt_is_settled_first() -> None:
    pending = Pending(
        sequence=1,
        address=Address("key.a"),
        operation="CreateKey",
        parameters={},
        token="t",
        identity=None,
        effect=Effect(),
    )
    said = told(state(2, pending=(pending,)), state(1), observed())
    assert "key.a: CreateKey was interrupted" in said
