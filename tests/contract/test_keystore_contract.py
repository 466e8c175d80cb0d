"""What a keystore promises, whichever database it is in: SQLite or PostgreSQL."""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager
from functools import partial
from threading import Barrier, Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.audit import OK
from kmsplan.engine.error import (
    EngineExistsError,
    EngineMissingError,
    EngineVersionError,
    KeystoreError,
    KeystoreReadOnlyError,
)
from kmsplan.engine.hsm.attachment import is_attached
from kmsplan.engine.keystore import alias as aliases
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import listing, schema, setting, trail
from kmsplan.engine.keystore import tag as tags
from kmsplan.engine.keystore import usage as usages
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.keystore.connection import CONSTRAINTS
from kmsplan.engine.keystore.postgres import schema as postgres_schema
from kmsplan.engine.keystore.store import Keystore, database
from kmsplan.engine.service import is_engine
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.operation import (
    CreateAlias,
    DisableKey,
    EnableKey,
    ReleaseKmsInstance,
    ScheduleKeyDeletion,
    TagResources,
    UpdateRotationPolicy,
)
from tests.engines import DAY, Lab, SharedHsm, described, new_instance, new_key
from tests.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection, Database
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.service import Engine
    from kmsplan.kms.secret import SecretBytes

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-02T00:00:00Z"


@pytest.fixture(params=["sqlite", "postgres"])
def secret(request: pytest.FixtureRequest) -> SecretBytes | None:
    """Connection string of an empty database; None for SQLite."""
    if request.param == "sqlite":
        return None
    server = request.getfixturevalue("postgres")
    found: SecretBytes = server.secret(server.new_schema())
    return found


@pytest.fixture
def place(tmp_path: Path, secret: SecretBytes | None) -> Database:
    """Where a keystore can be made."""
    return database(tmp_path, secret)


@pytest.fixture
def keystore(place: Database) -> Iterator[Keystore]:
    """A keystore with one instance in it, open for writing, without an engine around it."""
    place.create(_fill)
    found = Keystore(place)
    found.start(lambda _: None, bytes)
    yield found
    found.close()


@pytest.fixture
def lab(tmp_path: Path, secret: SecretBytes | None) -> Iterator[Lab]:
    """A place with a new engine in it."""
    found = Lab(tmp_path / "engine", postgres=secret)
    found.create()
    yield found
    found.close()


@pytest.fixture
def engine(lab: Lab) -> Engine:
    """The engine, open for writing."""
    return lab.open()


def _instance(instance_id: str = "kst-1", quota: int = 10) -> instances.InstanceRow:
    return instances.InstanceRow(instance_id, "software", 1000, quota, None, None, 0, instances.CONNECTED, 0)


def _fill(db: Connection) -> None:
    setting.add_term(db, 1, b"term", NOW)
    instances.insert(db, _instance(), NOW)


def _key(key_id: str, **changed: Any) -> keys.KeyRow:
    row = keys.KeyRow(
        key_id=key_id,
        instance_id="kst-1",
        spec="Aliyun_AES_256",
        usage="ENCRYPT/DECRYPT",
        origin="Aliyun_KMS",
        storage_mechanism=None,
        state=KeyState.ENABLED.value,
        description="",
        rotation=None,
        policy=None,
        deletion_protection=0,
        creation_date=NOW,
        delete_date=None,
        last_rotation_date=NOW,
        next_rotation_date=None,
        last_used=None,
        primary_version=f"{key_id}-v1",
        creator="1234",
    )
    return row._replace(**changed)


def _version(key_id: str, number: int = 1) -> versions.VersionRow:
    return versions.VersionRow(
        key_id=key_id,
        version_id=f"{key_id}-v{number}",
        instance_id="kst-1",
        reference=b"\x00reference\xff",
        public_key=None,
        generation=1,
        created=NOW,
        term=1,
        wrapped=b"\x00wrapped\xff",
    )


def _add_in(key_id: str, transaction: Transaction) -> None:
    _add(transaction.db, key_id)


def _add(db: Connection, key_id: str, **changed: Any) -> None:
    keys.insert(db, _key(key_id, **changed))
    versions.insert(db, _version(key_id))


# How it comes to be.


