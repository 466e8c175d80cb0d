from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.operation import CreateAlias, CreateKeyVersion, ModifyInstance
from kmsplan.kms.spec import KeySpec
from tests.engines import DAY, Lab, described, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from kmsplan.engine.service import Engine
    from kmsplan.kms.error import KmsError
    from kmsplan.kms.operation import Operation

_DIGEST = bytes(32)


@pytest.mark.parametrize("home", ["software", "hardware"])
def test_an_asymmetric_key_gets_one_more_version_and_the_old_one_stays(lab: Lab, engine: Engine, home: str) -> None:
    key = new_key(engine, new_instance(engine, home), KeySpec.EC_P256)
    first = described(engine, key)["primary_version"]
    signature = engine.sign(key, first, None, _DIGEST)
    lab.clock.move(7 * DAY)
    second = str(engine.execute(CreateKeyVersion(key=key)))
    assert [version.version_id for version in engine.list_versions(key).items] == [first, second]
    assert engine.describe_version(key, second).creation_date == "2026-01-08T00:00:00Z"
    assert engine.describe_key(key).last_rotation_date == "2026-01-08T00:00:00Z"
    assert engine.public_key(key, first) != engine.public_key(key, second)
    assert engine.verify(key, first, None, _DIGEST, signature)
    assert not engine.verify(key, second, None, _DIGEST, signature)


def test_an_alias_and_an_arn_name_the_key(lab: Lab, engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, KeySpec.EC_P256)
    engine.execute(CreateAlias(alias="alias/signer", key=key))
    for name in ("alias/signer", engine.describe_key(key).arn):
        lab.clock.move(7 * DAY)
        assert str(engine.execute(CreateKeyVersion(key=name))).startswith(key)
    assert engine.list_versions(key).total == 3
    assert list(engine.audit_entries())[-1]["resource"] == key


def test_seven_days_lie_between_two_versions(
    lab: Lab, engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance, KeySpec.EC_P256)
    second: timedelta = DAY / 86_400
    for _ in range(2):
        lab.clock.move(7 * DAY - second)
        error = refusal(CreateKeyVersion(key=key))
        assert (error.code, "7 days" in error.message) == ("Rejected.UnsupportedOperation", True)
        lab.clock.move(second)
        assert engine.execute(CreateKeyVersion(key=key))


def test_fifty_versions_are_the_most(
    lab: Lab, engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance, KeySpec.EC_P256)
    with closing(sqlite3.connect(lab.database)) as db, db:
        db.executemany(
            "INSERT INTO key_version (key_id, version_id, instance_id, status, reference, generation, created) "
            "VALUES (?, ?, ?, 'ready', x'00', 1, '2026-01-01T00:00:00Z')",
            [(key, f"v{number}", instance) for number in range(48)],
        )
    lab.clock.move(7 * DAY)
    assert engine.execute(CreateKeyVersion(key=key))
    lab.clock.move(7 * DAY)
    assert refusal(CreateKeyVersion(key=key)).code == "Rejected.LimitExceeded"
    assert engine.list_versions(key, size=100).total == 50


@pytest.mark.parametrize("home", ["software", "hardware"])
def test_a_version_needs_room_in_its_instance(
    lab: Lab, engine: Engine, refusal: Callable[[Operation], KmsError], home: str
) -> None:
    place = new_instance(engine, home, key_quota=100)
    key = new_key(engine, place, KeySpec.EC_P256)
    with closing(sqlite3.connect(lab.database)) as db, db:
        db.execute("UPDATE instance SET key_quota = 1 WHERE instance_id = ?", (place,))
    lab.clock.move(7 * DAY)
    assert refusal(CreateKeyVersion(key=key)).code == "Rejected.LimitExceeded"
    assert (engine.list_versions(key).total, len(lab.hsm.material)) == (1, 1 if home == "hardware" else 0)
    engine.execute(ModifyInstance(instance=place, key_quota=100))
    assert engine.execute(CreateKeyVersion(key=key))


def test_imported_keys_have_one_version_for_ever(
    lab: Lab, engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance, KeySpec.RSA_2048, origin="EXTERNAL")
    lab.clock.move(7 * DAY)
    assert refusal(CreateKeyVersion(key=key)).code == "Rejected.PendingImport"


def test_a_sealed_engine_makes_none(
    lab: Lab, engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, instance, KeySpec.EC_P256)
    lab.clock.move(7 * DAY)
    engine.seal()
    assert refusal(CreateKeyVersion(key=key)).code == "Rejected.Sealed"
    assert engine.list_versions(key).total == 1


def test_an_hsm_that_breaks_off_leaves_no_version(
    lab: Lab, engine: Engine, vault: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = new_key(engine, vault, KeySpec.EC_P256)
    lab.clock.move(7 * DAY)
    lab.hsm.dies_after_making = True
    assert refusal(CreateKeyVersion(key=key)).code == "Rejected.Unavailable"
    lab.hsm.away = lab.hsm.dies_after_making = False
    engine.tick()
    assert (engine.list_versions(key).total, len(lab.hsm.material)) == (1, 1)
    assert engine.execute(CreateKeyVersion(key=key))
