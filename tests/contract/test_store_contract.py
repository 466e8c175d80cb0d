"""What every state store does alike: a folder, a database, a state server and an object store."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.secret import SecretBytes
from kmsplan.resource.address import Address
from kmsplan.resource.step import Effect
from kmsplan.state import protocol, snapshot
from kmsplan.state.cipher import PLAIN, Cipher
from kmsplan.state.difference import compare
from kmsplan.state.entry import Ending
from kmsplan.state.error import (
    FenceError,
    LockHeldError,
    StateAccessError,
    StateCorruptError,
    StateKeyError,
    StateMissingError,
    StateMovedError,
    UnlockError,
)
from kmsplan.state.record import NO_STATE, Deletions
from tests import stores
from tests.state_server import StateServer
from tests.stores import LINEAGE, Place, apply, begin_key, make_key, names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.state.cipher import Codec
    from kmsplan.state.holder import Holder
    from kmsplan.state.past import Serial
    from kmsplan.state.recoding import Rekeyed
    from kmsplan.state.record import Recorded


@pytest.fixture(params=["local", "postgres", "http", "gitlab", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place without a state."""
    match request.param:
        case "local":
            yield stores.local(tmp_path)
        case "postgres":
            yield stores.postgres(tmp_path, request.getfixturevalue("postgres"))
        case "s3":
            yield stores.s3(tmp_path, request.getfixturevalue("objects"), monkeypatch)
        case _:
            server = StateServer(gitlab=request.param == "gitlab")
            yield stores.http(tmp_path, server)
            server.close()


@pytest.fixture
def applied(place: Place) -> Place:
    """A state with key.orders, serial 1."""
    apply(place.machine(), "orders")
    return place


def test_a_store_has_every_part_of_the_protocol(applied: Place) -> None:
    store = applied.machine()
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        parts = {protocol.Store: store, protocol.Held: lock, protocol.Writing: writing}
        missing = [
            f"{kind.__name__}.{name}"
            for kind, part in parts.items()
            for name in vars(kind)
            if not name.startswith("_") and not hasattr(part, name)
        ]
    assert missing == []


def test_there_is_no_state_before_the_first(place: Place) -> None:
    store = place.machine()
    assert store.load() == NO_STATE
    assert store.history() == []
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        assert writing.recorded == NO_STATE
        with pytest.raises(StateMissingError):
            writing.journal.run(command="x")


def test_of_many_who_make_a_state_at_once_one_wins(place: Place) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda number: place.machine(f"m{number}").init(f"{number:032x}"), range(6)))
    assert {recorded.lineage for recorded in made} == {place.machine().load().lineage}
    assert {recorded.serial for recorded in made} == {0}


def test_a_run_is_seen_by_every_machine(applied: Place) -> None:
    seen = applied.machine("two").load()
    assert (seen.lineage, seen.serial, seen.environment) == (LINEAGE, 1, "fake/1")
    assert seen.records[Address("key.orders")].identity == "key-orders"
    apply(applied.machine("two"), "signer")
    assert names(applied.machine("one")) == {"key.orders", "key.signer"}
    assert applied.machine("one").load().serial == 2


def test_what_a_run_that_did_not_end_may_delete_is_seen_by_every_machine(applied: Place) -> None:
    deletions = Deletions("purpose", (Address("key.orders"),))
    store = applied.machine("one")
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        writing.journal.run(command="apply", deletions=deletions)
        make_key(writing.journal, "made")
        writing.save(finished=False)
    assert applied.machine("two").load().unfinished == deletions
    apply(applied.machine("two"), "later")
    assert applied.machine("one").load().unfinished is None


def test_a_run_that_changes_nothing_leaves_no_serial(applied: Place) -> None:
    store = applied.machine()
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        assert writing.save().serial == 1
    assert store.load().serial == 1


def test_an_interrupted_run_is_finished_on_its_own_machine(applied: Place) -> None:
    _interrupt(applied)
    store = applied.machine()
    found = store.load()
    assert set(found.records) == {"key.orders", "key.made"}
    assert [pending.address for pending in found.pending] == ["key.begun"]
    apply(store, "later")
    assert names(applied.machine("two")) == {"key.orders", "key.made", "key.later"}
    assert [pending.address for pending in applied.machine("two").load().pending] == ["key.begun"]


