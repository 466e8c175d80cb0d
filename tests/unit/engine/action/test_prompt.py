"""CreateKey as an event loop begins it: without waiting, and as safe as by a thread that waits."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.access.role import Role
from kmsplan.engine.action import creating, prompt
from kmsplan.engine.caller import Caller
from kmsplan.engine.error import KeystoreError
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore.nonce import Claim
from kmsplan.engine.offer import SOFTWARE_SPECS
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateKey, ReleaseKmsInstance
from kmsplan.kms.spec import SPECS, KeySpec
from tests.engines import Lab, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.core import Core
    from kmsplan.engine.reading.view import KeyView
    from kmsplan.engine.service import Engine

_PATIENCE = 60.0
SYMMETRIC = [spec for spec in SOFTWARE_SPECS if SPECS[spec].symmetric]


@dataclass
class Loop:
    """As much of an event loop as commits need, and what it was told of keys."""

    engine: Engine
    next: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)
    told: list[Callable[[], KeyView]] = field(default_factory=list)
    begun: int = 0

    def begin(self, operation: CreateKey, caller: Caller | None = None) -> bool:
        engine = self.engine if caller is None else self.engine.acting(caller)
        begun = engine.create_key(operation, self._told)
        self.begun += begun
        return begun

    def _told(self, made: Callable[[], KeyView]) -> None:
        """Note what was told, by whichever thread: the commits of a slow disk are another one's."""
        self.next.put(lambda: self.told.append(made))

    def finish(self) -> None:
        """Have rounds until everybody was told."""
        while len(self.told) < self.begun:
            self.next.get(timeout=_PATIENCE)()

    def made(self) -> KeyView:
        self.finish()
        return self.told[-1]()

    def refused(self) -> BaseException:
        self.finish()
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, the caller looks at it
            self.told[-1]()
        return caught.value


@pytest.fixture
def loop(engine: Engine) -> Loop:
    made = Loop(engine)
    engine.attend(made.next.put, time.monotonic)
    return made


def creation(instance: str | None, spec: KeySpec = KeySpec.AES_256, **options: Any) -> CreateKey:
    usage = SPECS[spec].default_usage.value
    return CreateKey(instance=instance, spec=spec.value, **{"usage": usage, "origin": "Aliyun_KMS", **options})


def results(engine: Engine, action: str = "CreateKey") -> list[str]:
    return [entry["result"] for entry in engine.audit_entries() if entry["action"] == action]


@pytest.mark.parametrize("spec", SYMMETRIC)
def test_a_symmetric_key_in_software_is_made_and_shown_as_it_is_described(
    loop: Loop, engine: Engine, instance: str, spec: KeySpec
) -> None:
    assert loop.begin(creation(instance, spec, description="d", tags={"a": "b"}))
    made = loop.made()
    assert made == engine.describe_key(made.key_id)
    assert {tag.name for tag in engine.list_resource_tags(made.key_id)} == {"a"}
    entry = list(engine.audit_entries())[-1]
    assert (entry["action"], entry["resource"], entry["result"]) == ("CreateKey", made.key_id, "OK")


def test_a_key_that_will_rotate_says_when(loop: Loop, instance: str) -> None:
    assert loop.begin(creation(instance, rotation=604_800))
    assert loop.made().next_rotation_date == "2026-01-08T00:00:00Z"


def test_it_works_and_every_other_process_knows_it(lab: Lab, loop: Loop, instance: str) -> None:
    other, another = lab.open(), lab.open()
    loop.begin(creation(instance))
    key = loop.made().key_id
    assert another.decrypt(other.encrypt(key, b"text").blob).plaintext == b"text"


def test_the_default_cmk_is_made_as_well_but_once(loop: Loop) -> None:
    assert loop.begin(creation(None))
    assert loop.made().instance_id == ""
    assert loop.begin(creation(None))
    error = loop.refused()
    assert isinstance(error, KmsError)
    assert error.code == "Rejected.LimitExceeded"


def test_a_key_whose_material_will_be_imported_has_none_yet(loop: Loop, instance: str) -> None:
    assert loop.begin(creation(instance, origin="EXTERNAL"))
    made = loop.made()
    assert (made.state, made.primary_version) == ("PendingImport", None)


def test_nobody_is_told_before_it_is_committed(loop: Loop, engine: Engine, instance: str) -> None:
    assert loop.begin(creation(instance))
    assert loop.begin(creation(instance))
    assert (loop.told, engine.describe().keys, results(engine)) == ([], [], [])
    loop.finish()
    assert {made().key_id for made in loop.told} == {row["key_id"] for row in engine.describe().keys}
    assert results(engine) == ["OK", "OK"]


def test_what_is_refused_is_audited_before_anybody_is_told(loop: Loop, engine: Engine, instance: str) -> None:
    assert loop.begin(creation(instance, usage="SIGN/VERIFY"))
    assert loop.told == []
    error = loop.refused()
    assert isinstance(error, KmsError)
    entry = list(engine.audit_entries())[-1]
    assert error.code == "InvalidParameter"
    assert (entry["result"], entry["request_id"]) == (error.code, error.request_id)
    assert engine.describe().keys == []