def test_a_place_without_a_keystore_says_so(place: Database) -> None:
    assert not place.exists()
    with pytest.raises(EngineMissingError, match=r"no engine in .*kmsplan engine init"):
        Keystore(place)


def test_a_keystore_is_made_once(place: Database) -> None:
    place.create(_fill)
    assert place.exists()
    with pytest.raises(EngineExistsError, match="nothing was changed"):
        place.create(_fill)
    with closing(Keystore(place)) as found, found.look() as db:
        assert setting.terms(db) == {1: b"term"}


def test_a_keystore_that_could_not_be_filled_is_not_there(place: Database) -> None:
    def fail(db: Connection) -> None:
        _fill(db)
        raise RuntimeError

    def fail_in_the_database(db: Connection) -> None:
        db.execute("DELETE FROM absent")

    for fill, error in ((fail, RuntimeError), (fail_in_the_database, KeystoreError)):
        with pytest.raises(error):
            place.create(fill)
        assert not place.exists()
    place.create(_fill)


def test_of_two_that_make_a_keystore_at_once_one_succeeds_and_the_other_does_nothing(
    tmp_path: Path, secret: SecretBytes | None
) -> None:
    barrier, begun, results = Barrier(2), [], []

    def make(number: int) -> None:
        def fill(db: Connection) -> None:
            begun.append(number)
            setting.store(db, "maker", b"%d" % number)
            time.sleep(0.05)  # long enough for the other one, did it not wait

        barrier.wait()
        try:
            database(tmp_path, secret).create(fill)
        except EngineExistsError:
            return
        results.append(number)

    threads = [Thread(target=make, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 1
    assert begun == results
    with closing(Keystore(database(tmp_path, secret))) as found, found.look() as db:
        assert setting.load(db, "maker") == b"%d" % results[0]


@pytest.mark.parametrize(
    ("number", "remedy"), [(1, "from before the first release.* Make a new engine"), (99, "Install that version")]
)
def test_another_format_is_refused(
    place: Database, number: int, remedy: str, monkeypatch: pytest.MonkeyPatch, secret: SecretBytes | None
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema if secret is None else postgres_schema, "VERSION", number)
        place.create(_fill)
    with pytest.raises(EngineVersionError, match=f"format {number}, .*{remedy}"):
        Keystore(place)


# How it is read and written.


def test_what_was_written_is_read_with_its_type(keystore: Keystore) -> None:
    row = _key("key-1", description="Schlüssel ☃ 'x'; --", rotation=2**40, material_digest=b"\x00\xff", read_only=1)

    def work(transaction: Transaction) -> None:
        keys.insert(transaction.db, row)
        keys.protect(transaction.db, "key-1", enable=True, reason="why")
        versions.insert(transaction.db, _version("key-1"))

    keystore.write(work)
    with keystore.read() as db:
        assert keys.load(db, "key-1") == row._replace(deletion_protection=1, protection_reason="why")
        used = usages.load(db, "key-1", None)
        assert used is not None
        assert used.version == _version("key-1")
        assert used.instance.versions == 1
        assert keys.load(db, "key-2") is None
        assert usages.load(db, "key-1", "key-1-v2") == used._replace(version=None)


def test_a_reading_sees_one_state_while_others_write(keystore: Keystore) -> None:
    keystore.write(lambda transaction: aliases_of(transaction.db, "a"))
    with keystore.read() as db:
        assert aliases.target(db, "alias/a") == "key-a"
        keystore.write(lambda transaction: aliases_of(transaction.db, "b"))
        assert aliases.target(db, "alias/b") is None
    with keystore.look() as db:
        assert aliases.target(db, "alias/b") == "key-b"


def aliases_of(db: Connection, name: str) -> None:
    """Add a key with an alias."""
    _add(db, f"key-{name}")
    aliases.insert(db, f"alias/{name}", f"key-{name}")


def test_a_reader_cannot_write(keystore: Keystore) -> None:
    with pytest.raises(KeystoreReadOnlyError), keystore.read() as db:
        db.execute("DELETE FROM setting")
    with pytest.raises(KeystoreReadOnlyError), keystore.look() as db:
        db.execute("DELETE FROM setting")
    with keystore.look() as db:
        assert setting.terms(db) == {1: b"term"}


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "fail",
    [
        lambda _: _raise(KmsError("Rejected.Disabled", "no")),
        lambda db: _raise_after(db, KmsError("Rejected.Disabled", "no")),
        lambda db: keys.insert(db, _key("key-0")),
        lambda db: aliases.insert(db, "alias/x", "key-absent"),
        lambda db: _raise_after(db, ValueError()),
    ],
    ids=["before", "after", "unique", "foreign", "other"],
)
def test_a_job_that_fails_takes_nobody_with_it(keystore: Keystore, fail: Callable[[Connection], None]) -> None:
    keystore.write(lambda transaction: _add(transaction.db, "key-0"))
    begun, hold, commits = Event(), Event(), keystore.commits

    def wait(_: Transaction) -> None:
        begun.set()
        hold.wait()  # the others gather meanwhile, into one transaction

    first = keystore.submit(wait)
    begun.wait()
    before = keystore.submit(lambda transaction: _add(transaction.db, "key-1"))
    failing = keystore.submit(lambda transaction: fail(transaction.db))
    after = keystore.submit(lambda transaction: _add(transaction.db, "key-2"))
    hold.set()
    for ticket in (first, before, after):
        ticket.wait()
    with pytest.raises((KmsError, ValueError, *CONSTRAINTS)):
        failing.wait()
    assert keystore.commits == commits + 2
    with keystore.look() as db:
        assert sorted(row["key_id"] for row in listing.rows(db, "key", None)) == ["key-0", "key-1", "key-2"]
        assert aliases.target(db, "alias/after") is None


def test_what_comes_while_another_node_writes_shares_the_transaction_that_waits_for_it(
    keystore: Keystore, tmp_path: Path, secret: SecretBytes | None
) -> None:
    begun, hold, commits = Event(), Event(), keystore.commits

    def wait(_: Transaction) -> None:
        begun.set()
        hold.wait()

    other = Keystore(database(tmp_path, secret))
    other.start(lambda _: None, bytes)
    theirs = other.submit(wait)
    begun.wait()
    first = keystore.submit(lambda transaction: _add(transaction.db, "key-1"))
    wait_until(keystore._writing._jobs.empty)  # it waits for the other node
    others = [keystore.submit(partial(_add_in, f"key-{number}")) for number in range(2, 5)]
    hold.set()
    for ticket in (theirs, first, *others):
        ticket.wait()
    assert keystore.commits == commits + 1
    other.close()


def test_intents_come_before_the_transaction_and_one_that_fails_stops_its_own_job_alone(keystore: Keystore) -> None:
    begun, hold, seen = Event(), Event(), []

    def wait(_: Transaction) -> None:
        begun.set()
        hold.wait()  # the others gather meanwhile, into one transaction

    def look() -> None:
        with keystore.look() as db:
            seen.append(len(list(listing.rows(db, "key", None))))

    first = keystore.submit(wait)
    begun.wait()
    before = keystore.submit(lambda transaction: _add(transaction.db, "key-1"), intent=look)
    failing = keystore.submit(
        lambda transaction: _add(transaction.db, "key-2"), intent=lambda: _raise(OSError("the disk is full"))
    )
    after = keystore.submit(lambda transaction: _add(transaction.db, "key-3"), intent=look)
    hold.set()
    for ticket in (first, before, after):
        ticket.wait()
    with pytest.raises(OSError, match="disk is full"):
        failing.wait()
    assert seen == [0, 0]
    with keystore.look() as db:
        assert sorted(row["key_id"] for row in listing.rows(db, "key", None)) == ["key-1", "key-3"]


def test_where_no_intent_can_be_written_down_nothing_is_committed(keystore: Keystore) -> None:
    commits = keystore.commits
    with pytest.raises(OSError, match="disk is full"):
        keystore.write(
            lambda transaction: _add(transaction.db, "key-1"), intent=lambda: _raise(OSError("the disk is full"))
        )
    assert keystore.commits == commits


def _raise_after(db: Connection, error: Exception) -> None:
    aliases.insert(db, "alias/after", "key-0")
    raise error


def test_whether_it_can_be_written_is_tried_after_a_failure_alone(
    keystore: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = keystore.commits
    keystore.require_writable()
    assert keystore.commits == commits
    begin = keystore._database.begin

    def refuse(db: Connection, *, wait: bool) -> None:
        begin(db, wait=wait)
        db.execute("DELETE FROM absent")

    def write() -> None:
        keystore.write(lambda transaction: setting.store(transaction.db, "x", b""))

    with monkeypatch.context() as patched:
        patched.setattr(keystore._database, "begin", refuse)
        for attempt in (write, keystore.require_writable, keystore.require_writable):
            with pytest.raises(KeystoreError):
                attempt()
    keystore.require_writable()
    assert keystore.commits == commits + 1
    keystore.require_writable()
    assert keystore.commits == commits + 1
    with keystore.look() as db:
        assert not setting.load_all(db).keys() & {"tried", "x"}


def test_a_statement_that_is_wrong_fails_the_transaction_and_the_next_one_goes_on(keystore: Keystore) -> None:
    with pytest.raises(KeystoreError, match="defect of kmsplan") as caught:
        keystore.write(lambda transaction: transaction.db.execute("DELETE FROM absent, alias"))
    assert not caught.value.in_doubt
    keystore.write(lambda transaction: _add(transaction.db, "key-1"))
    with keystore.look() as db:
        assert keys.load(db, "key-1") is not None


def test_changes_are_counted(keystore: Keystore) -> None:
    counted: list[int] = []

    def work(transaction: Transaction) -> None:
        db = transaction.db
        steps: tuple[Callable[[], object], ...] = (
            lambda: setting.store(db, "a", b"1"),
            lambda: setting.load(db, "a"),
            lambda: tags.put(db, "key-1", {"a": "1", "b": "2"}),
            lambda: setting.remove(db, "absent"),
            lambda: versions.insert(db, _version("key-1")),
        )
        for step in steps:
            start = db.total_changes
            step()
            counted.append(min(db.total_changes - start, 2))

    keystore.write(work)
    assert counted == [1, 0, 2, 0, 2]


def test_a_generation_begins_with_every_change_that_counts(keystore: Keystore) -> None:
    with keystore.look() as db:
        start = setting.generation(db)
    keystore.submit(lambda transaction: aliases_of(transaction.db, "a"), touches=False).wait()
    keystore.write(lambda transaction: aliases_of(transaction.db, "b"))
    with keystore.look() as db:
        assert setting.generation(db) == start + 1


def test_texts_sort_by_their_bytes(keystore: Keystore) -> None:
    names = ["B", "_", "a", "b", "ä", "Z", "0", "a b", "a-b"]

    def work(transaction: Transaction) -> None:
        tags.put(transaction.db, "key-1", dict.fromkeys(names, ""))

    keystore.write(work)
    with keystore.look() as db:
        found = [row[0] for row in db.execute("SELECT name FROM tag ORDER BY name")]
    assert found == sorted(names, key=str.encode)


def test_tags_and_settings_are_replaced(keystore: Keystore) -> None:
    def work(transaction: Transaction) -> None:
        for value in ("1", "2"):
            tags.put(transaction.db, "key-1", {"a": value, "b": "x"})
            setting.store(transaction.db, "name", value.encode())
        tags.remove(transaction.db, "key-1", ["b", "absent"])

    keystore.write(work)
    with keystore.look() as db:
        assert listing.tags(db, ["key-1"]) == {"key-1": {"a": "2"}}
        assert setting.load(db, "name") == b"2"


def test_objects_are_listed_by_any_number_of_ids(keystore: Keystore) -> None:
    wanted = [f"key-{number}" for number in range(0, 2000, 2)]

    def work(transaction: Transaction) -> None:
        for number in range(100):
            _add(transaction.db, f"key-{number}")

    keystore.write(work)
    with keystore.look() as db:
        found = {row["key_id"] for row in listing.rows(db, "key", [*wanted, "key-'", ""])}
        assert found == {f"key-{number}" for number in range(0, 100, 2)}
        assert listing.rows(db, "key", []) == []
        assert listing.counts(db) == {"Enabled": 100}


def test_what_is_due_is_found_in_order(keystore: Keystore) -> None:
    def work(transaction: Transaction) -> None:
        db = transaction.db
        _add(db, "key-late", next_rotation_date=LATER)
        _add(db, "key-b", next_rotation_date=NOW)
        _add(db, "key-a", next_rotation_date=NOW, state="Disabled")
        _add(db, "key-c", next_rotation_date="2025-01-01T00:00:00Z")
        _add(db, "key-d", delete_date=LATER, state="PendingDeletion")
        _add(db, "key-e", material_expires="2026-01-01T00:00:01Z")

    keystore.write(work)
    with keystore.look() as db:
        assert keys.due_for_rotation(db, NOW) == ["key-c", "key-b"]
        assert keys.due_for_rotation(db, NOW, "key-b") == ["key-b"]
        assert keys.due_for_deletion(db, NOW) == []
        assert keys.due_for_deletion(db, LATER) == ["key-d"]
        assert keys.next_due(db, NOW) == "2026-01-01T00:00:01Z"
        assert keys.next_due(db, "2026-01-01T00:00:01Z") == LATER
        assert keys.next_due(db, LATER) is None


def test_versions_are_counted_for_the_quota_whatever_their_state(keystore: Keystore) -> None:
    def work(transaction: Transaction) -> None:
        db = transaction.db
        _add(db, "key-1")
        versions.begin(db, "key-2", "key-2-v1", "kst-1", b"r", NOW, "node")
        assert [one.node for one in versions.unsettled(db)] == ["node"]
        assert versions.ready(db, _version("key-2"))
        assert not versions.ready(db, _version("key-2"))
        versions.begin(db, "key-3", "key-3-v1", "kst-1", b"r", NOW, None)
        versions.destroy_all(db, "key-1")

    keystore.write(work)
    with keystore.look() as db:
        found = instances.load(db, "kst-1")
    assert found is not None
    assert found.versions == 2


def test_material_that_an_hsm_wrapped_is_known_by_its_token_and_goes_at_once(keystore: Keystore) -> None:
    vault = _instance("kst-2")._replace(type="hardware", module="module.so", token="token")

    def make(transaction: Transaction) -> None:
        db = transaction.db
        instances.insert(db, vault, NOW)
        for key_id, mechanism, reference in (
            ("inside", "HsmInternal", b"r" * 16),
            ("kept", "Wrapped", versions.NOTHING),
        ):
            keys.insert(db, _key(key_id, instance_id="kst-2", storage_mechanism=mechanism))
            version = _version(key_id)._replace(instance_id="kst-2", reference=reference)
            versions.insert(db, version if not reference else version._replace(wrapped=None))

    keystore.write(make)
    with keystore.read() as db:
        asked = (
            ("module.so", "token", "Wrapped"),
            ("module.so", "other", "Wrapped"),
            ("module.so", "token", "Another"),
        )
        assert [versions.one_wrapped_by(db, *one) is not None for one in asked] == [True, False, False]
        assert versions.references(db, "kst-2") == {b"r" * 16: "inside"}
        inside = versions.one_inside(db, "module.so", "token")
        assert inside is not None
        assert [versions.is_ready(db, one) for one in (inside, inside + 100)] == [True, False]
        assert versions.one_inside(db, "module.so", "other") is None
    keystore.write(lambda transaction: versions.condemn_instance(transaction.db, "kst-2"))
    with keystore.read() as db:
        assert [(one.key_id, one.status) for one in versions.unsettled(db)] == [("inside", "destroying")]
        assert versions.one_wrapped_by(db, "module.so", "token", "Wrapped") is None
        assert versions.one_inside(db, "module.so", "token") is None
        assert db.execute("SELECT versions FROM instance WHERE instance_id = 'kst-2'").fetchone()[0] == 1


def test_uses_are_reserved_up_to_the_limit(keystore: Keystore) -> None:
    keystore.write(lambda transaction: _add(transaction.db, "key-1"))

    def reserve(count: int) -> int:
        return keystore.write(lambda transaction: versions.reserve_uses(transaction.db, "key-1", "key-1-v1", count))

    assert reserve(versions.USES_LIMIT - 1) == versions.USES_LIMIT - 1
    assert reserve(10) == 1
    assert reserve(10) == 0


@pytest.mark.parametrize("table", schema.APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET seq = seq + 1", "DELETE FROM {}"])
def test_the_database_refuses_to_change_the_trail(keystore: Keystore, table: str, statement: str) -> None:
    def fill(transaction: Transaction) -> None:
        trail.append(transaction.db, [(1, b"entry", b"hash")])
        trail.add_checkpoint(transaction.db, 1, b"body", b"signature")

    keystore.write(fill)
    with pytest.raises(CONSTRAINTS, match="append-only"):
        keystore.write(lambda transaction: transaction.db.execute(statement.format(table)))
    with keystore.look() as db:
        assert list(trail.entries(db)) == [(1, b"entry", b"hash")]
        assert trail.checkpoints(db) == [(1, b"body", b"signature")]
        assert trail.newest_checkpoint(db) == (b"body", b"signature")
        assert trail.head(db) == (1, b"hash", 1)


def test_a_long_trail_is_read_in_order_and_whole(keystore: Keystore) -> None:
    rows = [(number, b"%d" % number, b"") for number in range(-3, 12_000)]
    keystore.write(lambda transaction: trail.append(transaction.db, rows))
    with keystore.read() as db:
        assert list(trail.entries(db)) == rows


def test_two_that_write_at_once_take_turns_and_lose_nothing(
    place: Database, tmp_path: Path, secret: SecretBytes | None
) -> None:
    place.create(_fill)
    stores = [Keystore(database(tmp_path, secret)) for _ in range(2)]

    def count(transaction: Transaction) -> None:
        number = int(setting.load(transaction.db, "count") or b"0")
        setting.store(transaction.db, "count", b"%d" % (number + 1))

    def write(store: Keystore) -> None:
        for _ in range(50):
            store.write(count)

    for store in stores:
        store.start(lambda _: None, bytes)
    threads = [Thread(target=write, args=(store,)) for store in stores for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with stores[0].look() as db:
        assert setting.load(db, "count") == b"200"
    for store in stores:
        store.close()


# Who is there.


@contextmanager
def _present(place: Database) -> Iterator[Any]:
    found = place.presence(os.urandom)
    try:
        yield found
    finally:
        found.close()


def test_a_node_is_there_until_it_goes(place: Database) -> None:
    with _present(place) as first:
        with _present(place) as second:
            node = second.node_id
            assert node == second.node_id != first.node_id
            assert first.alive(node)
            assert second.alive(first.node_id)
            assert first.alive(first.node_id)
        assert not first.alive(node)
        assert not first.alive("0123456789abcdef")


def test_who_leads_can_leave_that_to_another_and_take_it_again(place: Database) -> None:
    with _present(place) as first, _present(place) as second:
        assert first.lead()
        first.follow()
        second.follow()
        assert second.lead()
        assert not first.lead()
        second.follow()
        assert first.lead()
        assert first.lead()


def test_one_node_at_a_time_leads_until_it_goes(place: Database) -> None:
    with _present(place) as second:
        with _present(place) as first:
            assert first.lead()
            assert not second.lead()
            assert first.lead()
        assert second.lead()
        with _present(place) as third:
            assert not third.lead()


# The engine on top.


def test_a_key_lives_its_life(lab: Lab, engine: Engine) -> None:
    core = new_instance(engine)
    key = new_key(engine, core, description="first")
    engine.execute(CreateAlias(alias="alias/orders", key=key))
    engine.execute(TagResources(resource_type="key", resource=key, tags={"data": "pii"}))
    engine.execute(UpdateRotationPolicy(key=key, rotation=90 * 86400))
    blob, *_ = engine.encrypt("alias/orders", b"secret", {"a": "b"})
    lab.clock.move(91 * DAY)
    assert engine.tick().rotated == (key,)
    assert engine.decrypt(blob, {"a": "b"})[0] == b"secret"
    row = described(engine, key)
    assert (row["tags"], row["last_used"] is not None, row["rotation"]) == ({"data": "pii"}, True, 90 * 86400)
    engine.execute(DisableKey(key=key))
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(8 * DAY)
    assert engine.tick().deleted == (key,)
    assert engine.describe([key, "alias/orders"]).keys == []
    with pytest.raises(KmsError):
        engine.decrypt(blob, {"a": "b"})
    results = [(entry["action"], entry["result"]) for entry in engine.audit_entries()]
    assert results[-2:] == [("DeleteKey", OK), ("Decrypt", "Forbidden.KeyNotFound")]
    wanted = {"ScheduleKeyDeletion", "DisableKey", "CreateAlias"}
    newest = [entry["action"] for entry in engine.audit_newest(wanted, 99)]
    assert newest == ["ScheduleKeyDeletion", "DisableKey", "CreateAlias"]
    lab.close()
    assert lab.open(read_only=True).audit_verify().entries == len(results)


def test_another_process_sees_what_the_first_one_did_at_once(lab: Lab, engine: Engine) -> None:
    other = lab.open()
    key = new_key(engine, new_instance(engine))
    blob, *_ = other.encrypt(key, b"x")
    engine.execute(DisableKey(key=key))
    with pytest.raises(KmsError, match=r"Rejected\.Disabled"):
        other.decrypt(blob)
    engine.execute(EnableKey(key=key))
    other.seal()
    with pytest.raises(KmsError, match=r"Rejected\.Sealed"):
        engine.encrypt(key, b"x")
    assert engine.audit_verify().entries == other.audit_verify().entries


def test_hardware_material_of_a_dead_node_is_destroyed_and_of_a_living_one_kept(lab: Lab, engine: Engine) -> None:
    vault, other = new_instance(engine, "hardware"), lab.open()
    assert other._core.presence is not None
    node = other._core.presence.node_id

    def begin(transaction: Transaction) -> None:
        versions.begin(transaction.db, "key-x", "key-x-1", vault, b"r", NOW, node)

    engine._core.store.write(begin)
    engine.tick()
    assert lab.hsm.destroyed == []
    other.close()
    engine.tick()
    assert lab.hsm.destroyed == [b"r"]
    with engine._core.store.look() as db:
        assert versions.unsettled(db) == []


def test_a_text_that_no_database_should_hold_is_refused_or_kept_as_it_is(lab: Lab, engine: Engine) -> None:
    instance = new_instance(engine)
    for text in ("\x00", "a\x00b"):
        try:
            key = new_key(engine, instance, description=text)
        except KmsError as error:
            assert error.code == "InvalidParameter"  # noqa: PT017 - one of two good ends
        else:
            assert described(engine, key)["description"] == text
    with pytest.raises(KmsError):
        engine.encrypt("key-\x00", b"x")
    with pytest.raises(KmsError):
        engine.encrypt("alias/\ud800", b"x")
    new_key(engine, instance)
    lab.close()
    lab.open(read_only=True).audit_verify()


def test_an_opened_engine_says_where_its_keys_are_and_not_how_to_get_in(lab: Lab, engine: Engine) -> None:
    facts = engine.status()
    assert facts["keystore"].startswith(("postgresql://127.0.0.1:", str(lab.folder)))
    assert "never-shown" not in repr(facts) + repr(lab.postgres)
    assert is_engine(lab.folder, lab.postgres)


# What is somebody else's.


def test_a_key_that_stands_for_an_object_goes_and_the_object_stays(lab: Lab) -> None:
    lab.hsm = hsm = SharedHsm()
    engine = lab.open()
    vault = new_instance(engine, "hardware")
    key, own = new_key(engine, vault, hsm_object="0a"), new_key(engine, vault)
    assert (described(engine, key)["hsm_object"], described(engine, own)["hsm_object"]) == ("0a", None)
    with pytest.raises(KmsError, match=f"{key} stands for object 0a already"):
        new_key(engine, vault, hsm_object="0a")
    (theirs,) = [reference for reference in hsm.material if is_attached(reference)]
    for each in (key, own):
        engine.execute(ScheduleKeyDeletion(key=each, window_days=7))
    lab.clock.move(8 * DAY)
    assert set(engine.tick().deleted) == {key, own}
    assert list(hsm.material) == [theirs]
    new_key(engine, vault, hsm_object="0a")
    engine.execute(ReleaseKmsInstance(instance=vault, force=True))
    assert list(hsm.material) == [theirs]
    told = [entry["parameters"] for entry in engine.audit_entries() if "LeftInHsm" in entry.get("parameters", {})]
    assert told == [{"LeftInHsm": ["0a"]}] * 2
