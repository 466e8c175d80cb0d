"""A model KMS that obeys the API's own state table: whatever the API would reject raises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kmsplan.kms import operation as kms
from kmsplan.kms.lifecycle import KeyState, after, check
from kmsplan.kms.naming import OWNER_TAG
from kmsplan.resource.value import ABSENT, Observed, Present, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENVIRONMENT = "model/1"
KEY_ATTRIBUTES = ("spec", "usage", "origin", "storage_mechanism", "description", "rotation", "policy")


@dataclass
class Thing:
    """An object of the model KMS."""

    kind: str
    attributes: dict[str, Any]
    state: str = "Enabled"
    owner: str | None = None


@dataclass
class Model:
    """A KMS: objects by identity."""

    things: dict[str, Thing] = field(default_factory=dict)
    made: int = 0

    def observe(self, identities: Sequence[str], unreadable: frozenset[str] = frozenset()) -> Observed:
        """Read everything, except what is not to be read."""
        silent = Unreadable("ServiceUnavailableTemporary", "no answer")
        seen = {identity: self._present(identity) for identity in self.things if identity not in unreadable}
        return Observed(
            environment=ENVIRONMENT,
            objects={
                identity: silent if identity in unreadable else seen.get(identity, ABSENT) for identity in identities
            },
            others=tuple(present for identity, present in seen.items() if identity not in identities),
        )

    def execute(self, operation: kms.Operation) -> str | None:
        """Carry out one operation whose references are resolved."""
        match operation:
            case kms.CreateInstance() | kms.CreateKey():
                return self._create(operation)
            case kms.CreateAlias() | kms.UpdateAlias() | kms.DeleteAlias():
                return self._alias(operation)
            case kms.TagResources() | kms.UntagResources():
                self._tag(operation)
            case kms.ModifyInstance() | kms.ReleaseKmsInstance():
                self._instance(operation)
            case kms.SetDeletionProtection(instance=str() as instance):
                self.things[instance].attributes["deletion_protection"] = operation.enable
            case _:
                self._key(operation)
        return None

    def _present(self, identity: str) -> Present:
        thing = self.things[identity]
        attributes = dict(thing.attributes)
        if thing.kind == "key":
            attributes["enabled"] = thing.state != KeyState.DISABLED
        return Present(kind=thing.kind, identity=identity, attributes=attributes, state=thing.state, owner=thing.owner)

    def _create(self, operation: kms.CreateInstance | kms.CreateKey) -> str:
        if isinstance(operation, kms.CreateInstance):
            attributes = {"type": operation.type, "spec": operation.spec, "key_quota": operation.key_quota}
            return self._new("instance", {**attributes, "hsm": operation.hsm, "proxy": None}, operation.tags)
        assert str(operation.instance) in self.things
        attributes = {name: getattr(operation, name) for name in KEY_ATTRIBUTES}
        return self._new("key", {**attributes, "instance": operation.instance}, operation.tags)

    def _new(self, kind: str, attributes: dict[str, Any], tags: Mapping[str, str]) -> str:
        self.made += 1
        identity = f"{kind}-{self.made}"
        plain = {name: value for name, value in tags.items() if name != OWNER_TAG}
        attributes |= {"tags": plain, "deletion_protection": False}
        self.things[identity] = Thing(kind, attributes, owner=tags.get(OWNER_TAG))
        return identity

    def _instance(self, operation: kms.ModifyInstance | kms.ReleaseKmsInstance) -> None:
        identity = str(operation.instance)
        if isinstance(operation, kms.ModifyInstance):
            said = {"spec": operation.spec, "key_quota": operation.key_quota}
            self.things[identity].attributes |= {name: value for name, value in said.items() if value is not None}
            return
        assert not self.things.pop(identity).attributes["deletion_protection"]
        assert not [thing for thing in self.things.values() if thing.attributes.get("instance") == identity]

    def _alias(self, operation: kms.CreateAlias | kms.UpdateAlias | kms.DeleteAlias) -> str | None:
        alias = operation.alias
        assert (alias in self.things) != isinstance(operation, kms.CreateAlias)
        if isinstance(operation, kms.DeleteAlias):
            del self.things[alias]
            return None
        check(kms.name_of(operation), KeyState(self.things[str(operation.key)].state))
        self.things[alias] = Thing("alias", {"key": operation.key})
        return alias if isinstance(operation, kms.CreateAlias) else None

    def _tag(self, operation: kms.TagResources | kms.UntagResources) -> None:
        thing = self.things[str(operation.resource)]
        if thing.kind == "key":
            check(kms.name_of(operation), KeyState(thing.state))
        tags = dict(thing.attributes["tags"])
        if isinstance(operation, kms.TagResources):
            tags |= operation.tags
            thing.owner = tags.pop(OWNER_TAG, thing.owner)
        else:
            for name in operation.tag_keys:
                del tags[name]
        thing.attributes["tags"] = tags

    def _key(self, operation: Any) -> None:
        thing, name = self.things[operation.key], kms.name_of(operation)
        check(name, KeyState(thing.state))
        match operation:
            case kms.ScheduleKeyDeletion():
                assert not thing.attributes["deletion_protection"]
            case kms.UpdateKeyDescription():
                thing.attributes["description"] = operation.description
            case kms.UpdateRotationPolicy():
                thing.attributes["rotation"] = operation.rotation
            case kms.SetKeyPolicy():
                thing.attributes["policy"] = operation.policy
            case kms.SetDeletionProtection():
                thing.attributes["deletion_protection"] = operation.enable
        thing.state = after(name, KeyState(thing.state))
