"""What every provider does alike: the engine in this process, and the same engine over the API and the official SDK."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.engine import wrapping
from kmsplan.engine.sealing import FileSeal, default_key_file
from kmsplan.engine.service import Engine
from kmsplan.inventory.taking import take
from kmsplan.kms import operation as op
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import OWNER_TAG
from kmsplan.kms.policy import default_policy
from kmsplan.kms.secret import SecretBytes
from kmsplan.provider.alibaba.provider import AlibabaProvider
from kmsplan.provider.alibaba.settings import settings
from kmsplan.provider.embedded import EmbeddedProvider
from kmsplan.provider.importing import Importing
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.value import ABSENT, Present
from kmsplan.state.record import NO_STATE
from tests.engines import Clock
from tests.keeping import NOW, configuration
from tests.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from kmsplan.provider.protocol import Provider
    from kmsplan.resource.value import Observation

_NUMBERS = count(1)
MATERIAL = bytes(range(32))


@dataclass
class Kms:
    """One KMS, an instance of its own for each test, and what tests ask of it."""

    provider: Provider
    account: str
    instance: str = ""

    def do(self, operation: op.Operation) -> str:
        """Carry out an operation that makes something."""
        made = self.provider.execute(operation).identity
        assert made is not None
        return made

    def key(self, **options: Any) -> str:
        tags = {OWNER_TAG: f"lineage/key.k/{next(_NUMBERS):016x}", **options.pop("tags", {})}
        values = {"spec": "Aliyun_AES_256", "usage": "ENCRYPT/DECRYPT", "origin": "Aliyun_KMS", **options}
        return self.do(op.CreateKey(instance=self.instance, tags=tags, **values))

    def see(self, identity: str) -> Observation:
        return self.provider.observe([identity]).objects[identity]

    def present(self, identity: str) -> Present:
        found = self.see(identity)
        assert isinstance(found, Present), found
        return found

    def attributes(self, identity: str) -> dict[str, Any]:
        return dict(self.present(identity).attributes)


def importing() -> Importing:
    def find(material: Mapping[str, Any], spec: str) -> SecretBytes:
        del material, spec
        return SecretBytes(MATERIAL)

    return Importing(find, wrapping.wrap)


def _embedded(folder: Path) -> Iterator[Kms]:
    seal = FileSeal(default_key_file(folder))
    Engine.create(folder, seal, clock=Clock(), entropy=os.urandom)
    engine = Engine.open(
        folder, seal=seal, hardware=_no_hardware, clock=Clock(), entropy=os.urandom, actor="contract suite"
    )
    provider = EmbeddedProvider(engine, lambda: engine, importing())
    yield Kms(provider, engine.account)
    provider.close()


def _no_hardware(module: str, token: str) -> Any:
    raise AssertionError((module, token))


def _over_the_api(served: Served) -> Iterator[Kms]:
    reached = settings(served.engine())
    provider = AlibabaProvider(reached, channel=served.channel(reached), importing=importing(), entropy=os.urandom)
    yield Kms(provider, served.account)
    provider.close()


@pytest.fixture(scope="module", params=["embedded", "alibaba"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kms]:
    """A KMS, by each provider."""
    if request.param == "embedded":
        yield from _embedded(tmp_path_factory.mktemp("embedded") / "engine")
        return
    for served in serve(tmp_path_factory.mktemp("served")):
        yield from _over_the_api(served)


@pytest.fixture
def kms(opened: Kms, monkeypatch: pytest.MonkeyPatch) -> Kms:
    """The KMS with an instance that nothing else uses."""
    del monkeypatch
    opened.instance = opened.do(
        op.CreateInstance(
            type="software", spec=1000, key_quota=1000, tags={OWNER_TAG: f"l/instance.i/{next(_NUMBERS)}"}
        )
    )
    return opened


def test_the_newest_serial_of_every_state_is_told_to_whoever_reads(kms: Kms) -> None:
    lineages = [f"{next(_NUMBERS):032x}" for _ in range(2)]
    kms.provider.witness(lineages[0], 1, kms.instance)
    kms.provider.witness(lineages[0], 12, kms.instance)
    kms.provider.witness(lineages[1], 3, kms.key(tags={"team": "a"}))
    observed = kms.provider.observe([])
    assert [observed.states[lineage].serial for lineage in lineages] == [12, 3]
    assert observed.ahead_of(lineages[0], 11) is not None
    assert observed.ahead_of(lineages[0], 12) is None


def test_what_a_provider_notes_of_a_state_is_no_tag_of_the_users(kms: Kms) -> None:
    key = kms.key(tags={"team": "a"})
    before = kms.attributes(key)
    kms.provider.witness(f"{next(_NUMBERS):032x}", 1, key)
    assert kms.attributes(key) == before


def test_an_instance_is_observed_as_it_was_made(kms: Kms) -> None:
    made = kms.do(
        op.CreateInstance(type="software", spec=2000, key_quota=150, tags={OWNER_TAG: "l/instance.a/t", "team": "a b"})
    )
    found = kms.present(made)
    assert (found.kind, found.state, found.owner) == ("instance", "Connected", "l/instance.a/t")
    told = {name: value for name, value in found.attributes.items() if value is not None}
    assert told == {
        "type": "software",
        "spec": 2000,
        "key_quota": 150,
        "tags": {"team": "a b"},
        "deletion_protection": False,
    }


def test_a_key_is_observed_as_it_was_made(kms: Kms) -> None:
    made = kms.key(
        description="für Müller & Söhne: 100 % + 'quotes'",
        rotation=30 * 86_400,
        tags={"a": "", "team/": "x=y @z"},
        policy=_policy("kms:Decrypt", kms.account),
    )
    found = kms.present(made)
    assert {name: found.attributes.get(name) for name in KINDS["key"].compared} == {
        "instance": kms.instance,
        "spec": "Aliyun_AES_256",
        "usage": "ENCRYPT/DECRYPT",
        "origin": "Aliyun_KMS",
        "storage_mechanism": None,
        "external_key": None,
        "hsm_object": None,
        "description": "für Müller & Söhne: 100 % + 'quotes'",
        "enabled": True,
        "rotation": 30 * 86_400,
        "tags": {"a": "", "team/": "x=y @z"},
        "policy": _policy("kms:Decrypt", kms.account),
        "deletion_protection": False,
        "imported": None,
    }
    assert (found.kind, found.state) == ("key", "Enabled")
    assert found.owner is not None
    assert found.owner.startswith("lineage/key.k/")


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        ("Aliyun_AES_256", "ENCRYPT/DECRYPT"),
        ("RSA_2048", "ENCRYPT/DECRYPT"),
        ("EC_P256", "SIGN/VERIFY"),
        ("HMAC_SHA_256", "GENERATE_MAC/VERIFY_MAC"),
    ],
)
def test_a_key_that_works_passes_its_self_test_where_the_provider_has_one(kms: Kms, spec: str, usage: str) -> None:
    made = kms.key(spec=spec, usage=usage)
    assert kms.provider.self_test(made) is isinstance(kms.provider, EmbeddedProvider)


def test_a_key_that_does_not_work_fails_its_self_test(kms: Kms) -> None:
    made = kms.key()
    kms.provider.execute(op.DisableKey(key=made))
    if isinstance(kms.provider, EmbeddedProvider):
        with pytest.raises(KmsError, match=r"Rejected\.Disabled"):
            kms.provider.self_test(made)
    else:
        assert kms.provider.self_test(made) is False


def test_what_only_the_kms_decides_is_told(kms: Kms) -> None:
    made = kms.key(rotation=30 * 86_400)
    computed = kms.present(made).computed
    assert str(computed["arn"]).endswith(f":{kms.account}:key/{made}")
    assert str(computed["primary_version"]).startswith(made)
    assert computed["protection_level"] == "SOFTWARE"
    assert computed["delete_date"] is None
    assert computed["tracked_since"] == computed["creation_date"]
    assert str(computed["next_rotation_date"]) > str(computed["creation_date"])


def test_an_inventory_knows_all_of_a_key_but_the_versions_of_a_symmetric_one_over_the_wire(kms: Kms) -> None:
    made = {kms.key(rotation=30 * 86_400), kms.key(spec="EC_P256", usage="SIGN/VERIFY"), kms.key(origin="EXTERNAL")}
    inventory = take(configuration(), NO_STATE, kms.provider.observe([]), NOW, every=True)
    items = {item.spec or "": item for item in inventory.items if item.identity in made and item.origin != "EXTERNAL"}
    symmetric, asymmetric = items["Aliyun_AES_256"], items["EC_P256"]
    assert symmetric.unknown == (set() if isinstance(kms.provider, EmbeddedProvider) else {"versions"})
    assert (symmetric.protection, symmetric.last_rotation, symmetric.lineage) == ("software", None, "lineage")
    assert (asymmetric.unknown, asymmetric.versions) == (frozenset(), 1)
    (imported,) = (item for item in inventory.items if item.identity in made and item.origin == "EXTERNAL")
    assert (imported.unknown, imported.versions, imported.state) == (frozenset(), 0, "PendingImport")


def _policy(action: str, account: str) -> dict[str, Any]:
    statement = {
        "Sid": "everything",
        "Effect": "Allow",
        "Principal": {"RAM": [f"acs:ram::{account}:*"]},
        "Action": ["kms:*"],
        "Resource": ["*"],
    }
    return {"Version": "1", "Statement": [statement, {**statement, "Sid": "one", "Action": [action]}]}


CHANGES: tuple[tuple[str, Callable[[str], op.Operation], dict[str, Any]], ...] = (
    ("description", lambda key: op.UpdateKeyDescription(key=key, description="new"), {"description": "new"}),
    ("no description", lambda key: op.UpdateKeyDescription(key=key, description=""), {"description": ""}),
    ("disable", lambda key: op.DisableKey(key=key), {"enabled": False}),
    ("enable", lambda key: op.EnableKey(key=key), {"enabled": True}),
    ("rotation", lambda key: op.UpdateRotationPolicy(key=key, rotation=604_800), {"rotation": 604_800}),
    ("no rotation", lambda key: op.UpdateRotationPolicy(key=key), {"rotation": None}),
    ("protect", lambda key: op.SetDeletionProtection(key=key, enable=True), {"deletion_protection": True}),
    (
        "tag",
        lambda key: op.TagResources(resource=key, resource_type="key", tags={"b": "2", "c": ""}),
        {"tags": {"a": "1", "b": "2", "c": ""}},
    ),
    ("untag", lambda key: op.UntagResources(resource=key, resource_type="key", tag_keys=("a", "z")), {"tags": {}}),
    ("old tag", lambda key: op.TagResource(key=key, tags={"a": "9"}), {"tags": {"a": "9"}}),
    ("old untag", lambda key: op.UntagResource(key=key, tag_keys=("a",)), {"tags": {}}),
)


@pytest.mark.parametrize(("operation", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_a_change_is_observed_and_nothing_else_changes(
    kms: Kms, operation: Callable[[str], op.Operation], expected: dict[str, Any]
) -> None:
    key = kms.key(tags={"a": "1"}, rotation=86_400 * 10, description="old")
    before = kms.present(key)
    kms.provider.execute(operation(key))
    after = kms.present(key)
    assert after.attributes == {**before.attributes, **expected}
    assert after.owner == before.owner


def test_a_policy_is_replaced_and_taken_back(kms: Kms) -> None:
    key = kms.key()
    kms.provider.execute(op.SetKeyPolicy(key=key, policy=_policy("kms:Sign", kms.account)))
    assert kms.attributes(key)["policy"] == _policy("kms:Sign", kms.account)
    kms.provider.execute(op.SetKeyPolicy(key=key, policy=None))
    assert kms.attributes(key)["policy"] is None


def test_the_default_policy_written_out_is_none(kms: Kms) -> None:
    key = kms.key()
    kms.provider.execute(op.SetKeyPolicy(key=key, policy=default_policy(kms.account)))
    seen = kms.attributes(key)["policy"]
    assert seen in (None, default_policy(kms.account))


def test_a_deletion_is_scheduled_and_cancelled(kms: Kms) -> None:
    key = kms.key()
    kms.provider.execute(op.DisableKey(key=key))
    kms.provider.execute(op.ScheduleKeyDeletion(key=key, window_days=7))
    found = kms.present(key)
    assert found.state == "PendingDeletion"
    assert found.computed["delete_date"] is not None
    kms.provider.execute(op.CancelKeyDeletion(key=key))
    found = kms.present(key)
    assert (found.state, found.attributes["enabled"], found.computed["delete_date"]) == ("Enabled", True, None)


def test_an_alias_is_made_moved_and_deleted(kms: Kms) -> None:
    first, second, name = kms.key(), kms.key(), f"alias/contract/{next(_NUMBERS)}"
    kms.provider.execute(op.CreateAlias(alias=name, key=first))
    assert kms.present(name) == Present(kind="alias", identity=name, attributes={"key": first})
    kms.provider.execute(op.UpdateAlias(alias=name, key=second))
    assert kms.attributes(name) == {"key": second}
    kms.provider.execute(op.DeleteAlias(alias=name))
    assert kms.see(name) is ABSENT


def test_an_instance_is_resized_protected_tagged_and_released(kms: Kms) -> None:
    made = kms.do(op.CreateInstance(type="software", spec=1000, key_quota=100, tags={OWNER_TAG: "l/instance.b/t"}))
    kms.provider.execute(op.ModifyInstance(instance=made, spec=4000, key_quota=300))
    kms.provider.execute(op.TagResources(resource=made, resource_type="instance", tags={"a": "1"}))
    kms.provider.execute(op.SetDeletionProtection(instance=made, enable=True))
    seen = kms.attributes(made)
    assert (seen["spec"], seen["key_quota"], seen["tags"], seen["deletion_protection"]) == (4000, 300, {"a": "1"}, True)
    with pytest.raises(KmsError) as refused:
        kms.provider.execute(op.ReleaseKmsInstance(instance=made))
    assert refused.value.code == "Forbidden.DeletionProtected"
    kms.provider.execute(op.SetDeletionProtection(instance=made, enable=False))
    kms.provider.execute(op.ReleaseKmsInstance(instance=made))
    assert kms.see(made) is ABSENT


def test_an_asymmetric_key_tells_its_versions(kms: Kms) -> None:
    key = kms.key(spec="EC_P256", usage="SIGN/VERIFY")
    seen = kms.attributes(key)
    assert (seen["spec"], seen["usage"], seen["versions"]) == ("EC_P256", "SIGN/VERIFY", 1)
    assert kms.present(key).computed["version_count"] == 1
    symmetric = kms.present(kms.key())
    assert symmetric.attributes["versions"] is None
    assert symmetric.computed["version_count"] in (1, None)  # over the wire nobody asks for them


def test_only_an_engine_at_hand_tells_how_much_is_encrypted_under_a_symmetric_key(kms: Kms) -> None:
    told = (0, None) if isinstance(kms.provider, EmbeddedProvider) else (None, None)
    signer = kms.key(spec="EC_P256", usage="SIGN/VERIFY")
    assert (kms.present(kms.key()).computed.get("encryptions"), kms.present(signer).computed.get("encryptions")) == told


def test_imported_material_is_told_and_never_shown(kms: Kms) -> None:
    key = kms.key(origin="EXTERNAL")
    found = kms.present(key)
    assert (found.state, found.attributes["imported"]) == ("PendingImport", "absent")
    where = {"env": "NAME", "format": "raw"}
    kms.provider.execute(op.ImportKeyMaterial(key=key, spec="Aliyun_AES_256", material=where, expires=1_924_992_000))
    found = kms.present(key)
    assert (found.state, found.attributes["imported"]) == ("Enabled", "2031-01-01T00:00:00Z")
    kms.provider.execute(op.ImportKeyMaterial(key=key, spec="Aliyun_AES_256", material=where))
    assert kms.attributes(key)["imported"] == "never"
    kms.provider.execute(op.DeleteKeyMaterial(key=key))
    assert kms.attributes(key)["imported"] == "absent"


@pytest.mark.parametrize("identity", ["key-aaaaaaaaaaaaaaaaaaaaa", "alias/nobody", "kst-aaaaaaaaaaaaaaaaaaaaa"])
def test_what_the_kms_does_not_have_is_absent(kms: Kms, identity: str) -> None:
    assert kms.see(identity) is ABSENT


def test_what_nobody_asked_for_is_listed_once(kms: Kms) -> None:
    asked, other, name = kms.key(), kms.key(tags={"x": "y"}), f"alias/contract/{next(_NUMBERS)}"
    kms.provider.execute(op.CreateAlias(alias=name, key=other))
    observed = kms.provider.observe([asked])
    identities = [present.identity for present in observed.others]
    assert asked not in identities
    assert identities.count(other) == identities.count(name) == identities.count(kms.instance) == 1
    found = next(present for present in observed.others if present.identity == other)
    assert found == kms.present(other)


def test_lists_longer_than_a_page_are_read_whole(kms: Kms) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: kms.key(), range(120)))
    found = {present.identity for present in kms.provider.observe(()).others}
    assert set(made) <= found
    assert len(set(made)) == 120


def test_an_owner_tag_finds_what_carries_it(kms: Kms) -> None:
    tag = f"lineage/key.found/{next(_NUMBERS):016x}"
    made = kms.key(tags={OWNER_TAG: tag})
    kms.key()
    observed = kms.provider.look_up(None, tag)
    owned = [present.identity for present in observed.others if present.owner == tag]
    assert owned == [made]


def test_an_instances_owner_tag_finds_it(kms: Kms) -> None:
    tag = f"lineage/instance.found/{next(_NUMBERS):016x}"
    made = kms.do(op.CreateInstance(type="software", spec=1000, key_quota=100, tags={OWNER_TAG: tag}))
    owned = [present.identity for present in kms.provider.look_up(None, tag).others if present.owner == tag]
    assert owned == [made]


def test_one_object_is_looked_up(kms: Kms) -> None:
    key = kms.key()
    assert kms.provider.look_up(key, None).objects[key] == kms.present(key)
    assert kms.provider.look_up("alias/nobody", None).objects["alias/nobody"] is ABSENT


def test_the_environment_stays_the_same(kms: Kms) -> None:
    environment = kms.provider.observe(()).environment
    assert environment
    assert kms.provider.prepare() == environment == kms.provider.look_up("alias/nobody", None).environment


def _protected(kms: Kms) -> op.Operation:
    key = kms.key()
    kms.provider.execute(op.SetDeletionProtection(key=key, enable=True))
    return op.ScheduleKeyDeletion(key=key, window_days=7)


def _taken_alias(kms: Kms) -> op.Operation:
    alias, key = f"alias/contract/{next(_NUMBERS)}", kms.key()
    kms.provider.execute(op.CreateAlias(alias=alias, key=key))
    return op.CreateAlias(alias=alias, key=key)


REFUSALS: tuple[tuple[str, Callable[[Kms], op.Operation]], ...] = (
    ("Forbidden.KeyNotFound", lambda _: op.DisableKey(key="key-aaaaaaaaaaaaaaaaaaaaa")),
    ("Forbidden.AliasNotFound", lambda _: op.DeleteAlias(alias="alias/nobody")),
    ("Forbidden.DKMSInstanceNotFound", lambda _: op.ReleaseKmsInstance(instance="kst-aaaaaaaaaaaaaaaaaaaaa")),
    ("Rejected.StateModifiedFailed", lambda kms: op.CancelKeyDeletion(key=kms.key())),
    ("Forbidden.DeletionProtected", _protected),
    ("AliasAlreadyExists", _taken_alias),
    (
        "Rejected.UnsupportedOperation",
        lambda kms: op.CreateKeyVersion(key=kms.key(spec="EC_P256", usage="SIGN/VERIFY")),
    ),
    ("InvalidParameter", lambda kms: op.ScheduleKeyDeletion(key=kms.key(), window_days=6)),
)


@pytest.mark.parametrize(("code", "operation"), REFUSALS, ids=[code for code, _ in REFUSALS])
def test_a_refusal_is_final_and_says_its_code(kms: Kms, code: str, operation: Callable[[Kms], op.Operation]) -> None:
    refused = operation(kms)
    with pytest.raises(KmsError) as raised:
        kms.provider.execute(refused)
    assert (raised.value.code, raised.value.facts.in_doubt, raised.value.facts.retry) == (code, False, False)
    assert raised.value.message


@pytest.mark.parametrize("operation", [row[1] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_cannot_be_written_down_first_is_not_done(kms: Kms, operation: Callable[[str], op.Operation]) -> None:
    def full() -> None:
        raise OSError("the journal's disk is full")

    key = kms.key(tags={"a": "1"}, rotation=86_400 * 10, description="old")
    before = kms.present(key)
    with pytest.raises(OSError, match="disk is full"):
        kms.provider.execute(operation(key), full)
    assert kms.present(key) == before


def _create(kms: Kms, origin: str) -> op.Operation:
    return op.CreateKey(
        instance=kms.instance,
        spec="Aliyun_AES_256",
        usage="ENCRYPT/DECRYPT",
        origin=origin,
        tags={OWNER_TAG: f"lineage/key.k/{next(_NUMBERS):016x}"},
    )


CREATIONS: tuple[tuple[str, Callable[[Kms], op.Operation]], ...] = (
    ("key", lambda kms: _create(kms, "Aliyun_KMS")),
    ("key to import", lambda kms: _create(kms, "EXTERNAL")),
    ("alias", lambda kms: op.CreateAlias(alias=f"alias/early-{next(_NUMBERS)}", key=kms.key())),
    ("deletion", lambda kms: op.ScheduleKeyDeletion(key=kms.key(), window_days=7)),
)


@pytest.mark.parametrize("make", [row[1] for row in CREATIONS], ids=[row[0] for row in CREATIONS])
def test_what_is_to_happen_is_written_down_before_anybody_can_see_it(
    kms: Kms, make: Callable[[Kms], op.Operation]
) -> None:
    operation, seen = make(kms), []
    before = kms.provider.observe(())
    kms.provider.execute(operation, lambda: seen.append(kms.provider.observe(())))
    assert seen == [before] * len(seen)
    assert seen
    assert kms.provider.observe(()) != before


def test_a_refused_operation_may_be_tried_again(kms: Kms) -> None:
    key = kms.key()
    kms.provider.execute(op.ScheduleKeyDeletion(key=key, window_days=7))
    tag = op.TagResources(resource=key, resource_type="key", tags={"a": "1"})
    with pytest.raises(KmsError):
        kms.provider.execute(tag)
    kms.provider.execute(op.CancelKeyDeletion(key=key))
    kms.provider.execute(tag)
    assert kms.attributes(key)["tags"] == {"a": "1"}


def test_the_default_key_is_a_kind_of_its_own(opened: Kms) -> None:
    made = opened.do(
        op.CreateKey(
            spec="Aliyun_AES_256",
            usage="ENCRYPT/DECRYPT",
            origin="Aliyun_KMS",
            tags={OWNER_TAG: "l/default_key.default/t"},
        )
    )
    found = opened.present(made)
    assert (found.kind, found.owner) == ("default_key", "l/default_key.default/t")
    assert found.attributes.keys() <= set(KINDS["default_key"].by_name)
    assert {name: found.attributes[name] for name in ("enabled", "rotation", "deletion_protection")} == {
        "enabled": True,
        "rotation": None,
        "deletion_protection": False,
    }
