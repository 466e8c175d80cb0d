from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.kms.operation import CreateAlias, CreateKey, ScheduleKeyDeletion, SetDeletionProtection
from kmsplan.kms.policy import default_policy
from tests.engines import DAY, Lab, described, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.error import KmsError
    from kmsplan.kms.operation import Operation


def enabling(**changed: Any) -> CreateKey:
    return CreateKey(**{"spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT", "origin": "Aliyun_KMS", **changed})


def test_it_is_enabled_once_with_description_and_tags(engine: Engine, refusal: Callable[[Operation], KmsError]) -> None:
    key = engine.execute(enabling(description="disks", tags={"a": "b"}))
    view = engine.describe_key(str(key))
    assert (view.description, view.state, view.instance_id, view.key_type) == ("disks", "Enabled", "", "default_cmk")
    error = refusal(enabling())
    assert (error.code, str(key) in error.message) == ("Rejected.LimitExceeded", True)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"spec": "RSA_2048", "usage": "SIGN/VERIFY"}, "UnsupportedOperation"),
        ({"spec": "Aliyun_SM4"}, "UnsupportedOperation"),
        ({"policy": default_policy("1234567890123456")}, "UnsupportedOperation"),
        ({"rotation": 365 * 86_400}, "UnsupportedOperation"),
        ({"protection_level": "HSM"}, "Unsupported.ProtectionLevel"),
        ({"protection_level": "TPM"}, "InvalidParameter"),
        ({"storage_mechanism": "HsmInternal"}, "InvalidParameter"),
        ({"external_key_id": "theirs"}, "InvalidParameter"),
        ({"usage": "SIGN/VERIFY"}, "InvalidParameter"),
    ],
)
def test_what_it_does_not_offer_is_refused(
    engine: Engine, refusal: Callable[[Operation], KmsError], changed: dict[str, Any], code: str
) -> None:
    assert refusal(enabling(**changed)).code == code
    assert engine.list_keys().total == 0


def test_an_instance_decides_on_protection_whatever_is_asked_for(engine: Engine, instance: str) -> None:
    key = new_key(engine, instance, protection_level="HSM")
    assert engine.describe_key(key).protection_level == "SOFTWARE"


def test_it_may_be_enabled_for_imported_material(engine: Engine) -> None:
    key = str(engine.execute(enabling(origin="EXTERNAL")))
    assert described(engine, key)["state"] == "PendingImport"


def test_after_its_deletion_it_is_enabled_anew(
    lab: Lab, engine: Engine, default_cmk: str, refusal: Callable[[Operation], KmsError]
) -> None:
    engine.execute(CreateAlias(alias="alias/disks", key=default_cmk))
    engine.execute(SetDeletionProtection(key=default_cmk, enable=True))
    assert refusal(ScheduleKeyDeletion(key=default_cmk, window_days=7)).code == "Forbidden.DeletionProtected"
    engine.execute(SetDeletionProtection(key=default_cmk, enable=False))
    engine.execute(ScheduleKeyDeletion(key=default_cmk, window_days=7))
    assert refusal(enabling()).code == "Rejected.LimitExceeded"
    lab.clock.move(7 * DAY)
    assert engine.tick().deleted == (default_cmk,)
    assert engine.execute(enabling()) != default_cmk


def test_its_home_is_no_instance(engine: Engine, default_cmk: str) -> None:
    assert engine.list_instances().total == 0
    assert engine.status()["instances"] == 0
    assert engine.describe().instances == []
    assert described(engine, default_cmk)["protection_level"] == "SOFTWARE"


def test_its_home_cannot_be_named(refusal: Callable[[Operation], KmsError]) -> None:
    assert refusal(enabling(instance="kmsplan-default")).code == "Forbidden.DKMSInstanceNotFound"
