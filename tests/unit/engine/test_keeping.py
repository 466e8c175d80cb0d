from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Never

import pytest

from kmsplan.engine import rotation, sealing
from kmsplan.engine.backup import making
from kmsplan.engine.error import KeystoreError, KeystoreFullError, SealingError
from kmsplan.engine.hsmseal import HsmSeal
from kmsplan.engine.keystore import setting
from kmsplan.engine.rotation import Rewrapped
from kmsplan.engine.sealing import FileSeal, PassphraseSeal, open_root
from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes
from tests.byok import bring
from tests.engines import FakeHsm, Lab, new_instance, new_key
from tests.furnished import CONTEXT, IMPORTED, check, core_of, furnish, trail

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.sealing import Seal
    from kmsplan.engine.service import Engine


def passphrase(text: str = "correct horse") -> PassphraseSeal:
    return PassphraseSeal(lambda: SecretBytes(text.encode()))


def settings_of(engine: Engine) -> dict[str, bytes]:
    with core_of(engine).store.read() as db:
        return setting.load_all(db)


def root_of(engine: Engine, seal: Seal | None) -> bytes:
    assert seal is not None
    return open_root(seal, engine.engine_id, settings_of(engine)["seal"]).reveal()


def wrappings(engine: Engine) -> dict[tuple[str, str], tuple[int, int, bytes]]:
    """Return term, generation and wrapped material by version."""
    with core_of(engine).store.read() as db:
        rows = db.execute(
            "SELECT key_id, version_id, term, generation, wrapped FROM material JOIN key_version ON id = version"
        ).fetchall()
    return {(key_id, version_id): (term, generation, wrapped) for key_id, version_id, term, generation, wrapped in rows}


def test_a_new_root_key_wraps_the_same_keyring(both: Lab) -> None:
    engine = both.open()
    made = furnish(both, engine)
    root, material, key_file = root_of(engine, both.seal), wrappings(engine), both.seal
    engine.keeping.rotate_root()
    assert root_of(engine, both.seal) != root
    assert wrappings(engine) == material
    assert both.seal is key_file
    check(engine, made)
    engine.close()
    check(both.open(), made)


def test_the_root_key_goes_from_seal_to_seal_and_back(both: Lab, tmp_path: Path) -> None:
    token = FakeHsm()
    seals: list[Seal] = [
        passphrase(),
        FileSeal(tmp_path / "other.key"),
        HsmSeal("fake.so", "vault", lambda: token),
        FileSeal(both.folder / "root.key"),
    ]
    engine = both.open()
    made = furnish(both, engine)
    roots = {root_of(engine, both.seal)}
    for seal in seals:
        before, both.seal = both.seal, seal
        engine.keeping.rotate_root(seal)
        engine.close()
        with pytest.raises(SealingError):
            both.open(seal=before)
        engine = both.open()
        assert engine.status()["seal"] == seal.kind
        roots.add(root_of(engine, seal))
        check(engine, made)
    assert len(roots) == len(seals) + 1
    assert [entry["parameters"] for entry in trail(engine) if entry["action"] == "RotateRootKey"] == [
        {"Seal": seal.kind} for seal in seals
    ]
    assert engine.status()["seal_token"] is None


def test_a_new_term_that_finds_no_room_to_go_on_is_not_told_as_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = lab.open()
    made = furnish(lab, engine)

    def full(*_: object) -> Never:
        raise KeystoreFullError("the disk is full. Nothing was changed")

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "rewrap", full)
        with pytest.raises(KeystoreError, match=r"in term 2 now, .*engine tick, .*goes on .*: the disk is full"):
            engine.keeping.rotate_keyring()
    engine.tick()
    assert {term for term, _, _ in wrappings(engine).values()} == {2}
    check(engine, made)


def test_an_engine_that_is_open_elsewhere_goes_on_after_its_root_key_was_renewed(both: Lab) -> None:
    engine, other = both.open(), both.open()
    made = furnish(both, engine)
    engine.keeping.rotate_root()
    check(other, made)
    other.keeping.rotate_root()
    other.keeping.rotate_keyring()
    check(engine, made)
    engine.keeping.rotate_root()


def test_an_engine_that_is_open_with_the_old_seal_goes_on_and_says_what_to_do_when_it_needs_the_new_one(
    both: Lab,
) -> None:
    stale, engine = both.open(), both.open()
    made = furnish(both, engine)
    engine.keeping.rotate_root(passphrase())
    check(stale, made)
    words = "sealed by a passphrase, and a file was given. Correct engine: .* and start servers again"
    for refused in (stale.keeping.rotate_root, stale.keeping.rotate_keyring):
        with pytest.raises(SealingError, match=words):
            refused()
    stale.encrypt(made.keys["aes"], b"x")
    engine.keeping.rotate_keyring()
    with pytest.raises(SealingError, match=words):
        stale.decrypt(made.blobs[0], CONTEXT)
    stale.close()
    both.seal = passphrase()
    check(both.open(), made)