def _interrupt(place: Place) -> None:
    """Make a key, begin another, and give the lock back with nothing saved."""
    store = place.machine()
    with store.lock(owner="ada@one", command="apply") as lock:
        writing = store.open(lock).__enter__()
        writing.journal.run(command="apply", environment="fake/1")
        make_key(writing.journal, "made")
        begin_key(writing.journal, "begun")


def test_an_interrupted_run_is_finished_by_another_machine(applied: Place) -> None:
    if not applied.mirrors:
        pytest.skip("told in a test of its own")
    _interrupt(applied)
    other = applied.machine("two")
    assert set(other.load().records) == {"key.orders", "key.made"}
    apply(other, "later")
    assert names(applied.machine("one")) == {"key.orders", "key.made", "key.later"}


def test_history_has_every_serial_and_each_can_be_read(applied: Place) -> None:
    store = applied.machine()
    for number in range(3):
        with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
            writing.journal.run(command="apply", by="ada@one", plan=f"plan-{number}")
            writing.journal.record(Address("key.orders"), Effect(attributes={"rotation": number}))
            writing.save()
    other = applied.machine("two")
    listed = other.history()
    assert [serial.number for serial in listed] == [0, 1, 2, 3, 4]
    assert [serial.made.plan for serial in listed if serial.made] == ["digest", "plan-0", "plan-1", "plan-2"]
    rotations = [
        other.load_serial(serial).records[Address("key.orders")].attributes.get("rotation") for serial in (1, 2, 3, 4)
    ]
    assert rotations == [None, 0, 1, 2]
    with pytest.raises(StateMissingError, match="no serial 9"):
        other.load_serial(9)


def test_reading_needs_no_lock(applied: Place) -> None:
    store = applied.machine()
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        writing.journal.run(command="apply")
        make_key(writing.journal, "second")
        assert "key.orders" in names(applied.machine("two"))
        assert next(serial.number for serial in applied.machine("two").history()) == 0


def test_one_holds_the_lock_and_the_other_is_told_who(applied: Place) -> None:
    with applied.machine().lock(owner="ada@one", command="apply"):
        with pytest.raises(LockHeldError, match=r"ada@one|root") as caught:
            applied.machine("two").lock(owner="bob@two", command="apply")
        assert caught.value.holder is not None
        assert caught.value.holder.command == "apply"
        assert f"kmsplan unlock {caught.value.holder.id}" in caught.value.remedy
    with applied.machine("two").lock(owner="bob@two", command="apply"):
        pass


def test_who_waits_is_told_for_whom_once_and_gets_the_lock(applied: Place) -> None:
    told: list[Holder | None] = []
    first = applied.machine().lock(owner="ada@one", command="apply").__enter__()

    def waiting(holder: Holder | None) -> None:
        told.append(holder)
        first.release()

    with applied.machine("two").lock(owner="bob@two", command="apply", timeout=60, waiting=waiting) as second:
        second.check()
        assert second.fence > first.fence
    assert [holder.id for holder in told if holder] == [first.holder.id]


def test_the_fence_number_grows_from_holding_to_holding(applied: Place) -> None:
    fences = []
    for number in range(3):
        with applied.machine(f"m{number}").lock(owner="a", command="c") as lock:
            fences.append(lock.fence)
    assert fences == sorted(set(fences))


def test_a_lock_is_broken_with_its_exact_id_alone(applied: Place) -> None:
    store = applied.machine("two")
    with pytest.raises(UnlockError, match="nobody holds"):
        store.unlock("0" * 16)
    with applied.machine().lock(owner="ada@one", command="apply") as lock:
        with pytest.raises(UnlockError, match="another id") as caught:
            store.unlock("0" * 16)
        assert lock.holder.id in caught.value.summary
        if applied.beats:
            with pytest.raises(UnlockError, match="is alive"):
                store.unlock(lock.holder.id)


