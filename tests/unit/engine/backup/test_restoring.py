from __future__ import annotations

import json
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine import checkpoint
from kmsplan.engine.backup import restoring
from kmsplan.engine.error import (
    BackupError,
    EngineExistsError,
    KeystoreReadOnlyError,
    MaterialCorruptError,
    SealingError,
)
from kmsplan.engine.hsmseal import HsmSeal
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore.version import USES_LIMIT
from kmsplan.engine.sealing import FileSeal, PassphraseSeal, default_key_file, open_root
from kmsplan.engine.service import is_engine
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import UpdateRotationPolicy
from kmsplan.kms.secret import SecretBytes
from tests.byok import bring
from tests.engines import DAY, Clock, FakeHsm, Lab, described, new_instance, new_key
from tests.furnished import CONTEXT, IMPORTED, check, content, core_of, furnish, restore_to, trail

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from kmsplan.engine.service import Engine


def seal_record(engine: Engine) -> bytes:
    with core_of(engine).store.read() as db:
        return setting.load(db, "seal") or b""


@pytest.mark.parametrize("source", ["sqlite", "postgres"])
@pytest.mark.parametrize("target", ["sqlite", "postgres"])
def test_an_engine_is_the_same_after_it_was_restored_into_either_database(
    tmp_path: Path, lock: FileSeal, database: Callable[[str], SecretBytes | None], source: str, target: str
) -> None:
    here = Lab(tmp_path / "here", postgres=database(source))
    here.create()
    engine = here.open()
    made = furnish(here, engine, hardware=True)
    before, entries = content(engine), trail(engine)
    engine.keeping.backup(tmp_path / "b", lock)
    here.close()
    there = Lab(tmp_path / "there", postgres=database(target), hsm=here.hsm, clock=here.clock)
    report = restore_to(there, tmp_path / "b", lock)
    again = there.open()
    assert content(again) == before
    assert (again.engine_id, again.region, again.account) == (engine.engine_id, engine.region, engine.account)
    assert report.rows["audit"] == len(entries)
    assert trail(again)[: len(entries)] == entries
    told = trail(again)[len(entries)]
    assert (told["action"], told["actor"], told["result"]) == ("RestoreEngine", "restorer", "OK")
    assert told["parameters"] == {"Made": report.made, "Seal": "file"}
    assert again.audit_verify().entries == len(entries) + 1
    assert again.status()["last_backup"] == report.made
    check(again, made)
    bring(again, made.keys["imported"], SecretBytes(IMPORTED))  # no other would be taken
    for row in again.describe().instances:
        assert row["versions"] == sum(1 for found in before["key_version"] if found[0] in _keys_in(again, row))
    there.close()


def _keys_in(engine: Engine, instance: dict[str, str]) -> set[str]:
    return {row["key_id"] for row in engine.describe().keys if row["instance_id"] == instance["instance_id"]}


def test_a_restored_engine_goes_on_where_it_was(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal, restored: Callable[[Path], Engine]
) -> None:
    made = furnish(lab, engine)
    engine.keeping.backup(tmp_path / "b", lock)
    again = restored(tmp_path / "b")
    lab.clock.move(31 * DAY)
    done = again.tick()
    assert (done.rotated, done.deleted) == ((made.keys["aes"],), (made.keys["doomed"],))
    new_key(again, described(again, made.keys["aes"])["instance_id"])
    check(again, made)
    again.keeping.backup(tmp_path / "next", lock)


def test_a_restored_engine_has_a_new_root_key_which_the_old_seal_does_not_open(
    lab: Lab, engine: Engine, elsewhere: Lab, tmp_path: Path, lock: FileSeal, restored: Callable[[Path], Engine]
) -> None:
    engine.keeping.backup(tmp_path / "b", lock)
    again = restored(tmp_path / "b")
    assert lab.seal is not None
    assert elsewhere.seal is not None
    old = open_root(lab.seal, engine.engine_id, seal_record(engine)).reveal()
    new = open_root(elsewhere.seal, engine.engine_id, seal_record(again)).reveal()
    assert old != new
    again.close()
    with pytest.raises(SealingError, match="does not open the engine's root key"):
        elsewhere.open(seal=lab.seal)
    file = elsewhere.database.read_bytes()
    assert json.loads(seal_record(engine))["root"].encode() not in file, "the old record did not stay in the file"
    assert old not in file


