"""Access keys calling a real engine: role, policy, account and rate, all the way through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine.access.rate import Rates
from kmsplan.engine.access.role import Role
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import (
    CreateAlias,
    CreateInstance,
    DeleteAlias,
    DisableKey,
    SetDeletionProtection,
    SetKeyPolicy,
    UpdateAlias,
)
from kmsplan.kms.policy import default_policy
from tests.engines import new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.service import Engine

OTHER = "5555666677778888"


def calling(engine: Engine, role: Role = Role.USER, **options: Any) -> Engine:
    """The engine as the owner of a new access key sees it."""
    key = engine.access_key(engine.access.create(role=role, **options).access_key_id)
    assert key is not None
    return engine.acting(key.caller("127.0.0.1:4711"))


def code(call: Callable[[], object]) -> str:
    with pytest.raises(KmsError) as caught:
        call()
    return caught.value.code


def told(call: Callable[[Any], object], name: Any) -> tuple[str, str]:
    with pytest.raises(KmsError) as caught:
        call(name)
    return caught.value.code, caught.value.message


@pytest.fixture
def key(engine: Engine) -> str:
    return new_key(engine, new_instance(engine))


def open_to_others(engine: Engine, key: str, *actions: str) -> None:
    policy = default_policy(engine.account)
    shared = {**policy["Statement"][0], "Principal": {"RAM": [f"acs:ram::{OTHER}:*"]}, "Action": list(actions)}
    policy["Statement"].append(shared)
    engine.execute(SetKeyPolicy(key=key, policy=policy))


def test_a_user_uses_keys_and_changes_none(engine: Engine, key: str) -> None:
    user = calling(engine, user="user/app")
    blob = user.encrypt(key, b"plain")[0]
    assert user.decrypt(blob)[0] == b"plain"
    assert code(lambda: user.execute(DisableKey(key=key))) == "Forbidden.NoPermission"
    assert code(lambda: calling(engine, Role.AUDITOR).decrypt(blob)) == "Forbidden.NoPermission"


def test_a_policy_holds_from_the_next_call_on(engine: Engine, key: str) -> None:
    user, other = calling(engine, user="user/app"), calling(engine, user="user/other")
    blob = user.encrypt(key, b"plain")[0]
    policy = default_policy(engine.account)
    denial = {**policy["Statement"][0], "Effect": "Deny", "Action": ["kms:Decrypt"]}
    denial["Principal"] = {"RAM": [f"acs:ram::{engine.account}:user/app"]}
    engine.execute(SetKeyPolicy(key=key, policy={**policy, "Statement": [*policy["Statement"], denial]}))
    assert code(lambda: user.decrypt(blob)) == "Forbidden.NoPermission"
    assert other.decrypt(blob)[0] == b"plain"
    assert engine.decrypt(blob)[0] == b"plain"


def test_another_account_gets_in_by_arn_and_policy_only(engine: Engine, key: str) -> None:
    stranger = calling(engine, Role.ADMINISTRATOR, account=OTHER)
    arn = f"acs:kms:{engine.region}:{engine.account}:key/{key}"
    assert code(lambda: stranger.encrypt(arn, b"plain")) == "Forbidden.NoPermission"
    assert code(lambda: stranger.encrypt(key, b"plain")) == "Forbidden.KeyNotFound"
    open_to_others(engine, key, "kms:Encrypt", "kms:Decrypt")
    blob = stranger.encrypt(arn, b"plain")[0]
    assert stranger.decrypt(blob)[0] == b"plain"
    assert code(lambda: stranger.encrypt(key, b"plain")) == "Forbidden.KeyNotFound"
    assert code(lambda: stranger.generate_data_key(arn, 32)) == "Forbidden.NoPermission"
    assert code(lambda: stranger.execute(DisableKey(key=key))) == "Forbidden.KeyNotFound"
    assert code(lambda: stranger.execute(DisableKey(key=arn))) in ("Forbidden.NoPermission", "Forbidden.KeyNotFound")
    create = CreateInstance(type="software", spec=1000, key_quota=1000)
    assert code(lambda: stranger.execute(create)) == "Forbidden.NoPermission"


def test_another_account_is_not_told_which_keys_and_aliases_there_are(engine: Engine, key: str) -> None:
    engine.execute(CreateAlias(alias="alias/orders", key=key))
    blob = engine.encrypt(key, b"plain").blob
    stranger = calling(engine, Role.ADMINISTRATOR, account=OTHER)
    arn, absent = f"acs:kms:{engine.region}:{engine.account}:", f"key-{'a' * 21}"
    names = [f"{arn}{name}" for name in (f"key/{key}", f"key/{absent}", "alias/orders", "alias/none")]
    calls: list[Callable[[str], object]] = [
        lambda name: stranger.encrypt(name, b"plain"),
        lambda name: stranger.encrypt(name, b"plain", dry_run=True),
        lambda name: stranger.sign(name, None, None, b"digest"),
        stranger.describe_key,
        lambda name: stranger.execute(DisableKey(key=name)),
        lambda name: stranger.describe_version(name, "version"),
    ]
    for call in calls:
        assert told(call, names[0]) == told(call, names[1])
        assert told(call, names[2]) == told(call, names[3]) or told(call, names[2])[0] == "Unsupported.Alias"
    assert told(stranger.decrypt, absent.encode() + blob[len(absent) :]) == told(stranger.decrypt, blob)


def test_an_instance_is_protected_by_its_own_account_alone(engine: Engine, key: str) -> None:
    instance = engine.describe_key(key).instance_id
    stranger = calling(engine, Role.ADMINISTRATOR, account=OTHER)
    for named in (instance, f"kst-{'a' * 21}"):
        for enable in (True, False):
            change = SetDeletionProtection(instance=named, enable=enable)
            assert code(lambda: stranger.execute(change)) == "Forbidden.NoPermission"  # noqa: B023 - called at once
    calling(engine, Role.ADMINISTRATOR).execute(SetDeletionProtection(instance=instance, enable=True))


def test_an_alias_moves_and_goes_with_the_right_to_its_key_alone(engine: Engine, key: str) -> None:
    policy = default_policy(engine.account)
    denial = {**policy["Statement"][0], "Effect": "Deny", "Principal": {"RAM": [f"acs:ram::{engine.account}:user/app"]}}
    engine.execute(SetKeyPolicy(key=key, policy={**policy, "Statement": [*policy["Statement"], denial]}))
    engine.execute(CreateAlias(alias="alias/orders", key=key))
    other = new_key(engine, new_instance(engine))
    denied = calling(engine, Role.ADMINISTRATOR, user="user/app")
    assert code(lambda: denied.execute(UpdateAlias(alias="alias/orders", key=other))) == "Forbidden.NoPermission"
    assert code(lambda: denied.execute(DeleteAlias(alias="alias/orders"))) == "Forbidden.NoPermission"
    assert engine.describe_key("alias/orders").key_id == key
    engine.execute(DisableKey(key=key))
    admin = calling(engine, Role.ADMINISTRATOR, user="user/admin")
    admin.execute(UpdateAlias(alias="alias/orders", key=other))
    denied.execute(DeleteAlias(alias="alias/orders"))


def test_who_may_not_replace_a_policy_afterwards_may_not_set_it(engine: Engine, key: str) -> None:
    admin = calling(engine, Role.ADMINISTRATOR)
    policy = default_policy(engine.account)
    policy["Statement"][0]["Action"] = ["kms:Encrypt"]
    assert code(lambda: admin.execute(SetKeyPolicy(key=key, policy=policy))) == "InvalidParameter"
    engine.execute(SetKeyPolicy(key=key, policy=policy))
    assert code(lambda: admin.execute(SetKeyPolicy(key=key))) == "Forbidden.NoPermission"
    engine.execute(SetKeyPolicy(key=key))
    admin.execute(DisableKey(key=key))


def test_a_key_that_was_ended_is_refused_although_it_was_looked_up_before(engine: Engine, key: str) -> None:
    user, admin = calling(engine), calling(engine, Role.ADMINISTRATOR)
    for view in engine.access_keys():
        engine.access.set_status(view.access_key_id, active=False)
    assert code(lambda: user.encrypt(key, b"plain")) == "InvalidAccessKeyId.Inactive"
    assert code(lambda: admin.execute(DisableKey(key=key))) == "InvalidAccessKeyId.Inactive"
    for view in engine.access_keys():
        engine.access.delete(view.access_key_id)
    assert code(lambda: user.encrypt(key, b"plain")) == "InvalidAccessKeyId.NotFound"
    assert code(lambda: admin.execute(DisableKey(key=key))) == "InvalidAccessKeyId.NotFound"


def test_more_than_the_spec_allows_is_throttled(engine: Engine, tmp_path: Path) -> None:
    engine._core._rates = Rates(tmp_path / "rates", clock=lambda: 10**12)
    key = new_key(engine, new_instance(engine, spec=200))
    user = calling(engine)
    answers = [user.begin.encrypt(key, b"plain") for _ in range(201)]
    assert code(answers.pop().wait) == "Rejected.Throttling"
    assert all(answer.wait() for answer in answers)
    assert engine.encrypt(key, b"plain")
    assert code(lambda: user.encrypt(key, b"plain")) == "Rejected.Throttling"
