from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.caller import Caller
from kmsplan.engine.reading.view import Filter
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateAlias, CreateKey, DisableKey, ScheduleKeyDeletion
from kmsplan.kms.spec import KeySpec
from tests.engines import Lab, described, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.service import Engine


@pytest.fixture
def zoo(engine: Engine) -> dict[str, str]:
    """Keys of many kinds, by what they are."""
    software, hardware = new_instance(engine), new_instance(engine, "hardware")
    made = {
        "software": software,
        "hardware": hardware,
        "plain": new_key(engine, software, tags={"team": "a", "stage": "b"}),
        "tagged": new_key(engine, software, tags={"team": "b", "stage": "a"}),
        "disabled": new_key(engine, software),
        "leaving": new_key(engine, software),
        "waiting": new_key(engine, software, origin="EXTERNAL"),
        "signer": new_key(engine, software, KeySpec.EC_P256),
        "vaulted": new_key(engine, hardware),
        "default": str(engine.execute(CreateKey(spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS"))),
        "service": engine.service_keys.make("oss"),
    }
    engine.execute(DisableKey(key=made["disabled"]))
    engine.execute(ScheduleKeyDeletion(key=made["leaving"], window_days=7))
    engine.execute(CreateAlias(alias="alias/plain", key=made["plain"]))
    engine.execute(CreateAlias(alias="alias/plain/too", key=made["plain"]))
    return made


def found(engine: Engine, zoo: dict[str, str], *filters: tuple[str, tuple[str, ...]]) -> set[str]:
    """Return what filters leave, each value a name of the zoo where it is one."""
    wanted = [Filter(key, tuple(zoo.get(value, value) for value in values)) for key, values in filters]
    page = engine.list_keys(wanted, size=100)
    names = {identity: name for name, identity in zoo.items()}
    assert page.total == len(page.items)
    return {names[item.key_id] for item in page.items}


_ALL = {"plain", "tagged", "disabled", "leaving", "waiting", "signer", "vaulted", "default", "service"}


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ([], _ALL),
        ([("KeyState", ("Disabled",))], {"disabled"}),
        ([("KeyState", ("Disabled", "PendingDeletion"))], {"disabled", "leaving"}),
        ([("KeyState", ("Disabled",)), ("KeyState", ("PendingImport",))], {"disabled", "waiting"}),
        ([("KeyState", ("Unknown",))], set()),
        ([("KeyState", ())], _ALL),
        ([("KeySpec", ("EC_P256",))], {"signer"}),
        ([("KeyUsage", ("SIGN/VERIFY",))], {"signer"}),
        ([("KeyUsage", ("ENCRYPT/DECRYPT",)), ("KeyState", ("Disabled",))], {"disabled"}),
        ([("KeyUsage", ("SIGN/VERIFY",)), ("KeyState", ("Disabled",))], set()),
        ([("ProtectionLevel", ("HSM",))], {"vaulted"}),
        ([("ProtectionLevel", ("SOFTWARE",))], _ALL - {"vaulted"}),
        ([("ProtectionLevel", ("SOFTWARE", "HSM"))], _ALL),
        ([("ProtectionLevel", ("TPM",))], set()),
        ([("CreatorType", ("Service",))], {"service"}),
        ([("CreatorType", ("User",))], _ALL - {"service"}),
        ([("DKMSInstanceId", ("hardware",))], {"vaulted"}),
        ([("DKMSInstanceId", ("",))], {"default", "service"}),
        ([("DKMSInstanceId", ("hardware", ""))], {"vaulted", "default", "service"}),
        ([("DKMSInstanceId", ("kmsplan-default",))], set()),
        ([("keyId", ("plain", "signer", "key-none"))], {"plain", "signer"}),
        ([("AliasName", ("alias/plain", "alias/plain/too"))], {"plain"}),
        ([("AliasName", ("alias/acs/oss",))], {"service"}),
        ([("Creator", ("oss",))], {"service"}),
        ([("TagKey", ("team",))], {"plain", "tagged"}),
        ([("TagValue", ("a",))], {"plain", "tagged"}),
        ([("TagKey", ("team",)), ("TagValue", ("a",))], {"plain"}),
        ([("TagKey", ("team",)), ("TagValue", ("a", "b"))], {"plain", "tagged"}),
        ([("TagKey", ("team",)), ("KeyState", ("Disabled",))], set()),
    ],
)
def test_filters_leave_what_they_say(
    engine: Engine, zoo: dict[str, str], filters: list[tuple[str, tuple[str, ...]]], left: set[str]
) -> None:
    assert found(engine, zoo, *filters) == left


def _refused(call: Callable[[], object], code: str = "InvalidParameter") -> str:
    with pytest.raises(KmsError) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.request_id
    return caught.value.message


def test_ten_entries_of_ten_values_are_the_most(engine: Engine, zoo: dict[str, str]) -> None:
    entry = Filter("keyId", (*(f"key-{number}" for number in range(9)), zoo["plain"]))
    assert engine.list_keys([entry] * 10).total == 1
    _refused(lambda: engine.list_keys([entry] * 11))
    _refused(lambda: engine.list_keys([Filter("keyId", (*entry.values, "one more"))]))


@pytest.mark.parametrize("key", ["", "State", "keyid", "KEYSTATE", "'; DROP TABLE key; --"])
def test_an_unknown_filter_is_refused(engine: Engine, key: str) -> None:
    assert "KeyState" in _refused(lambda: engine.list_keys([Filter(key, ("x",))]))


def test_pages_join_to_the_whole_list_in_the_order_of_ids(engine: Engine, instance: str) -> None:
    made = sorted(new_key(engine, instance) for _ in range(7))
    pages = [engine.list_keys(page=number, size=3) for number in (1, 2, 3, 4)]
    assert [[item.key_id for item in page.items] for page in pages] == [made[:3], made[3:6], made[6:], []]
    assert {(page.total, page.size) for page in pages} == {(7, 3)}
    assert pages[0].items[0].arn == f"acs:kms:local:{engine.account}:key/{made[0]}"


@pytest.mark.parametrize(("page", "size"), [(0, 10), (-1, 10), (1, 0), (1, 101), (2**40, 10)])
def test_pages_count_from_one_and_have_a_hundred_items_at_most(
    engine: Engine, instance: str, page: int, size: int
) -> None:
    key = new_key(engine, instance)
    for read in (
        engine.list_keys,
        engine.list_instances,
        lambda **options: engine.list_versions(key, **options),
        engine.list_aliases,
        lambda **options: engine.list_aliases(key=key, **options),
    ):
        _refused(lambda read=read: read(page=page, size=size))  # type: ignore[misc]
        assert read(page=1, size=100).page == 1


def test_a_key_is_described_by_id_alias_and_arn(engine: Engine, zoo: dict[str, str]) -> None:
    view = engine.describe_key(zoo["plain"])
    prefix = f"acs:kms:local:{engine.account}:"
    for name in ("alias/plain", f"{prefix}key/{view.key_id}", f"{prefix}alias/plain"):
        assert engine.describe_key(name) == view


def test_a_name_that_means_nothing_is_not_found(engine: Engine, zoo: dict[str, str]) -> None:
    version = described(engine, zoo["plain"])["primary_version"]
    for name, code in (
        ("key-none", "Forbidden.KeyNotFound"),
        ("", "Forbidden.KeyNotFound"),
        ("alias/none", "Forbidden.AliasNotFound"),
        (f"acs:kms:local:1:key/{zoo['plain']}", "Forbidden.KeyNotFound"),
        ("schlüssel", "Forbidden.KeyNotFound"),
    ):
        for read in (
            lambda name=name: engine.describe_key(name),
            lambda name=name: engine.list_versions(name),
            lambda name=name: engine.describe_version(name, version),
        ):
            _refused(read, code)
        for asked in _by_id(engine, name):
            _refused(asked, code.replace("Forbidden.AliasNotFound", "Unsupported.Alias"))


def _by_id(engine: Engine, name: str) -> tuple[Callable[[], object], ...]:
    """Return questions about a key that are asked by its id or ARN alone."""
    return (
        lambda: engine.list_aliases(key=name),
        lambda: engine.list_resource_tags(name),
        lambda: engine.key_policy(name),
    )


def test_an_alias_describes_a_key_and_tells_no_more_of_it(engine: Engine, zoo: dict[str, str]) -> None:
    assert engine.list_versions("alias/plain").total == 1
    for name in ("alias/plain", engine.describe_key(zoo["plain"]).arn.replace(f"key/{zoo['plain']}", "alias/plain")):
        for read in _by_id(engine, name):
            _refused(read, "Unsupported.Alias")


def test_dates_are_told_where_they_say_something(engine: Engine, instance: str, zoo: dict[str, str]) -> None:
    rotating = engine.describe_key(new_key(engine, instance, rotation=7 * 86_400))
    assert (rotating.rotation, rotating.rotation_state, rotating.next_rotation_date) == (
        604_800,
        "Enabled",
        "2026-01-08T00:00:00Z",
    )
    plain, leaving = engine.describe_key(zoo["plain"]), engine.describe_key(zoo["leaving"])
    assert (plain.rotation, plain.rotation_state, plain.next_rotation_date) == (None, "Disabled", None)
    assert (plain.delete_date, leaving.delete_date) == (None, "2026-01-08T00:00:00Z")


def test_an_asymmetric_key_has_no_primary_version_and_a_waiting_one_none_at_all(
    engine: Engine, zoo: dict[str, str]
) -> None:
    assert engine.describe_key(zoo["signer"]).primary_version is None
    assert engine.list_versions(zoo["signer"]).total == 1
    assert engine.describe_key(zoo["waiting"]).primary_version is None
    assert engine.list_versions(zoo["waiting"]).total == 0


def test_another_keys_version_is_not_found(engine: Engine, zoo: dict[str, str]) -> None:
    version = described(engine, zoo["tagged"])["primary_version"]
    for wrong in (version, "", "x" * 1000, "ü"):
        with pytest.raises(KmsError) as caught:
            engine.describe_version(zoo["plain"], wrong)
        assert caught.value.code == "Forbidden.KeyVersionNotFound"
        assert len(caught.value.message) < 300


def test_a_key_has_one_policy(engine: Engine, zoo: dict[str, str]) -> None:
    assert engine.key_policy(zoo["plain"])["Version"] == "1"
    _refused(lambda: engine.key_policy(zoo["plain"], "other"), "Forbidden.ResourceNotFound")


def test_an_engine_that_is_open_for_reading_answers_all_of_it(lab: Lab, engine: Engine, zoo: dict[str, str]) -> None:
    engine.close()
    reader = lab.open(read_only=True)
    assert reader.list_keys(size=100).total == len(_ALL)
    assert reader.describe_key(zoo["plain"]).state == "Enabled"


def test_what_is_forbidden_is_audited_and_what_is_asked_is_not(engine: Engine, zoo: dict[str, str]) -> None:
    before = len(list(engine.audit_entries()))
    engine.describe_key(zoo["plain"])
    _refused(lambda: engine.describe_key("key-none"), "Forbidden.KeyNotFound")
    assert len(list(engine.audit_entries())) == before
    stranger = engine.acting(Caller(actor="AKID", account="1234567890123456", source="127.0.0.1:1"))
    _refused(stranger.list_keys, "Forbidden.NoPermission")
    last = list(engine.audit_entries())[-1]
    assert (last["action"], last["actor"], last["result"]) == ("ListKeys", "AKID", "Forbidden.NoPermission")


def test_a_key_of_another_account_is_not_there_for_who_does_not_name_it_fully(
    engine: Engine, zoo: dict[str, str]
) -> None:
    stranger = engine.acting(Caller(actor="AKID", account="1234567890123456"))
    _refused(lambda: stranger.describe_key(zoo["plain"]), "Forbidden.KeyNotFound")
    arn = engine.describe_key(zoo["plain"]).arn
    _refused(lambda: stranger.describe_key(arn), "Forbidden.NoPermission")