def test_what_is_restored_is_for_its_owner_alone(
    engine: Engine, elsewhere: Lab, tmp_path: Path, lock: FileSeal, restored: Callable[[Path], Engine]
) -> None:
    engine.keeping.backup(tmp_path / "b", lock)
    restored(tmp_path / "b").close()
    assert stat.S_IMODE(elsewhere.folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in elsewhere.folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"keystore.db", "root.key", "audit.checkpoint", "nonces"} <= modes.keys()
    assert not [name for name in modes if ".new-" in name]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_engine_is_restored_over(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal, database: Callable[[str], SecretBytes | None], kind: str
) -> None:
    taken = Lab(tmp_path / "taken", postgres=database(kind))
    taken.create()
    there = taken.open()
    key = new_key(there, new_instance(there))
    engine.keeping.backup(tmp_path / "b", lock)
    with pytest.raises(EngineExistsError, match=r"already holds an engine; nothing was changed\. Restore into another"):
        restore_to(taken, tmp_path / "b", lock)
    with pytest.raises(EngineExistsError):
        restore_to(lab, tmp_path / "b", lock)
    assert there.decrypt(there.encrypt(key, b"x")[0])[0] == b"x"
    assert there.audit_verify().entries == 5
    taken.close()


def test_of_two_restores_into_one_folder_at_once_the_second_leaves_the_firsts_engine_as_it_is(
    engine: Engine, elsewhere: Lab, tmp_path: Path, lock: FileSeal
) -> None:
    engine.keeping.backup(tmp_path / "b", lock)
    refused: list[Exception] = []

    def again() -> None:
        try:
            restore_to(replace(elsewhere, clock=Clock(elsewhere.clock())), tmp_path / "b", lock)
        except EngineExistsError as error:
            refused.append(error)

    second = Thread(target=again)

    class InTheMiddle(Clock):
        """Is asked while the engine is filled."""

        def __call__(self) -> datetime:
            if second.ident is None:
                second.start()
                second.join(0.3)
            return super().__call__()

    restore_to(replace(elsewhere, clock=InTheMiddle()), tmp_path / "b", lock)
    second.join()
    assert len(refused) == 1
    assert elsewhere.open().audit_verify().entries == 2
    assert (elsewhere.folder / "nonces").read_bytes().startswith(b"of a restored engine")


def test_a_folder_that_holds_other_things_keeps_them(
    engine: Engine, elsewhere: Lab, tmp_path: Path, lock: FileSeal, restored: Callable[[Path], Engine]
) -> None:
    elsewhere.folder.mkdir(mode=0o750)
    (elsewhere.folder / "notes").write_text("notes")
    key = FileSeal(default_key_file(elsewhere.folder))
    key.make(os.urandom)
    before = key.path.read_bytes()
    engine.keeping.backup(tmp_path / "b", lock)
    restored(tmp_path / "b")
    assert (elsewhere.folder / "notes").read_text() == "notes"
    assert stat.S_IMODE(elsewhere.folder.stat().st_mode) == 0o750
    assert key.path.read_bytes() == before, "a key file that was put there before is used"


def test_a_folder_with_the_checkpoint_of_another_engine_is_left_alone(
    engine: Engine, tmp_path: Path, lock: FileSeal, database: Callable[[str], SecretBytes | None]
) -> None:
    other = Lab(tmp_path / "other", postgres=database("postgres"))  # its keystore is not in its folder
    other.create()
    before = (other.folder / checkpoint.FILE).read_bytes()
    engine.keeping.backup(tmp_path / "b", lock)
    with pytest.raises(EngineExistsError, match=r"audit\.checkpoint belongs to engine .* Restore into another folder"):
        restore_to(replace(other, postgres=None), tmp_path / "b", lock)
    assert (other.folder / checkpoint.FILE).read_bytes() == before
    assert not other.database.exists()