def test_whoever_lost_the_lease_writes_nothing_more(applied: Place) -> None:
    if not applied.shared:
        pytest.skip("tests/unit/state/test_lock.py has the folder's lock")
    applied.lease = stores.SHORT_LEASE
    asleep = applied.machine()
    lock = asleep.lock(owner="ada@one", command="apply").__enter__()
    lock._ended.set()  # type: ignore[attr-defined]  # its heart stops, as under SIGSTOP
    writing = asleep.open(lock).__enter__()
    writing.journal.run(command="apply")
    make_key(writing.journal, "before")
    taken = _take(applied, lock.holder.id)
    before = names(applied.machine("two"))
    with pytest.raises(FenceError):
        begin_key(writing.journal, "after")
    with pytest.raises(FenceError):
        writing.save()
    assert names(applied.machine("two")) == before
    taken.release()
    writing.close()
    lock._ended.clear()  # type: ignore[attr-defined]
    lock.release()


def _take(place: Place, identifier: str) -> protocol.Held:
    """Get the lease of a holder that is silent."""
    other = place.machine("two")
    if not place.beats:
        other.unlock(identifier)
        time.sleep(place.lease)
    deadline = time.monotonic() + 60
    while True:
        try:
            return other.lock(owner="bob@two", command="apply").__enter__()
        except LockHeldError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_snapshot_that_was_changed_without_the_lock_is_left_alone(applied: Place) -> None:
    store = applied.machine()
    with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
        writing.journal.run(command="apply")
        make_key(writing.journal, "second")
        applied.change()
        with pytest.raises((StateMovedError, FenceError)):
            writing.save()


def test_a_damaged_snapshot_is_told_and_never_taken_for_none(applied: Place) -> None:
    applied.damage()
    for store in (applied.machine(), applied.machine("two")):
        with pytest.raises(StateCorruptError):
            store.load()
        with store.lock(owner="a", command="c") as lock, pytest.raises(StateCorruptError):
            store.open(lock)


def test_a_place_that_fails_in_the_middle_of_a_run_loses_nothing(applied: Place) -> None:
    if not applied.shared:
        pytest.skip("a folder fails as tests/unit/state/test_writer.py shows")
    store = applied.machine()
    with store.lock(owner="ada@one", command="apply") as lock:
        writing = store.open(lock).__enter__()
        writing.journal.run(command="apply")
        make_key(writing.journal, "before")
        writing.journal.flush()
        make_key_end = begin_key(writing.journal, "during")
        applied.cut()
        try:
            writing.journal.end(make_key_end, Ending.DONE, identity="key-during")
            with pytest.raises(StateAccessError):
                writing.save()
        finally:
            applied.heal()
    found = applied.machine()
    assert names(found) == {"key.orders", "key.before", "key.during"}
    apply(found, "after")
    seen = applied.machine("two").load()
    assert set(seen.records) == {"key.orders", "key.before", "key.during", "key.after"}
    assert seen.pending == ()


def test_an_operation_is_not_begun_where_the_place_cannot_be_told(applied: Place) -> None:
    if not applied.shared or not applied.mirrors:
        pytest.skip("the journal is on this machine alone")
    store = applied.machine()
    with store.lock(owner="ada@one", command="apply") as lock:
        writing = store.open(lock).__enter__()
        writing.journal.run(command="apply")
        applied.cut()
        try:
            with pytest.raises(StateAccessError):
                begin_key(writing.journal, "never")
        finally:
            applied.heal()
    assert applied.machine("two").load().pending == ()
    apply(applied.machine("two"), "other")
    apply(applied.machine(), "mine")
    seen = applied.machine().load()
    assert set(seen.records) == {"key.orders", "key.other", "key.mine"}
    assert seen.pending == ()
    assert list((applied.folder / "one" / "superseded").iterdir())


ONE, TWO = (Cipher(SecretBytes(key * 32)) for key in (b"1", b"2"))