def test_an_instance_that_is_not_there_is_refused(loop: Loop, engine: Engine) -> None:
    assert loop.begin(creation("kst-none"))
    assert isinstance(loop.refused(), KmsError)
    assert results(engine) == ["Forbidden.DKMSInstanceNotFound"]


def test_the_quota_is_exact_among_keys_of_one_commit(loop: Loop, engine: Engine) -> None:
    small = new_instance(engine, key_quota=1000)
    _fill(engine, small, 998)
    for _ in range(4):
        assert loop.begin(creation(small))
    loop.finish()
    outcomes = [_code(made) for made in loop.told]
    assert outcomes == ["OK", "OK", "Rejected.LimitExceeded", "Rejected.LimitExceeded"]
    assert results(engine) == outcomes


def _fill(engine: Engine, instance: str, versions: int) -> None:
    engine._core.store.write(
        lambda transaction: transaction.db.execute(
            "UPDATE instance SET versions = ? WHERE instance_id = ?", (versions, instance)
        )
    )


def _code(made: Callable[[], KeyView]) -> str:
    try:
        made()
    except KmsError as error:
        return error.code
    return "OK"


def test_an_instance_that_is_released_meanwhile_takes_none(loop: Loop, engine: Engine, instance: str) -> None:
    loop.begin(creation(instance))
    engine.execute(ReleaseKmsInstance(instance=instance))
    error = loop.refused()
    assert isinstance(error, KmsError)
    assert error.code == "Forbidden.DKMSInstanceNotFound"
    assert engine.describe().keys == []


def test_an_engine_that_another_process_has_sealed_makes_none(lab: Lab, loop: Loop, instance: str) -> None:
    other = lab.open()
    loop.begin(creation(instance))
    other.seal()
    error = loop.refused()
    assert isinstance(error, KmsError)
    assert error.code == "Rejected.Sealed"
    assert other.describe().keys == []


def test_an_access_key_that_ended_meanwhile_makes_none(loop: Loop, engine: Engine, instance: str) -> None:
    made = engine.access.create(role=Role.ADMINISTRATOR)
    key = engine.access_key(made.access_key_id)
    assert key is not None
    loop.begin(creation(instance), key.caller("192.0.2.1:1"))
    engine.access.set_status(made.access_key_id, active=False)
    error = loop.refused()
    assert isinstance(error, KmsError)
    assert error.code == "InvalidAccessKeyId.Inactive"
    assert (engine.describe().keys, results(engine)) == ([], ["InvalidAccessKeyId.Inactive"])


def test_a_role_that_makes_no_keys_is_refused(loop: Loop, engine: Engine, instance: str) -> None:
    key = engine.access_key(engine.access.create(role=Role.USER).access_key_id)
    assert key is not None
    assert loop.begin(creation(instance), key.caller("192.0.2.1:1"))
    assert isinstance(loop.refused(), KmsError)
    assert results(engine) == ["Forbidden.NoPermission"]


@pytest.mark.parametrize("spec", [KeySpec.RSA_2048, KeySpec.EC_P256])
def test_a_key_pair_is_left_to_a_thread(loop: Loop, engine: Engine, instance: str, spec: KeySpec) -> None:
    assert not loop.begin(creation(instance, spec))
    assert (loop.next.empty(), loop.told, results(engine)) == (True, [], [])


def test_a_key_in_an_hsm_is_left_to_a_thread(loop: Loop, lab: Lab, vault: str) -> None:
    assert not loop.begin(creation(vault))
    assert (loop.told, results(loop.engine), lab.hsm.material) == ([], [], {})


def test_a_nonce_that_nodes_share_is_left_to_a_thread(loop: Loop, instance: str) -> None:
    assert not loop.begin(creation(instance), Caller(actor="AK", claim=Claim(b"digest", 1)))
    assert loop.next.empty()


def test_an_engine_that_cannot_be_written_makes_none_and_says_so(
    loop: Loop, engine: Engine, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeystoreError("the disk is full")

    loop.begin(creation(instance))
    monkeypatch.setattr(creating, "add", broken)
    assert isinstance(loop.refused(), KeystoreError)
    assert results(engine) == []


def test_an_engine_that_is_closed_meanwhile_says_so(loop: Loop, instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise RuntimeError("the engine is closed")

    monkeypatch.setattr(prompt, "refused", closed)
    loop.begin(creation(instance, usage="SIGN/VERIFY"))
    assert str(loop.refused()) == "the engine is closed"


def test_a_keystore_that_cannot_be_read_is_an_error_at_once(
    loop: Loop, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(core: Core, operation: CreateKey) -> None:
        del core, operation
        raise KeystoreError("the disk is gone")

    monkeypatch.setattr(creating, "home_of", unreadable)
    with pytest.raises(KeystoreError):
        loop.begin(creation(instance))
    assert loop.told == []


def test_a_new_key_leaves_what_processes_remember_of_others_as_it_is(engine: Engine, instance: str) -> None:
    def generation() -> int:
        with engine._core.store.look() as db:
            return setting.generation(db)

    before = generation()
    new_key(engine, instance)
    assert generation() == before


def test_ids_stand_in_the_order_in_which_the_keys_were_made(lab: Lab, engine: Engine, instance: str) -> None:
    made = []
    for _ in range(5):
        made.append(new_key(engine, instance))
        lab.clock.now = lab.clock.now.replace(microsecond=len(made))
    assert made == sorted(made)
