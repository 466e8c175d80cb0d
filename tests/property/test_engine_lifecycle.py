"""Any sequence of operations, ticks and restarts leaves the engine as a dictionary says that it should be."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from kmsplan.engine.service import Engine
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import LIFECYCLE, KeyState, after
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateAlias,
    DeleteAlias,
    DisableKey,
    EnableKey,
    Operation,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    TagResources,
    UntagResources,
    UpdateAlias,
    UpdateRotationPolicy,
)
from tests.engines import DAY, Lab, new_instance, new_key

if TYPE_CHECKING:
    from collections.abc import Callable

WEEK = 7 * 86_400
NAMES = st.sampled_from(["alias/a", "alias/b", "alias/c"])


@dataclass
class Model:
    """What one key should be."""

    state: KeyState = KeyState.ENABLED
    protected: bool = False
    rotation: int | None = None
    rotated: timedelta = timedelta()
    deletes: timedelta | None = None
    tags: dict[str, str] = field(default_factory=dict)
    blobs: list[bytes] = field(default_factory=list)


class EngineMachine(RuleBasedStateMachine):
    """An engine beside a dictionary."""

    keys = Bundle("keys")

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="kmsplan-property-"))
        self.lab = Lab(self.root / "engine")
        self.lab.create()
        self.engine = self.lab.open()
        self.instance = new_instance(self.engine)
        self.model: dict[str, Model] = {}
        self.aliases: dict[str, str] = {}
        self.age = timedelta()

    def teardown(self) -> None:
        if hasattr(self, "lab"):
            self.engine.close()
            reader = self.lab.open(read_only=True)
            reader.audit_verify()
            reader.close()
            shutil.rmtree(self.root)

    def expect(self, code: str | None, operation: Operation) -> bool:
        """Carry out an operation and compare its answer; True where it was done."""
        answer, _ = _answer(lambda: self.engine.execute(operation))
        assert answer == code, operation
        return answer is None

    def code(self, action: str, key: str) -> str | None:
        """Return the code that the state table has for an action."""
        model = self.model.get(key)
        return LIFECYCLE[action, model.state] if model else "Forbidden.KeyNotFound"

    @rule(target=keys, rotation=st.sampled_from([None, WEEK]))
    def create(self, rotation: int | None) -> str:
        key = new_key(self.engine, self.instance, rotation=rotation)
        self.model[key] = Model(rotation=rotation, rotated=self.age)
        return key

    @rule(key=keys, operation=st.sampled_from([EnableKey, DisableKey]))
    def switch(self, key: str, operation: type[EnableKey | DisableKey]) -> None:
        action = operation.__name__
        if self.expect(self.code(action, key), operation(key=key)):
            self.model[key].state = after(action, self.model[key].state)
            self.rotate(key)

    @rule(key=keys, enable=st.booleans())
    def protect(self, key: str, *, enable: bool) -> None:
        if self.expect(self.code("SetDeletionProtection", key), SetDeletionProtection(key=key, enable=enable)):
            self.model[key].protected = enable

    @rule(key=keys, days=st.integers(7, 30))
    def schedule(self, key: str, days: int) -> None:
        code = self.code("ScheduleKeyDeletion", key)
        if code is None and self.model[key].protected:
            code = "Forbidden.DeletionProtected"
        if self.expect(code, ScheduleKeyDeletion(key=key, window_days=days)):
            self.model[key].state = KeyState.PENDING_DELETION
            self.model[key].deletes = self.age + days * DAY

    @rule(key=keys)
    def cancel(self, key: str) -> None:
        if self.expect(self.code("CancelKeyDeletion", key), CancelKeyDeletion(key=key)):
            self.model[key].state, self.model[key].deletes = KeyState.ENABLED, None
            self.rotate(key)

    @rule(key=keys, rotation=st.sampled_from([None, WEEK, 2 * WEEK]))
    def set_rotation(self, key: str, rotation: int | None) -> None:
        code = self.code("UpdateRotationPolicy", key)
        if self.expect(code, UpdateRotationPolicy(key=key, rotation=rotation)):
            self.model[key].rotation = rotation
            self.rotate(key)

    @rule(key=keys, name=st.sampled_from("ab"), value=st.sampled_from("xy"))
    def tag(self, key: str, name: str, value: str) -> None:
        operation = TagResources(resource=key, resource_type="key", tags={name: value})
        if self.expect(self.code("TagResources", key), operation):
            self.model[key].tags[name] = value

    @rule(key=keys, name=st.sampled_from("ab"))
    def untag(self, key: str, name: str) -> None:
        operation = UntagResources(resource=key, resource_type="key", tag_keys=(name,))
        if self.expect(self.code("UntagResources", key), operation):
            self.model[key].tags.pop(name, None)

    @rule(key=keys, alias=NAMES)
    def bind(self, key: str, alias: str) -> None:
        code = "AliasAlreadyExists" if alias in self.aliases else self.code("CreateAlias", key)
        if self.expect(code, CreateAlias(alias=alias, key=key)):
            self.aliases[alias] = key

    @rule(key=keys, alias=NAMES)
    def rebind(self, key: str, alias: str) -> None:
        code = self.code("UpdateAlias", key) if alias in self.aliases else "Forbidden.AliasNotFound"
        if self.expect(code, UpdateAlias(alias=alias, key=key)):
            self.aliases[alias] = key

    @rule(alias=NAMES)
    def unbind(self, alias: str) -> None:
        if self.expect(None if alias in self.aliases else "Forbidden.AliasNotFound", DeleteAlias(alias=alias)):
            del self.aliases[alias]

    @rule(key=keys)
    def encrypt(self, key: str) -> None:
        answer, made = _answer(lambda: self.engine.encrypt(key, b"x", {"key": key}))
        assert answer == self.code("Encrypt", key)
        if answer is None:
            self.model[key].blobs.append(made[0])

    @rule(key=keys)
    def decrypt(self, key: str) -> None:
        for blob in self.model[key].blobs if key in self.model else ():
            answer, opened = _answer(lambda blob=blob: self.engine.decrypt(blob, {"key": key}))  # type: ignore[misc]
            assert answer == self.code("Decrypt", key)
            assert answer is not None or opened[0] == b"x"

    @rule(days=st.integers(0, 20))
    def wait_and_tick(self, days: int) -> None:
        self.lab.clock.move(days * DAY)
        self.age += days * DAY
        ticked = self.engine.tick()
        gone = {key for key, model in self.model.items() if model.deletes is not None and model.deletes <= self.age}
        for key in gone:
            del self.model[key]
        self.aliases = {alias: key for alias, key in self.aliases.items() if key not in gone}
        rotated = {key for key in self.model if self.rotate(key)}
        assert (set(ticked.deleted), set(ticked.rotated), ticked.postponed) == (gone, rotated, {})

    @rule()
    def restart(self) -> None:
        self.engine.close()
        self.engine = self.lab.open()

    def rotate(self, key: str) -> bool:
        """Let the model's rotation take place where it is due."""
        model = self.model[key]
        due = model.rotation is not None and model.rotated + timedelta(seconds=model.rotation) <= self.age
        if due and model.state is KeyState.ENABLED:
            model.rotated = self.age
            return True
        return False

    @invariant()
    def the_engine_is_what_the_model_says(self) -> None:
        if not hasattr(self, "engine"):
            return
        assert isinstance(self.engine, Engine)
        found = self.engine.describe()
        start = self.lab.clock.now - self.age
        assert {row["key_id"]: _seen(row) for row in found.keys} == {
            key: _wanted(model, start) for key, model in self.model.items()
        }
        assert {row["alias"]: row["key_id"] for row in found.aliases} == self.aliases
        assert found.instances[0]["versions"] >= len(self.model)


def _answer(call: Callable[[], Any]) -> tuple[str | None, Any]:
    """Return the code of the error that a call ends with, or what it returns."""
    try:
        return None, call()
    except KmsError as error:
        return error.code, None


def _seen(row: dict[str, object]) -> tuple[object, ...]:
    names = ("state", "deletion_protection", "rotation", "last_rotation_date", "delete_date", "tags")
    return tuple(row[name] for name in names)


def _wanted(model: Model, start: object) -> tuple[object, ...]:
    def date(age: timedelta | None) -> str | None:
        return None if age is None else f"{start + age:%Y-%m-%dT%H:%M:%SZ}"  # type: ignore[operator]

    return (model.state, model.protected, model.rotation, date(model.rotated), date(model.deletes), model.tags)


TestEngineLifecycle = EngineMachine.TestCase
TestEngineLifecycle.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