def test_an_encrypted_state_is_the_same_to_whoever_has_the_key(place: Place) -> None:
    apply(place.machine("one", ONE), "orders")
    apply(place.machine("two", ONE), "signer")
    assert names(place.machine("three", ONE)) == {"key.orders", "key.signer"}
    assert [serial.number for serial in place.machine("three", ONE).history()] == [0, 1, 2]
    assert place.machine("three", ONE).load_serial(1).records.keys() == {Address("key.orders")}
    for codec in (PLAIN, TWO):
        with pytest.raises(StateKeyError, match=f"is encrypted with the key {ONE.key_id}"):
            place.machine("two", codec).load()


def _rekey(place: Place, *before: Codec, after: Codec, machine: str = "one") -> Rekeyed:
    store = place.machine(machine, after)
    with store.lock(owner="a", command="state rekey") as lock:
        return store.rekey(before, lock)


def _story(store: protocol.Store) -> list[tuple[Serial, Recorded]]:
    """Every serial: who made it, and what it recorded."""
    return [(serial, store.load_serial(serial.number)) for serial in store.history()]


@pytest.fixture
def lived(applied: Place) -> Place:
    """Five serials: one was made by a run that was cut off, and is in a journal alone; and a journal was set aside."""
    apply(applied.machine(), "signer")
    _interrupt(applied)
    apply(applied.machine(), "later")
    if applied.shared:
        aside = applied.folder / "one" / "superseded"
        aside.mkdir(exist_ok=True)
        store = applied.machine("three")
        with store.lock(owner="a", command="c") as lock, store.open(lock) as writing:
            writing.journal.run(command="apply")
            make_key(writing.journal, "orders-2")
            writing.journal.flush()
            (found,) = (applied.folder / "three").glob("*.journal.jsonl")
            (aside / found.name).write_bytes(found.read_bytes())
            writing.save()
    return applied


def test_a_state_follows_to_another_key_with_all_that_it_has_been(lived: Place) -> None:
    story = _story(lived.machine())
    assert len(story) >= 5
    for before, after in ((PLAIN, ONE), (ONE, TWO), (TWO, PLAIN)):
        done = _rekey(lived, before, after=after)
        assert done.changed > 4
        assert (done.left, done.gone) == ((), ())
        other = lived.machine("two", after)
        assert _story(other) == story
        assert len(compare(other.load_serial(1), other.load())) >= 3
        kept = lived.kept()
        assert (b"orders" in kept) == (after is PLAIN), "the lock files name no key"
        assert (before.key_id or "orders").encode() not in kept or after is PLAIN
        assert all(
            codec.key_id is None or codec.key_id.encode() not in kept for codec in (ONE, TWO) if codec is not after
        )
        with pytest.raises(StateKeyError):
            lived.machine("two", before).load()
    apply(lived.machine("two"), "newest")
    assert _story(lived.machine())[:-1] == story


def test_a_second_rekey_finds_nothing_to_do(lived: Place) -> None:
    _rekey(lived, PLAIN, after=ONE)
    story = _story(lived.machine("two", ONE))
    assert _rekey(lived, PLAIN, after=ONE, machine="two").changed == 0
    assert _story(lived.machine("two", ONE)) == story


def test_a_wrong_old_key_changes_nothing(lived: Place) -> None:
    _rekey(lived, PLAIN, after=ONE)
    story = _story(lived.machine("one", ONE))
    with pytest.raises(StateKeyError, match=f"is encrypted with the key {ONE.key_id}"):
        _rekey(lived, PLAIN, after=TWO)
    assert _story(lived.machine("one", ONE)) == story


class _KilledError(BaseException):
    """The process is gone."""


def _kill(place: Place, patch: pytest.MonkeyPatch, count: int) -> None:
    """Let this process be killed before its `count`th write or request."""
    kind, methods = place.sends
    sent = itertools.count(1)

    def killing(method: str) -> None:
        genuine = getattr(kind, method)

        def send(*arguments: Any, **options: Any) -> Any:
            # The heartbeat is not what is counted.
            if threading.current_thread() is threading.main_thread() and next(sent) == count:
                raise _KilledError
            return genuine(*arguments, **options)

        patch.setattr(kind, method, send)

    for method in methods:
        killing(method)