def test_the_checkpoint_that_a_lost_engine_left_gives_way_to_the_restored_ones(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal
) -> None:
    engine.keeping.backup(tmp_path / "b", lock)
    new_instance(engine)
    lab.close()
    lab.database.unlink()
    restore_to(lab, tmp_path / "b", lock)
    again = lab.open()
    assert trail(again)[-1]["action"] == "RestoreEngine"
    assert again.audit_verify().entries == 2


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_damaged_backup_leaves_no_engine(
    tmp_path: Path, engine: Engine, lock: FileSeal, database: Callable[[str], SecretBytes | None], kind: str
) -> None:
    there = Lab(tmp_path / "there", postgres=database(kind))
    engine.keeping.backup(tmp_path / "b", lock)
    whole = (tmp_path / "b").read_bytes()
    start = len(whole.split(b"\n", 2)[0]) + len(whole.split(b"\n", 2)[1]) + 2
    for length in (0, 10, start - 1, start, start + 1, (start + len(whole)) // 2, len(whole) - 1):
        (tmp_path / "b").write_bytes(whole[:length])
        with pytest.raises(BackupError, match=r"damaged|is no backup"):
            restore_to(there, tmp_path / "b", lock)
        assert not is_engine(there.folder, there.postgres)
    (tmp_path / "b").write_bytes(whole)
    restore_to(there, tmp_path / "b", lock)
    assert there.open().engine_id == engine.engine_id
    there.close()


def test_a_wrong_lock_or_an_unusable_place_leaves_no_engine(
    engine: Engine, elsewhere: Lab, tmp_path: Path, lock: FileSeal
) -> None:
    engine.keeping.backup(tmp_path / "b", lock)
    wrong = FileSeal(tmp_path / "wrong.key")
    wrong.make(os.urandom)
    with pytest.raises(BackupError, match="the key file that was given does not open the backup"):
        restore_to(elsewhere, tmp_path / "b", wrong)
    assert not elsewhere.database.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(KeystoreReadOnlyError, match=r"no engine can be restored into .*Check the owner and mode"):
        restore_to(Lab(tmp_path / "file" / "engine"), tmp_path / "b", lock)


def test_a_restore_that_fails_at_its_end_leaves_no_engine_and_can_be_repeated(
    engine: Engine, elsewhere: Lab, tmp_path: Path, lock: FileSeal, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.keeping.backup(tmp_path / "b", lock)
    with monkeypatch.context() as patched:

        def fail(*_: object) -> None:
            raise MaterialCorruptError("at the end")

        patched.setattr(restoring, "_go_on", fail)
        with pytest.raises(MaterialCorruptError):
            restore_to(elsewhere, tmp_path / "b", lock)
    assert [path.name for path in elsewhere.folder.iterdir()] == ["root.key"]
    restore_to(elsewhere, tmp_path / "b", lock)
    assert elsewhere.open().audit_verify().entries == 2


def test_counts_against_the_limit_of_aes_gcm_are_not_begun_anew(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal, restored: Callable[[Path], Engine]
) -> None:
    key = new_key(engine, new_instance(engine))
    blob, *_ = engine.encrypt(key, b"x")
    with closing(sqlite3.connect(lab.database)) as db:
        db.execute("UPDATE key_version SET uses = ?", (USES_LIMIT - 2,))
        db.commit()
    engine.keeping.backup(tmp_path / "b", lock)
    again = restored(tmp_path / "b")
    for _ in range(2):
        again.encrypt(key, b"x")
    with pytest.raises(KmsError, match="as often as is safe"):
        again.encrypt(key, b"x")
    assert again.decrypt(blob)[0] == b"x"


def test_two_engines_of_one_backup_never_use_an_iv_twice(
    lab: Lab, engine: Engine, elsewhere: Lab, tmp_path: Path, lock: FileSeal
) -> None:
    made = furnish(lab, engine)
    engine.keeping.backup(tmp_path / "b", lock)
    third = Lab(tmp_path / "third", clock=lab.clock)
    engines = [engine]
    for place in (elsewhere, third):
        restore_to(place, tmp_path / "b", lock)
        engines.append(place.open())
    blobs = [each.encrypt(made.keys["aes"], b"plaintext", CONTEXT)[0] for each in engines for _ in range(20)]
    assert len({blob[-(12 + 9 + 16) :] for blob in blobs}) == len(blobs)
    assert all(each.decrypt(blob, CONTEXT)[0] == b"plaintext" for blob in blobs for each in engines)
    trails = [each.audit_verify() for each in engines]
    assert len({found.head for found in trails}) == 3, "each trail is whole, and from the backup on its own"
    third.close()


def test_a_key_in_an_hsm_is_there_and_works_when_its_token_is(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal
) -> None:
    made = furnish(lab, engine, hardware=True)
    engine.keeping.backup(tmp_path / "b", lock)
    away = Lab(tmp_path / "away", hsm=FakeHsm(away=True), clock=lab.clock)
    report = restore_to(away, tmp_path / "b", lock)
    assert [token.keys for token in report.hardware] == [1]
    again = away.open()
    vaulted = made.keys["vaulted"]
    assert described(again, vaulted)["state"] == "Enabled"
    with pytest.raises(KmsError, match=r"Rejected\.Unavailable|does not answer"):
        again.decrypt(made.blobs[-1], CONTEXT)
    assert again.decrypt(made.blobs[0], CONTEXT)[0] == b"plaintext"
    again.close()
    check(away.open(hardware=lambda *_: lab.hsm), made)
    away.close()


def _sealed_by(token: FakeHsm) -> HsmSeal:
    return HsmSeal("fake.so", "vault", lambda: token)


def test_an_engine_that_an_hsm_seals_is_restored_where_the_token_is(tmp_path: Path, lock: FileSeal) -> None:
    token = FakeHsm()
    here = Lab(tmp_path / "here", seal=_sealed_by(token))
    here.create()
    engine = here.open()
    made = furnish(here, engine)
    engine.keeping.backup(tmp_path / "b", lock)
    for seal, words in (
        (None, "sealed by an HSM, and a file was given"),
        (_sealed_by(FakeHsm(away=True)), "the token 'vault' of fake.so, .*, cannot be used: the token does not answer"),
        (_sealed_by(FakeHsm()), "cannot be used: the token does not hold the key"),
    ):
        place = Lab(tmp_path / "wrong", seal=seal)
        with pytest.raises(SealingError, match=words):
            restore_to(place, tmp_path / "b", lock)
        assert not place.database.exists()
    there = Lab(tmp_path / "there", seal=_sealed_by(token), clock=here.clock)
    report = restore_to(there, tmp_path / "b", lock)
    assert report.opened == 7, "here the root key was at hand"
    check(there.open(), made)
    assert here.open().audit_verify().entries > 1, "the one that it was made from still opens"
    assert token.destroyed == []
    here.close()
    there.close()


def test_a_passphrase_can_seal_what_a_file_sealed_before(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal
) -> None:
    made = furnish(lab, engine)
    engine.keeping.backup(tmp_path / "b", lock)
    there = Lab(tmp_path / "there", seal=PassphraseSeal(lambda: SecretBytes(b"correct horse")), clock=lab.clock)
    restore_to(there, tmp_path / "b", lock)
    check(there.open(), made)
    assert not default_key_file(there.folder).exists()
    there.close()


def test_a_backup_in_the_middle_of_new_wrapping_is_finished_where_it_is_restored(
    lab: Lab, engine: Engine, tmp_path: Path, lock: FileSeal, restored: Callable[[Path], Engine]
) -> None:
    from kmsplan.engine import rotation  # noqa: PLC0415 - this test's own

    made = furnish(lab, engine)
    rotation.rotate_keyring(core_of(engine), core_of(engine).world.caller, seal=lab.seal)  # type: ignore[arg-type]
    engine.execute(UpdateRotationPolicy(key=made.keys["aes"], rotation=None))
    engine.keeping.backup(tmp_path / "b", lock)
    again = restored(tmp_path / "b")
    assert again.status()["rewrapping"]
    assert again.status()["versions_of_older_terms"] == 7
    again.tick()
    assert not again.status()["rewrapping"]
    assert again.status()["versions_of_older_terms"] == 0
    check(again, made)
