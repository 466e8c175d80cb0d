"""What a process remembers of keys is checked when it is used: another process's change counts from its answer on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.caller import Caller
from kmsplan.engine.dataplane.answer import SlowError, StaleError
from kmsplan.engine.keystore import version as versions
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateAlias, DeleteAlias, DisableKey, EnableKey, ScheduleKeyDeletion, UpdateAlias
from kmsplan.kms.spec import KeySpec
from tests.engines import new_key

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine
    from tests.engines import Lab


@pytest.fixture
def other(lab: Lab, engine: Engine) -> Engine:
    """The same engine, opened a second time, as another process would."""
    del engine
    return lab.open()


def test_a_key_that_another_process_disabled_is_refused(engine: Engine, other: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    blob = engine.encrypt(key, b"x").blob
    other.execute(DisableKey(key=key))
    for use in (lambda: engine.encrypt(key, b"x"), lambda: engine.decrypt(blob)):
        with pytest.raises(KmsError) as caught:
            use()
        assert caught.value.code == "Rejected.Disabled"
    other.execute(EnableKey(key=key))
    assert engine.decrypt(blob).plaintext == b"x"


def test_an_alias_that_another_process_moved_means_the_new_key(engine: Engine, other: Engine, instance: str) -> None:
    first, second = new_key(engine, instance), new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/a", key=first))
    assert engine.encrypt("alias/a", b"x").key_id == first
    other.execute(UpdateAlias(alias="alias/a", key=second))
    assert engine.encrypt("alias/a", b"x").key_id == second
    other.execute(DeleteAlias(alias="alias/a"))
    with pytest.raises(KmsError) as caught:
        engine.encrypt("alias/a", b"x")
    assert caught.value.code == "Forbidden.AliasNotFound"


def test_a_key_that_another_process_lets_go_is_refused_at_once(engine: Engine, other: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.encrypt(key, b"x")
    other.execute(ScheduleKeyDeletion(key=key, window_days=7))
    with pytest.raises(KmsError) as caught:
        engine.encrypt(key, b"x")
    assert caught.value.code == "Rejected.PendingDeletion"


def test_an_answer_that_was_overtaken_asks_to_be_made_again(engine: Engine, other: Engine, instance: str) -> None:
    first, second = new_key(engine, instance), new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/a", key=first))
    engine.encrypt("alias/a", b"x")
    other.execute(UpdateAlias(alias="alias/a", key=second))
    answer = engine.begin.encrypt("alias/a", b"x")
    answer.ticket.settle()
    with pytest.raises(StaleError):
        answer.value()
    assert answer.again().wait().key_id == second
    uses = [entry for entry in engine.audit_entries() if entry["action"] == "Encrypt"]
    assert [entry["resource"] for entry in uses] == [first, second], "what was overtaken was not done"


def test_who_is_in_a_hurry_is_told_at_once_that_a_key_takes_its_time(engine: Engine, instance: str) -> None:
    quick, slow = new_key(engine, instance), new_key(engine, instance, KeySpec.RSA_2048)
    hurried = engine.beginning(hurried=True)(Caller(actor="in a hurry"))
    assert hurried.encrypt(quick, b"x").wait().key_id == quick
    with pytest.raises(SlowError):
        hurried.sign(slow, None, "RSA_PSS_SHA_256", bytes(32))
    assert [entry["resource"] for entry in engine.audit_entries() if entry["actor"] == "in a hurry"] == [quick]


def test_what_is_made_again_has_the_time(engine: Engine, other: Engine, instance: str) -> None:
    quick, slow = new_key(engine, instance, KeySpec.EC_P256), new_key(engine, instance, KeySpec.RSA_2048)
    engine.execute(CreateAlias(alias="alias/a", key=quick))
    hurried = engine.beginning(hurried=True)(Caller(actor="in a hurry"))
    hurried.sign("alias/a", None, None, bytes(32)).wait()
    other.execute(UpdateAlias(alias="alias/a", key=slow))
    answer = hurried.sign("alias/a", None, None, bytes(32))
    assert answer.wait().key_id == slow


def test_a_change_in_the_same_transaction_counts(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.encrypt(key, b"x")
    core = engine._core
    blocked = core.store.submit(lambda transaction: transaction.db.execute("SELECT 1").fetchone())
    change = core.store.submit(lambda transaction: transaction.db.execute("UPDATE key SET state = 'Disabled'") and None)
    answer = engine.begin.encrypt(key, b"x")
    blocked.settle()
    change.settle()
    answer.ticket.settle()
    with pytest.raises(KmsError) as caught:
        answer.value()
    assert caught.value.code == "Rejected.Disabled"


def test_other_keys_changing_costs_a_look_and_no_repetition(engine: Engine, other: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    engine.encrypt(key, b"x")
    before = len(list(engine.audit_entries()))
    new_key(other, instance)
    assert engine.encrypt(key, b"x").key_id == key
    assert len(list(engine.audit_entries())) == before + 2


def test_encryptions_of_two_processes_are_counted_together(
    engine: Engine, other: Engine, lab: Lab, instance: str
) -> None:
    key = new_key(engine, instance)
    for one in (engine, other):
        for _ in range(10):
            one.encrypt(key, b"x")
    with lab.open()._core.store.read() as db:
        (uses,) = db.execute("SELECT uses FROM key_version WHERE key_id = ?", (key,)).fetchone()
    assert 20 <= uses <= 32, "counted by blocks that double, so never too low and never much too high"


def test_the_last_encryptions_are_exact(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance)
    core = engine._core
    core.store.write(
        lambda transaction: (
            transaction.db.execute("UPDATE key_version SET uses = ?", (versions.USES_LIMIT - 5,)) and None
        )
    )
    for _ in range(5):
        engine.encrypt(key, b"x")
    with pytest.raises(KmsError, match="Rotate the key") as caught:
        engine.encrypt(key, b"x")
    assert caught.value.code == "Rejected.LimitExceeded"