def test_killed_before_any_write_a_state_is_whole_and_the_same_command_finishes(
    applied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = _story(applied.machine())
    for count in itertools.count(1):
        with monkeypatch.context() as patch:
            _kill(applied, patch, count)
            try:
                _rekey(applied, PLAIN, after=ONE)
            except _KilledError:
                pass  # what it left is looked at below
            else:
                break
        found = _whole(applied)
        assert [recorded for _, recorded in found][-1] == story[-1][1]
        if applied.shared:
            assert found == story, "all at once"
    assert count > 2, "each time it came further"
    assert _rekey(applied, PLAIN, after=ONE).changed == 0
    assert _story(applied.machine("two", ONE)) == story
    assert b"orders" not in applied.kept()


def _whole(place: Place) -> list[tuple[Serial, Recorded]]:
    """The state, under whichever of the two keys it is; of a folder's history, what is under that key, too."""
    for codec in (PLAIN, ONE):
        store = place.machine("two", codec)
        try:
            store.load()
        except StateKeyError:
            continue
        return [(serial, store.load_serial(serial.number)) for serial in store.history() if serial.readable]
    pytest.fail("it opens with neither key")


def test_the_lease_is_kept_alive_while_a_long_history_is_rewritten(
    lived: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not lived.shared or not lived.beats:
        pytest.skip("such a lock does not run out")
    recode, told, lived.lease = snapshot.recode, [], 3.0

    def slow(*arguments: Any, **options: Any) -> bytes:
        time.sleep(0.7)
        with pytest.raises(LockHeldError) as caught:
            lived.machine("two").lock(owner="bob@two", command="apply")
        told.append(caught.value.holder)
        return recode(*arguments, **options)

    monkeypatch.setattr(snapshot, "recode", slow)
    assert _rekey(lived, PLAIN, after=ONE).changed > 4
    assert len(told) * 0.7 > lived.lease, "it took longer than the lease lasts"


def test_a_rekey_that_lost_its_lease_meanwhile_changes_nothing(lived: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if not lived.shared:
        pytest.skip("tests/unit/state/test_lock.py has the folder's lock")
    story, recode = _story(lived.machine()), snapshot.recode
    taken: list[protocol.Held] = []
    lived.lease = stores.SHORT_LEASE
    store = lived.machine("one", ONE)
    lock = store.lock(owner="ada@one", command="state rekey").__enter__()
    lock._ended.set()  # type: ignore[attr-defined]  # its heart stops, as under SIGSTOP

    def slept(*arguments: Any, **options: Any) -> bytes:
        if not taken:
            taken.append(_take(lived, lock.holder.id))
        return recode(*arguments, **options)

    monkeypatch.setattr(snapshot, "recode", slept)
    with pytest.raises(FenceError):
        store.rekey([PLAIN], lock)
    assert _story(lived.machine("two")) == story
    taken[0].release()
    lock._ended.clear()  # type: ignore[attr-defined]
    lock.release()


def test_a_place_that_fails_in_the_middle_of_a_rekey_loses_nothing(
    lived: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not lived.shared:
        pytest.skip("tests/integration/test_state_encryption.py has the folder")
    story, recode = _story(lived.machine()), snapshot.recode

    def cutting(*arguments: Any, **options: Any) -> bytes:
        lived.cut()
        return recode(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "recode", cutting)
        try:
            with pytest.raises(StateAccessError):
                _rekey(lived, PLAIN, after=ONE)
        finally:
            lived.heal()
    assert _story(lived.machine("two")) == story
    assert _rekey(lived, PLAIN, after=ONE).changed > 4
    assert _story(lived.machine("two", ONE)) == story


def test_what_an_interrupted_run_has_left_comes_along_to_another_key(applied: Place) -> None:
    _interrupt(applied)
    before = applied.machine().load()
    _rekey(applied, PLAIN, after=ONE)
    assert applied.machine("one", ONE).load() == before


def test_there_is_nothing_to_rekey_before_the_first(place: Place) -> None:
    with pytest.raises(StateMissingError, match="there is no state"):
        _rekey(place, PLAIN, after=ONE)
