"""After any sequence of operations, what is listed, filtered, counted and described is one and the same."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from kmsplan.engine.reading.view import Filter
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateAlias,
    CreateKey,
    CreateKeyVersion,
    DeleteAlias,
    DisableKey,
    EnableKey,
    Operation,
    ReleaseKmsInstance,
    ScheduleKeyDeletion,
    TagResources,
    UntagResources,
    UpdateAlias,
)
from kmsplan.kms.spec import KeySpec
from tests.engines import DAY, Lab, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.reading.view import KeyRef, Page

T = TypeVar("T")
NAMES = st.sampled_from(["alias/a", "alias/b", "alias/c"])
TAGS = st.sampled_from(["stage", "team"])
_STATES = ("Enabled", "Disabled", "PendingDeletion", "PendingImport")


def whole(ask: Callable[..., Page[T]], size: int) -> list[T]:
    """Join the pages of a list."""
    first = ask(page=1, size=size)
    items, number = list(first.items), 1
    while len(items) < first.total:
        number += 1
        items += ask(page=number, size=size).items
    assert len(items) == first.total == len(set(items))
    return items


class ReadingMachine(RuleBasedStateMachine):
    """An engine that is asked everything after everything."""

    keys = Bundle("keys")
    homes = Bundle("homes")

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="kmsplan-reading-"))
        self.lab = Lab(self.root / "engine")
        self.lab.create()
        self.engine = self.lab.open()
        self.instance = new_instance(self.engine)

    def teardown(self) -> None:
        if hasattr(self, "lab"):
            self.lab.close()
            shutil.rmtree(self.root)

    def attempt(self, operation: Operation) -> None:
        """Carry out an operation; a refusal is an answer like any other."""
        with suppress(KmsError):
            self.engine.execute(operation)

    @rule(target=homes, kind=st.sampled_from(["software", "hardware"]))
    def add_home(self, kind: str) -> str:
        return new_instance(self.engine, kind)

    @rule(target=keys, spec=st.sampled_from([KeySpec.AES_256, KeySpec.EC_P256]), tag=TAGS)
    def make(self, spec: KeySpec, tag: str) -> str:
        return new_key(self.engine, self.instance, spec, tags={tag: "x"})

    @rule(target=keys, home=homes)
    def make_elsewhere(self, home: str) -> str:
        with suppress(KmsError):
            return new_key(self.engine, home)
        return "key-none"

    @rule(target=keys)
    def enable_default(self) -> str:
        with suppress(KmsError):
            made = self.engine.execute(
                CreateKey(spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="EXTERNAL", tags={"team": "x"})
            )
            return str(made)
        return "key-none"

    @rule(target=keys, service=st.sampled_from(["oss", "ecs"]))
    def serve(self, service: str) -> str:
        with suppress(KmsError):
            return self.engine.service_keys.make(service)
        return "key-none"

    @rule(key=keys, operation=st.sampled_from([EnableKey, DisableKey, CancelKeyDeletion, CreateKeyVersion]))
    def change(self, key: str, operation: Callable[..., Operation]) -> None:
        self.attempt(operation(key=key))

    @rule(key=keys)
    def schedule(self, key: str) -> None:
        self.attempt(ScheduleKeyDeletion(key=key, window_days=7))

    @rule(alias=NAMES, key=keys, operation=st.sampled_from([CreateAlias, UpdateAlias]))
    def name(self, alias: str, key: str, operation: Callable[..., Operation]) -> None:
        self.attempt(operation(alias=alias, key=key))

    @rule(alias=NAMES)
    def unname(self, alias: str) -> None:
        self.attempt(DeleteAlias(alias=alias))

    @rule(key=keys, tag=TAGS)
    def tag(self, key: str, tag: str) -> None:
        self.attempt(TagResources(resource=key, resource_type="key", tags={tag: "y"}))

    @rule(key=keys)
    def untag(self, key: str) -> None:
        self.attempt(UntagResources(resource=key, resource_type="key", tag_keys=(), every=True))

    @rule(home=homes, force=st.booleans())
    def release(self, home: str, *, force: bool) -> None:
        self.attempt(ReleaseKmsInstance(instance=home, force=force))

    @rule(days=st.sampled_from([1, 7]))
    def wait(self, days: int) -> None:
        self.lab.clock.move(days * DAY)
        self.engine.tick()

    @invariant()
    def keys_are_listed_as_they_are_described(self) -> None:
        listed = [item.key_id for item in whole(self.engine.list_keys, 3)]
        described = {row["key_id"]: row for row in self.engine.describe().keys}
        assert listed == sorted(described)
        for key in listed:
            view = self.engine.describe_key(key)
            row = described[key]
            assert (view.state, view.arn, view.description) == (row["state"], row["arn"], row["description"])
            assert (view.rotation_state, view.protection_level) == (row["rotation_state"], row["protection_level"])
        self._filters_part(described)

    def _filters_part(self, described: dict[str, dict[str, str]]) -> None:
        states = {state: self.engine.list_keys([Filter("KeyState", (state,))], size=100) for state in _STATES}
        assert {state: page.total for state, page in states.items() if page.total} == Counter(
            row["state"] for row in described.values()
        )
        for kind in ("ProtectionLevel", "CreatorType"):
            first, second = {"ProtectionLevel": ("HSM", "SOFTWARE"), "CreatorType": ("User", "Service")}[kind]
            parts = [self.engine.list_keys([Filter(kind, (value,))]).total for value in (first, second)]
            assert sum(parts) == len(described)

    @invariant()
    def versions_are_listed_as_they_are_counted(self) -> None:
        keys = whole(self.engine.list_keys, 100)
        versions = {key.key_id: whole(lambda **page: self.engine.list_versions(key.key_id, **page), 2) for key in keys}  # noqa: B023 - called at once
        for found in versions.values():
            assert all(self.engine.describe_version(*version[:2]) == version for version in found)
        held: Counter[str] = Counter()
        for key_id, found in versions.items():
            held[self.engine.describe_key(key_id).instance_id] += len(found)
        for home in whole(self.engine.list_instances, 2):
            view = self.engine.describe_instance(home.instance_id)
            (quota,) = self.engine.instance_quotas(home.instance_id, "key")
            assert view.versions == quota.used == held[home.instance_id]

    @invariant()
    def aliases_and_tags_belong_to_keys(self) -> None:
        keys = [key.key_id for key in whole(self.engine.list_keys, 100)]
        aliases = whole(self.engine.list_aliases, 2)
        own = [alias for key in keys for alias in whole(lambda **page: self.engine.list_aliases(key=key, **page), 2)]  # noqa: B023 - called at once
        assert sorted(own) == aliases
        assert all(self.engine.describe_key(alias.alias).key_id == alias.key_id for alias in aliases)
        tags, token = self.engine.list_tags("key")
        assert (sorted(tag for key in keys for tag in self.engine.list_resource_tags(key)), token) == (list(tags), "")
        for name in ("stage", "team"):
            tagged = {tag.resource_id for tag in tags if tag.name == name}
            assert {item.key_id for item in whole(self._with_tag(name), 2)} == tagged

    def _with_tag(self, name: str) -> Callable[..., Page[KeyRef]]:
        return lambda **page: self.engine.list_keys([Filter("TagKey", (name,))], **page)


TestReading = ReadingMachine.TestCase
TestReading.settings = settings(
    max_examples=12,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
