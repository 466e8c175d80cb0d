"""Keys migrated from KMS 1.0: every action of the state table is refused with one word, and reading works."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from kmsplan.engine.caller import Caller
from kmsplan.engine.dataplane.datakey import Recipient
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.engine.reading.view import Filter
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import LIFECYCLE
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateAlias,
    CreateKeyVersion,
    DeleteKeyMaterial,
    DisableKey,
    EnableKey,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
    TagResource,
    TagResources,
    UntagResource,
    UntagResources,
    UpdateAlias,
    UpdateKeyDescription,
    UpdateRotationPolicy,
)
from kmsplan.kms.policy import default_policy
from tests.engines import DAY, Lab, described, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine
    from kmsplan.kms.operation import Operation

OLD: Final = "86a9efd9-3d16-4894-bd4f-1fc43f3f2abf"
_DIGEST: Final = bytes(32)
_RECIPIENT: Final = Recipient(b"", "RSA_2048", "RSAES_OAEP_SHA_256")
_CONTROL: dict[str, Operation] = {
    "EnableKey": EnableKey(key=OLD),
    "DisableKey": DisableKey(key=OLD),
    "ScheduleKeyDeletion": ScheduleKeyDeletion(key=OLD, window_days=7),
    "CancelKeyDeletion": CancelKeyDeletion(key=OLD),
    "SetDeletionProtection": SetDeletionProtection(key=OLD, enable=True),
    "UpdateKeyDescription": UpdateKeyDescription(key=OLD, description="new"),
    "UpdateRotationPolicy": UpdateRotationPolicy(key=OLD),
    "SetKeyPolicy": SetKeyPolicy(key=OLD, policy=default_policy("1234567890123456")),
    "TagResource": TagResource(key=OLD, tags={"a": "b"}),
    "UntagResource": UntagResource(key=OLD, tag_keys=("a",)),
    "TagResources": TagResources(resource=OLD, resource_type="key", tags={"a": "b"}),
    "UntagResources": UntagResources(resource=OLD, resource_type="key", tag_keys=("a",)),
    "CreateAlias": CreateAlias(alias="alias/new", key=OLD),
    "UpdateAlias": UpdateAlias(alias="alias/moving", key=OLD),
    "CreateKeyVersion": CreateKeyVersion(key=OLD),
    "DeleteKeyMaterial": DeleteKeyMaterial(key=OLD),
}
_DATA: dict[str, Callable[[Engine, bytes], object]] = {
    "Encrypt": lambda engine, _: engine.encrypt(OLD, b"x"),
    "GenerateDataKey": lambda engine, _: engine.generate_data_key(OLD, 32),
    "GenerateDataKeyWithoutPlaintext": lambda engine, _: engine.generate_data_key(OLD, 32, export=False),
    "ReEncrypt": lambda engine, blob: engine.begin.re_encrypt(blob, OLD).wait(),
    "GenerateAndExportDataKey": lambda engine, _: engine.begin.generate_and_export_data_key(OLD, 32, _RECIPIENT).wait(),
    "AsymmetricEncrypt": lambda engine, _: engine.asymmetric_encrypt(OLD, None, None, b"x"),
    "AsymmetricDecrypt": lambda engine, _: engine.asymmetric_decrypt(OLD, None, None, b"x"),
    "AsymmetricSign": lambda engine, _: engine.sign(OLD, None, None, _DIGEST),
    "AsymmetricVerify": lambda engine, _: engine.verify(OLD, None, None, _DIGEST, b"x"),
    "GetPublicKey": lambda engine, _: engine.public_key(OLD),
    "GenerateMac": lambda engine, _: engine.generate_mac(OLD, None, b"x"),
    "VerifyMac": lambda engine, _: engine.verify_mac(OLD, None, b"x", b"x"),
    "GetParametersForImport": lambda engine, _: engine.parameters_for_import(OLD, "RSAES_OAEP_SHA_256", "RSA_2048"),
    "ImportKeyMaterial": lambda engine, _: engine.import_material(OLD, b"x", b"x"),
}
_READING: dict[str, Callable[[Engine], object]] = {
    "DescribeKey": lambda engine: engine.describe_key(OLD).read_only,
    "ListKeys": lambda engine: engine.list_keys([Filter("keyId", (OLD,))]).total == 1,
    "ListAliases": lambda engine: engine.list_aliases().total == 2,
    "ListAliasesByKeyId": lambda engine: engine.list_aliases(key=OLD).total == 1,
    "ListResourceTags": lambda engine: engine.list_resource_tags(OLD) == (),
    "ListTagResources": lambda engine: engine.list_tags("key", (OLD,))[0] == (),
    "ListKeyVersions": lambda engine: engine.list_versions(OLD).items == (),
}
# It has no versions to describe and no policy; an alias of a service is not its users' to delete, and it has no other.
_NOTHING_THERE: Final = {"DescribeKeyVersion", "GetKeyPolicy", "DeleteAlias"}
# A ciphertext names its key, and those of KMS 1.0 have another form.
_BY_CIPHERTEXT: Final = {"Decrypt", "ExportDataKey"}


@pytest.fixture
def blob(engine: Engine, instance: str) -> bytes:
    """A migrated key of a service, beside another key, its alias and a ciphertext of it."""
    engine.service_keys.register(OLD, "ecs")
    other = new_key(engine, instance)
    engine.execute(CreateAlias(alias="alias/moving", key=other))
    return engine.encrypt(other, b"x").blob


def _refusal(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(KmsError) as caught:
        call()
    return caught.value.code, caught.value.message


def test_every_action_of_the_table_has_a_test() -> None:
    assert {action for action, _ in LIFECYCLE} == {
        *_CONTROL,
        *_DATA,
        *_READING,
        *_NOTHING_THERE,
        *_BY_CIPHERTEXT,
    }


def test_everything_is_refused_with_one_word(engine: Engine, blob: bytes) -> None:
    before = described(engine, OLD)
    said = {_refusal(partial(engine.execute, operation)) for operation in _CONTROL.values()}
    said |= {_refusal(partial(use, engine, blob)) for use in _DATA.values()}
    assert said == {
        ("UnsupportedOperation", f"{OLD} was migrated from KMS 1.0: it is read, and nothing else is possible.")
    }
    assert described(engine, OLD) == before
    assert engine.list_aliases(key=OLD).total == 1


def test_a_refusal_is_audited(engine: Engine, blob: bytes) -> None:
    del blob
    _refusal(lambda: engine.encrypt(OLD, b"x"))
    last = list(engine.audit_entries())[-1]
    assert (last["action"], last["resource"], last["result"]) == ("Encrypt", OLD, "UnsupportedOperation")


def test_reading_works(engine: Engine, blob: bytes) -> None:
    del blob
    assert {action for action, read in _READING.items() if not read(engine)} == set()
    assert engine.describe_key("alias/acs/ecs").key_id == OLD


def test_a_ciphertext_that_names_it_is_none_of_ours(engine: Engine, blob: bytes) -> None:
    with pytest.raises(InvalidCiphertextError):
        engine.decrypt(OLD.encode() + blob[36:])
    with pytest.raises(InvalidCiphertextError):
        engine.begin.export_data_key(OLD.encode() + blob[36:], _RECIPIENT).wait()


def test_who_may_not_know_of_it_is_not_told(engine: Engine, blob: bytes) -> None:
    del blob
    stranger = engine.acting(Caller(actor="AKID", account="9999999999999999"))
    for call in (lambda: stranger.encrypt(OLD, b"x"), lambda: stranger.execute(DisableKey(key=OLD))):
        assert "migrated" not in _refusal(call)[1]


def test_nothing_of_it_is_ever_due(lab: Lab, engine: Engine, blob: bytes) -> None:
    del blob
    lab.clock.move(400 * DAY)
    ticked = engine.tick()
    assert (ticked.deleted, ticked.rotated, ticked.postponed) == ((), (), {})
    assert described(engine, OLD, check_material=True)["state"] == "Enabled"
