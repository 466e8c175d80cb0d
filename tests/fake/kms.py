"""A KMS in memory that speaks the provider protocol: state table, owner tags, one id per object, faults on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, after, check
from kmsplan.kms.naming import OWNER_TAG
from kmsplan.provider.protocol import Executed, nothing
from kmsplan.resource.offer import Offer
from kmsplan.resource.value import ABSENT, Observed, Present, Unreadable, Witnessed

if TYPE_CHECKING:
    from collections.abc import Collection

    from kmsplan.kms import operation as op
    from kmsplan.kms.operation import Operation

ENVIRONMENT = "fake/1"
OFFER = Offer(
    name="the model KMS",
    kinds=frozenset({"instance", "key", "alias"}),
    instance_types=frozenset({"software"}),
    specs={"software": frozenset({"Aliyun_AES_256", "RSA_2048", "EC_P256"})},
    origins=frozenset({"Aliyun_KMS"}),
    storage_mechanisms=frozenset(),
)


@dataclass
class Fault:
    """What goes wrong with one call."""

    error: BaseException
    happens: bool = False
    """Whether the operation is carried out all the same, before the error is answered."""


def no_fault(operation: Operation) -> Fault | None:
    del operation
    return None


@dataclass
class ModelKms:
    """Objects by identity. Every call is recorded in `calls`, in the order in which it took effect."""

    fault: Callable[[Operation], Fault | None] = no_fault
    unreadable: set[str] = field(default_factory=set)
    objects: dict[str, Present] = field(default_factory=dict)
    calls: list[Operation] = field(default_factory=list)
    observed: int = 0
    closed: bool = False
    tested: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Keys that fail their self-test."""
    offer: Offer = OFFER
    states: dict[str, Witnessed] = field(default_factory=dict)
    homes: list[str | None] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _made: int = 0

    def observe(self, identities: Collection[str]) -> Observed:
        with self._lock:
            self.observed += 1
            wanted = set(identities)
            return Observed(
                environment=ENVIRONMENT,
                objects={
                    identity: Unreadable("Rejected.Unavailable", "no answer")
                    if identity in self.unreadable
                    else self.objects.get(identity, ABSENT)
                    for identity in identities
                },
                others=tuple(found for identity, found in self.objects.items() if identity not in wanted),
                states=dict(self.states),
            )

    def look_up(self, identity: str | None, owner: str | None) -> Observed:
        del owner
        return self.observe(() if identity is None else (identity,))

    def prepare(self) -> str:
        return ENVIRONMENT

    def witness(self, lineage: str, serial: int, home: str | None) -> None:
        self.states[lineage] = Witnessed(serial=serial, by="ada@host", at="2026-01-01T12:00:00Z")
        self.homes.append(home)

    def execute(self, operation: Operation, intent: Callable[[], None] = nothing) -> Executed:
        intent()
        fault = self.fault(operation)
        with self._lock:
            if fault is None or fault.happens:
                self.calls.append(operation)
                made: str | None = getattr(self, f"_{type(operation).__name__}")(operation)
        if fault is not None:
            raise fault.error
        return Executed(made)

    def self_test(self, identity: str) -> bool:
        self.tested.append(identity)
        if identity in self.broken:
            raise KmsError("InternalFailure")
        return True

    def close(self) -> None:
        self.closed = True

    def owned(self, address: str) -> list[str]:
        """Identities of the objects whose owner tag names an address."""
        return [found.identity for found in self.objects.values() if f"/{address}/" in (found.owner or "")]

    def change(self, identity: str, **attributes: Any) -> None:
        """Change attributes behind kmsplan's back."""
        found = self.objects[identity]
        self.objects[identity] = replace(found, attributes={**found.attributes, **attributes})

    def _new(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}-{self._made:021d}"

    def _key(self, action: str, identity: op.Identity) -> Present:
        found = self._found(identity, "Forbidden.KeyNotFound")
        check(action, KeyState(found.state))
        return found

    def _found(self, identity: op.Identity | tuple[str, ...], code: str) -> Present:
        assert isinstance(identity, str), "the executor resolves references, and names one object a call"
        if identity not in self.objects:
            raise KmsError(code)
        return self.objects[identity]

    def _to_state(self, action: str, identity: op.Identity) -> None:
        found = self._key(action, identity)
        state = after(action, KeyState(found.state))
        attributes = {**found.attributes, "enabled": state is not KeyState.DISABLED}
        self.objects[found.identity] = replace(found, state=state.value, attributes=attributes)

    def _CreateInstance(self, call: op.CreateInstance) -> str:  # noqa: N802 - named as the API names it, here and below
        tags = dict(call.tags)
        owner = tags.pop(OWNER_TAG, None)
        identity = self._new("kst")
        self.objects[identity] = Present(
            kind="instance",
            identity=identity,
            state="Connected",
            owner=owner,
            attributes={
                "type": call.type,
                "spec": call.spec,
                "key_quota": call.key_quota,
                "hsm": call.hsm,
                "proxy": None,
                "tags": tags,
                "deletion_protection": False,
            },
        )
        return identity

    def _ModifyInstance(self, call: op.ModifyInstance) -> None:  # noqa: N802
        found = self._found(call.instance, "Forbidden.DKMSInstanceNotFound")
        new = {"spec": call.spec, "key_quota": call.key_quota}
        self.change(found.identity, **{name: value for name, value in new.items() if value is not None})

    def _ReleaseKmsInstance(self, call: op.ReleaseKmsInstance) -> None:  # noqa: N802
        found = self._found(call.instance, "Forbidden.DKMSInstanceNotFound")
        if found.attributes["deletion_protection"]:
            raise KmsError("Forbidden.DeletionProtected")
        if any(other.attributes.get("instance") == found.identity for other in self.objects.values()):
            raise KmsError("Rejected.InstanceNotEmpty")
        del self.objects[found.identity]

    def _CreateKey(self, call: op.CreateKey) -> str:  # noqa: N802
        assert call.instance is not None
        self._found(call.instance, "Forbidden.DKMSInstanceNotFound")
        tags = dict(call.tags)
        owner = tags.pop(OWNER_TAG, None)
        identity = self._new("key")
        self.objects[identity] = Present(
            kind="key",
            identity=identity,
            state="PendingImport" if call.origin == "EXTERNAL" else "Enabled",
            owner=owner,
            attributes={
                "instance": call.instance,
                "spec": call.spec,
                "usage": call.usage,
                "origin": call.origin,
                "storage_mechanism": call.storage_mechanism,
                "external_key": call.external_key_id,
                "hsm_object": call.hsm_object,
                "description": call.description,
                "enabled": True,
                "rotation": call.rotation,
                "tags": tags,
                "policy": call.policy,
                "deletion_protection": False,
                "imported": "absent" if call.origin == "EXTERNAL" else None,
            },
            computed={"creation_date": self._made},
        )
        return identity

    def _ImportKeyMaterial(self, call: op.ImportKeyMaterial) -> None:  # noqa: N802
        self._to_state("ImportKeyMaterial", call.key)
        until = None if call.expires is None else datetime.fromtimestamp(call.expires, UTC)
        imported = "never" if until is None else f"{until:%Y-%m-%dT%H:%M:%SZ}"
        self.change(str(call.key), imported=imported)

    def _DeleteKeyMaterial(self, call: op.DeleteKeyMaterial) -> None:  # noqa: N802
        self._to_state("DeleteKeyMaterial", call.key)
        self.change(str(call.key), imported="absent")

    def _EnableKey(self, call: op.EnableKey) -> None:  # noqa: N802
        self._to_state("EnableKey", call.key)

    def _DisableKey(self, call: op.DisableKey) -> None:  # noqa: N802
        self._to_state("DisableKey", call.key)

    def _ScheduleKeyDeletion(self, call: op.ScheduleKeyDeletion) -> None:  # noqa: N802
        if self._found(call.key, "Forbidden.KeyNotFound").attributes["deletion_protection"]:
            raise KmsError("Forbidden.DeletionProtected")
        self._to_state("ScheduleKeyDeletion", call.key)

    def _CancelKeyDeletion(self, call: op.CancelKeyDeletion) -> None:  # noqa: N802
        self._to_state("CancelKeyDeletion", call.key)

    def _SetDeletionProtection(self, call: op.SetDeletionProtection) -> None:  # noqa: N802
        found = self._found(call.key or call.instance or "", "Forbidden.ResourceNotFound")
        self.change(found.identity, deletion_protection=call.enable)

    def _UpdateKeyDescription(self, call: op.UpdateKeyDescription) -> None:  # noqa: N802
        self.change(self._key("UpdateKeyDescription", call.key).identity, description=call.description)

    def _UpdateRotationPolicy(self, call: op.UpdateRotationPolicy) -> None:  # noqa: N802
        self.change(self._key("UpdateRotationPolicy", call.key).identity, rotation=call.rotation)

    def _SetKeyPolicy(self, call: op.SetKeyPolicy) -> None:  # noqa: N802
        self.change(self._key("SetKeyPolicy", call.key).identity, policy=call.policy)

    def _TagResources(self, call: op.TagResources) -> None:  # noqa: N802
        found = self._found(call.resource, "Forbidden.ResourceNotFound")
        tags = {**found.attributes["tags"], **call.tags}
        owner = tags.pop(OWNER_TAG, found.owner)
        self.objects[found.identity] = replace(found, owner=owner, attributes={**found.attributes, "tags": tags})

    def _UntagResources(self, call: op.UntagResources) -> None:  # noqa: N802
        found = self._found(call.resource, "Forbidden.ResourceNotFound")
        kept = {key: value for key, value in found.attributes["tags"].items() if key not in call.tag_keys}
        self.change(found.identity, tags=kept)

    def _CreateAlias(self, call: op.CreateAlias) -> None:  # noqa: N802
        if call.alias in self.objects:
            raise KmsError("AliasAlreadyExists")
        key = self._key("CreateAlias", call.key)
        self.objects[call.alias] = Present(kind="alias", identity=call.alias, attributes={"key": key.identity})

    def _UpdateAlias(self, call: op.UpdateAlias) -> None:  # noqa: N802
        self._found(call.alias, "Forbidden.AliasNotFound")
        self.change(call.alias, key=self._key("UpdateAlias", call.key).identity)

    def _DeleteAlias(self, call: op.DeleteAlias) -> None:  # noqa: N802
        del self.objects[self._found(call.alias, "Forbidden.AliasNotFound").identity]
