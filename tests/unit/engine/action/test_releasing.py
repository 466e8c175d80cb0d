from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import (
    CreateAlias,
    ReleaseKmsInstance,
    ScheduleKeyDeletion,
    SetDeletionProtection,
)
from kmsplan.kms.spec import KeySpec
from tests.engines import Lab, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.operation import Operation


def _filled(engine: Engine, home: str) -> tuple[str, str]:
    """Return an instance with a key that is used and one that waits for its deletion, and the first of them."""
    place = new_instance(engine, home, tags={"a": "b"})
    key, other = new_key(engine, place, tags={"c": "d"}), new_key(engine, place, KeySpec.EC_P256)
    engine.execute(CreateAlias(alias="alias/used", key=key))
    engine.execute(ScheduleKeyDeletion(key=other, window_days=7))
    engine.encrypt(key, b"x")
    return place, key


@pytest.mark.parametrize("home", ["software", "hardware"])
def test_an_instance_with_keys_stays_unless_they_are_to_go_too(
    engine: Engine, refusal: Callable[[Operation], KmsError], home: str
) -> None:
    place, key = _filled(engine, home)
    for force in (None, False):
        error = refusal(ReleaseKmsInstance(instance=place, force=force))
        assert (error.code, "ForceDeleteWithoutBackup" in error.message) == ("Rejected.InstanceNotEmpty", True)
    assert engine.describe_key(key).state == "Enabled"


@pytest.mark.parametrize("home", ["software", "hardware"])
def test_forced_it_goes_with_every_key_version_alias_and_tag(
    lab: Lab, engine: Engine, refusal: Callable[[Operation], KmsError], home: str
) -> None:
    place, key = _filled(engine, home)
    kept = new_key(engine, new_instance(engine))
    blob = engine.encrypt(key, b"x").blob
    engine.execute(ReleaseKmsInstance(instance=place, force=True))
    assert [found.key_id for found in engine.list_keys().items] == [kept]
    assert (engine.list_aliases().total, engine.list_tags("key")[0], lab.hsm.material) == (0, (), {})
    assert refusal(ReleaseKmsInstance(instance=place, force=True)).code == "Forbidden.DKMSInstanceNotFound"
    with pytest.raises(KmsError) as caught:
        engine.decrypt(blob)
    assert caught.value.code == "Forbidden.KeyNotFound"


def test_the_audit_trail_names_every_key_that_went(engine: Engine) -> None:
    place, key = _filled(engine, "software")
    engine.execute(ReleaseKmsInstance(instance=place, force=True))
    *_, first, second, third = engine.audit_entries()
    assert [entry["action"] for entry in (first, second, third)] == ["DeleteKey", "DeleteKey", "ReleaseKmsInstance"]
    assert key in {first["resource"], second["resource"]}
    assert len({entry["request_id"] for entry in (first, second, third)}) == 1


def test_a_protected_instance_stays(engine: Engine, refusal: Callable[[Operation], KmsError]) -> None:
    place, key = _filled(engine, "software")
    engine.execute(SetDeletionProtection(instance=place, enable=True, description="payments"))
    assert refusal(ReleaseKmsInstance(instance=place, force=True)).code == "Forbidden.DeletionProtected"
    assert engine.describe_key(key).state == "Enabled"


def test_an_instance_with_a_protected_key_stays(engine: Engine, refusal: Callable[[Operation], KmsError]) -> None:
    place, key = _filled(engine, "software")
    engine.execute(SetDeletionProtection(key=key, enable=True))
    error = refusal(ReleaseKmsInstance(instance=place, force=True))
    assert (error.code, key in error.message) == ("Forbidden.DeletionProtected", True)
    assert engine.list_keys().total == 2


def test_an_hsm_that_is_away_is_emptied_when_it_is_back(
    lab: Lab, engine: Engine, refusal: Callable[[Operation], KmsError]
) -> None:
    place, _ = _filled(engine, "hardware")
    lab.hsm.away = True
    error = refusal(ReleaseKmsInstance(instance=place, force=True))
    assert (error.code, "2 of their versions" in error.message) == ("Rejected.Unavailable", True)
    assert (engine.list_keys().total, engine.list_instances().total) == (0, 1)
    lab.hsm.away = False
    engine.execute(ReleaseKmsInstance(instance=place, force=True))
    assert (engine.list_instances().total, lab.hsm.material) == (0, {})


def test_an_empty_instance_needs_no_force(engine: Engine, instance: str) -> None:
    engine.execute(ReleaseKmsInstance(instance=instance))
    assert engine.list_instances().total == 0


def test_the_homes_of_keys_without_instance_are_never_released(refusal: Callable[[Operation], KmsError]) -> None:
    for force in (None, True):
        error = refusal(ReleaseKmsInstance(instance="kmsplan-service", force=force))
        assert error.code == "Forbidden.DKMSInstanceNotFound"
