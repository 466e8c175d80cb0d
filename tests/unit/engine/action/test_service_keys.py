from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.caller import Caller
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateKey, DeleteAlias, DisableKey, TagResources, UpdateAlias
from tests.engines import new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.operation import Operation

OLD = "86a9efd9-3d16-4894-bd4f-1fc43f3f2abf"


def test_a_service_has_one_key_under_its_alias(engine: Engine) -> None:
    key = engine.service_keys.make("oss")
    assert engine.describe_key("alias/acs/oss").key_id == key
    with pytest.raises(KmsError) as caught:
        engine.service_keys.make("oss")
    assert caught.value.code == "AliasAlreadyExists"
    assert engine.list_keys().total == 1


def test_users_tag_it_and_keep_off_its_alias(
    engine: Engine, instance: str, refusal: Callable[[Operation], KmsError]
) -> None:
    key = engine.service_keys.make("oss")
    engine.execute(TagResources(resource=key, resource_type="key", tags={"a": "b"}))
    assert [tag.value for tag in engine.list_resource_tags(key)] == ["b"]
    mine = new_key(engine, instance)
    for operation in (UpdateAlias(alias="alias/acs/oss", key=mine), DeleteAlias(alias="alias/acs/oss")):
        assert refusal(operation).code == "InvalidParameter"


@pytest.mark.parametrize("name", ["", "OSS", "a b", "alias/acs/oss", "-a", "x" * 64, "öss"])
def test_a_service_has_a_name_of_its_own(engine: Engine, name: str) -> None:
    with pytest.raises(KmsError) as caught:
        engine.service_keys.make(name)
    assert caught.value.code == "InvalidParameter"
    assert engine.list_aliases().total == 0


def test_only_the_owner_of_the_folder_plays_a_service(engine: Engine) -> None:
    for account in (engine.account, "1234567890123456"):
        keys = engine.acting(Caller(actor="AKID", account=account)).service_keys
        for play, name in ((keys.make, "oss"), (keys.register, OLD)):
            with pytest.raises(KmsError) as caught:
                play(name)
            assert caught.value.code == "Forbidden.NoPermission"
    assert engine.list_keys().total == 0


def test_a_sealed_engine_makes_no_service_key(engine: Engine) -> None:
    engine.seal()
    with pytest.raises(KmsError) as caught:
        engine.service_keys.make("oss")
    assert caught.value.code == "Rejected.Sealed"
    assert engine.list_keys().total == 0


@pytest.mark.parametrize("service", [None, "ecs"])
def test_a_key_of_kms_1_is_read_and_nothing_else(
    engine: Engine, refusal: Callable[[Operation], KmsError], service: str | None
) -> None:
    assert engine.service_keys.register(OLD, service) == OLD
    view = engine.describe_key("alias/acs/ecs" if service else OLD)
    assert (view.key_id, view.read_only, view.primary_version) == (OLD, True, None)
    assert view.creator == (service or engine.account)
    assert engine.list_versions(OLD).items == ()
    for operation in (
        DisableKey(key=OLD),
        TagResources(resource=OLD, resource_type="key", tags={"a": "b"}),
    ):
        error = refusal(operation)
        assert (error.code, "migrated" in error.message) == ("UnsupportedOperation", True)
    with pytest.raises(KmsError) as caught:
        engine.encrypt(OLD, b"x")
    assert caught.value.code == "UnsupportedOperation"


def test_a_migrated_default_key_is_not_the_default_cmk(engine: Engine) -> None:
    engine.service_keys.register(OLD)
    assert engine.execute(CreateKey(spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS"))


@pytest.mark.parametrize(("name", "service"), [("key-1", None), (OLD.upper(), None), (OLD, "No Service")])
def test_a_migrated_key_has_the_form_of_old_ones(engine: Engine, name: str, service: str | None) -> None:
    with pytest.raises(KmsError) as caught:
        engine.service_keys.register(name, service)
    assert caught.value.code == "InvalidParameter"


def test_a_key_is_registered_once_and_takes_no_others_alias(engine: Engine) -> None:
    engine.service_keys.register(OLD)
    with pytest.raises(KmsError, match="already"):
        engine.service_keys.register(OLD)
    engine.service_keys.make("oss")
    with pytest.raises(KmsError, match="already"):
        engine.service_keys.register(OLD.replace("8", "9"), "oss")
    assert engine.list_keys().total == 2


def test_the_audit_trail_tells_who_played_what(engine: Engine) -> None:
    key = engine.service_keys.make("oss")
    last = list(engine.audit_entries())[-1]
    assert (last["action"], last["resource"], last["result"]) == ("CreateServiceKey", key, "OK")