def test_a_root_key_that_somebody_else_renews_at_the_same_time_is_not_lost(
    both: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, other = both.open(), both.open()
    make_root = sealing.make_root

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(rotation, "make_root", make_root)
        other.keeping.rotate_root()
        return make_root(*arguments)

    monkeypatch.setattr(rotation, "make_root", meanwhile)
    with pytest.raises(SealingError, match=r"another process has rotated .* Nothing was changed: try again"):
        engine.keeping.rotate_root()
    engine.keeping.rotate_root()
    engine.close()
    assert not both.open().sealed


def test_a_root_key_whose_new_seal_cannot_be_had_stays(both: Lab, tmp_path: Path) -> None:
    engine = both.open()
    before = settings_of(engine)["seal"]
    (tmp_path / "notes").write_text("notes")
    (tmp_path / "notes").chmod(0o600)
    for seal, words in (
        (HsmSeal("fake.so", "vault", lambda: FakeHsm(away=True)), "the token 'vault' of fake.so.* does not answer"),
        (passphrase(""), "is empty"),
        (FileSeal(tmp_path / "notes"), "does not hold 32 bytes"),
    ):
        with pytest.raises(SealingError, match=words):
            engine.keeping.rotate_root(seal)
    assert settings_of(engine)["seal"] == before
    told = [(entry["action"], entry["result"]) for entry in trail(engine)]
    assert told[1:] == [("RotateRootKey", "Sealing")] * 3


def test_a_sealed_engine_renews_nothing(both: Lab) -> None:
    engine = both.open()
    engine.seal()
    for refused in (engine.keeping.rotate_root, engine.keeping.rotate_keyring):
        with pytest.raises(KmsError, match=r"Rejected\.Sealed"):
            refused()
    assert both.seal is not None
    engine.unseal(both.seal)
    engine.keeping.rotate_root()


def test_a_new_term_wraps_everything_anew_and_old_ciphertexts_open(both: Lab) -> None:
    engine = both.open()
    made = furnish(both, engine)
    before, audit_key = wrappings(engine), settings_of(engine)["audit_key"]
    renewed = engine.keeping.rotate_keyring()
    after = wrappings(engine)
    assert (renewed.term, renewed.rewrapped) == (2, Rewrapped(len(before)))
    assert after.keys() == before.keys()
    for version, (term, generation, wrapped) in after.items():
        assert (term, generation) == (2, before[version][1] + 1)
        assert wrapped != before[version][2]
    assert settings_of(engine)["audit_key"][:4] == (2).to_bytes(4, "big") != audit_key[:4]
    facts = engine.status()
    assert (facts["keyring_term"], facts["rewrapping"], facts["versions_of_older_terms"]) == (2, False, 0)
    check(engine, made)
    engine.close()
    again = both.open()
    check(again, made)
    assert new_key(again, new_instance(again)) in {key for key, _ in wrappings(again)}
    assert {term for term, _, _ in wrappings(again).values()} == {2}


def test_an_older_wrapping_that_is_put_back_does_not_open(lab: Lab, engine: Engine) -> None:
    key = new_key(engine, new_instance(engine))
    blob, *_ = engine.encrypt(key, b"x")
    ((term, _, wrapped),) = wrappings(engine).values()
    engine.keeping.rotate_keyring()
    engine.close()
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute("UPDATE material SET term = ?, wrapped = ?", (term, wrapped))
        db.commit()
    with pytest.raises(Exception, match="put back from an older state"):
        lab.open().decrypt(blob)


def test_two_processes_see_each_others_new_terms(both: Lab) -> None:
    first, second = both.open(), both.open()
    made = furnish(both, first)
    for number, engine in enumerate((first, second, first, second), 2):
        assert engine.keeping.rotate_keyring().term == number
        check(first, made)
        check(second, made)
    assert {term for term, _, _ in wrappings(first).values()} == {5}


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few versions are many."""
    monkeypatch.setattr(rotation, "_CHUNK", 2)
    monkeypatch.setattr(rotation, "_TICK_CHUNKS", 2)


@pytest.mark.usefixtures("small_chunks")
def test_what_was_interrupted_is_finished_by_ticks_a_little_at_each(both: Lab) -> None:
    engine = both.open()
    made = furnish(both, engine)
    assert both.seal is not None
    rotation.rotate_keyring(core_of(engine), core_of(engine).world.caller, seal=both.seal)
    left = [engine.status()["versions_of_older_terms"]]
    check(engine, made)
    engine.close()
    engine = both.open()
    while engine.status()["rewrapping"]:
        engine.tick()
        left.append(engine.status()["versions_of_older_terms"])
        check(engine, made)
        assert len(left) < 10
    assert left[:3] == [7, 3, 0]
    told = [entry for entry in trail(engine) if entry["action"] == "RewrapMaterial"]
    assert sum(entry["parameters"]["Versions"] for entry in told) == 7
    assert {entry["source"] for entry in told} == {"schedule"}


@pytest.mark.usefixtures("small_chunks")
def test_a_term_that_begins_while_another_is_wrapped_is_the_one_that_all_end_in(both: Lab) -> None:
    first, second = both.open(), both.open()
    made = furnish(both, first)
    assert both.seal is not None
    rotation.rotate_keyring(core_of(first), core_of(first).world.caller, seal=both.seal)
    rotation.rewrap(core_of(first), 1)
    rotation.rotate_keyring(core_of(second), core_of(second).world.caller, seal=both.seal)
    rotation.rewrap(core_of(first))
    assert {term for term, _, _ in wrappings(first).values()} == {3}
    assert not first.status()["rewrapping"]
    check(first, made)
    check(second, made)


@pytest.mark.usefixtures("small_chunks")
def test_material_that_another_process_wraps_in_the_old_term_behind_our_back_is_wrapped_too(both: Lab) -> None:
    first, second = both.open(), both.open()
    made = furnish(both, first)
    imported = made.keys["imported"]
    assert both.seal is not None
    rotation.rotate_keyring(core_of(first), core_of(first).world.caller, seal=both.seal)
    rotation.rewrap(core_of(first), 3)
    second.delete_material(imported)
    bring(second, imported, SecretBytes(IMPORTED))
    terms = {key: term for (key, _), (term, _, _) in wrappings(first).items() if key == imported}
    assert terms == {imported: 1}, "it comes in again at its old place, which we have passed"
    rotation.rewrap(core_of(first))
    assert {term for term, _, _ in wrappings(first).values()} == {2}
    check(first, made)


@pytest.mark.usefixtures("small_chunks")
def test_material_that_does_not_open_is_named_and_stops_neither_the_others_nor_the_schedule(both: Lab) -> None:
    engine = both.open()
    made = furnish(both, engine)
    broken = made.keys["off"]

    def damage(transaction: Transaction) -> None:
        transaction.db.execute(
            "UPDATE material SET wrapped = ? WHERE version IN (SELECT id FROM key_version WHERE key_id = ?)",
            (bytes(60), broken),
        )

    core_of(engine).store.write(damage)
    assert both.seal is not None
    rotation.rotate_keyring(core_of(engine), core_of(engine).world.caller, seal=both.seal)
    ticks = [engine.tick() for _ in range(6)]
    named = [done.postponed for done in ticks if done.postponed]
    assert named
    assert all(found.keys() == {broken} and "does not open" in found[broken] for found in named)
    assert not engine.status()["rewrapping"]
    assert engine.status()["versions_of_older_terms"] == 1
    check(engine, made)
    renewed = engine.keeping.rotate_keyring()
    assert (renewed.rewrapped.versions, set(renewed.rewrapped.unopened)) == (6, {broken})


def test_a_keyring_that_has_wrapped_much_gets_a_new_term_by_itself(both: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = both.open()
    made = furnish(both, engine)
    monkeypatch.setattr(rotation, "ENTRIES_A_TERM", 10)
    engine.tick()
    assert engine.status()["keyring_term"] == 2
    assert engine.status()["versions_of_older_terms"] == 0
    engine.tick()
    assert engine.status()["keyring_term"] == 2
    check(engine, made)


def test_keys_made_while_their_material_is_wrapped_anew_work(both: Lab) -> None:
    first, second = both.open(), both.open()
    instance = new_instance(first)
    assert both.seal is not None
    rotation.rotate_keyring(core_of(first), core_of(first).world.caller, seal=both.seal)
    late = new_key(second, instance)  # under the term that this process still knows
    blob, *_ = second.encrypt(late, b"x")
    rotation.rewrap(core_of(first))
    assert {term for term, _, _ in wrappings(first).values()} == {2}
    for engine in (first, second, both.open()):
        assert engine.decrypt(blob)[0] == b"x"


def test_what_was_wrapped_before_does_not_stay_in_the_file(lab: Lab, engine: Engine) -> None:
    new_key(engine, new_instance(engine))
    ((_, _, wrapped),) = wrappings(engine).values()
    record = json.loads(settings_of(engine)["seal"])["root"].encode()
    engine.keeping.rotate_root()
    engine.keeping.rotate_keyring()
    lab.close()
    file = lab.database.read_bytes()
    assert wrapped not in file
    assert record not in file


def test_a_backup_and_new_keys_need_no_more_than_the_seal(lab: Lab, engine: Engine, tmp_path: Path) -> None:
    made = furnish(lab, engine)
    seal = FileSeal(tmp_path / "backup.key")
    told: list[int] = []
    first = engine.keeping.backup(tmp_path / "b1", seal, told.append)
    assert told == list(range(len(told)))
    assert told[-1] >= sum(first.rows.values())
    engine.keeping.rotate_root()
    engine.keeping.rotate_keyring()
    engine.keeping.backup(tmp_path / "b2", seal)
    engine.seal()
    engine.unseal(FileSeal(lab.folder / "root.key"))
    check(engine, made)
    assert making.verify(tmp_path / "b2", seal).opened == 7
