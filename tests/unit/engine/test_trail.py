from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.keystore import trail
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import DisableKey, EnableKey, TagResources, UpdateRotationPolicy
from tests.engines import new_instance, new_key

if TYPE_CHECKING:
    from kmsplan.engine.service import Engine
    from tests.engines import Lab


def told(engine: Engine, *actions: str, limit: int = 1000) -> list[tuple[str, str | None]]:
    return [(entry["action"], entry["resource"]) for entry in engine.audit_newest(actions, limit)]


@pytest.fixture
def key(engine: Engine) -> str:
    """A key that was used, disabled and enabled."""
    key = new_key(engine, new_instance(engine))
    engine.encrypt(key, b"x")
    engine.execute(DisableKey(key=key))
    engine.execute(EnableKey(key=key))
    return key


def test_calls_are_told_the_newest_first(engine: Engine, key: str) -> None:
    assert told(engine, "DisableKey", "EnableKey") == [("EnableKey", key), ("DisableKey", key)]


def test_an_action_whose_name_begins_alike_is_another(engine: Engine, key: str) -> None:
    assert told(engine, "CreateKey") == [("CreateKey", key)]
    assert told(engine, "CreateKeyVersion") == []


def test_a_refused_call_is_not_told(engine: Engine, key: str) -> None:
    engine.execute(DisableKey(key=key))
    with pytest.raises(KmsError):
        engine.execute(UpdateRotationPolicy(key=key, rotation=None))
    assert told(engine, "UpdateRotationPolicy") == []


def test_the_newest_entries_alone_are_looked_through(engine: Engine, key: str) -> None:
    assert told(engine, "DisableKey", "EnableKey", limit=1) == [("EnableKey", key)]


def test_a_trail_of_several_strides_is_told_whole(engine: Engine, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        engine.execute(TagResources(resource=key, resource_type="key", tags={"a": str(number)}))
    whole = told(engine, "TagResources", "EnableKey", "CreateKey")
    monkeypatch.setattr(trail, "_STRIDE", 2)
    assert told(engine, "TagResources", "EnableKey", "CreateKey") == whole
    assert len(whole) == 7


def test_a_sealed_engine_and_one_that_is_read_only_tell_too(lab: Lab, engine: Engine, key: str) -> None:
    engine.seal()
    engine.close()
    assert told(lab.open(read_only=True), "DisableKey") == [("DisableKey", key)]
