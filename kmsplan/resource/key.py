"""Keys in an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.kms.capability import Origin
from kmsplan.kms.operation import (
    CancelKeyDeletion,
    CreateKey,
    CreateKeyVersion,
    DisableKey,
    EnableKey,
    Reference,
    ScheduleKeyDeletion,
    SetDeletionProtection,
    SetKeyPolicy,
    UpdateKeyDescription,
    UpdateRotationPolicy,
)
from kmsplan.kms.spec import SPECS, KeySpec
from kmsplan.resource.attribute import Attributes, Kind
from kmsplan.resource.keyattribute import ATTRIBUTES
from kmsplan.resource.material import ABSENT, import_steps
from kmsplan.resource.step import Effect, Status, Step
from kmsplan.resource.tag import tag_steps

if TYPE_CHECKING:
    from kmsplan.resource.address import Address


def _created(attributes: Attributes) -> dict[str, Any]:
    """Return what is true just after CreateKey: enabled, unprotected, without material that has to be imported."""
    imported = ABSENT if attributes["origin"] == Origin.EXTERNAL else None
    return {**attributes, "enabled": True, "deletion_protection": False, "imported": imported}


def _create_key(attributes: Attributes) -> CreateKey:
    instance = attributes.get("instance")
    return CreateKey(
        instance=Reference(instance) if instance else None,
        spec=attributes["spec"],
        usage=attributes["usage"],
        origin=attributes["origin"],
        storage_mechanism=attributes.get("storage_mechanism"),
        external_key_id=attributes.get("external_key"),
        hsm_object=attributes.get("hsm_object"),
        description=attributes["description"],
        rotation=attributes["rotation"],
        policy=attributes.get("policy"),
        tags=attributes["tags"],
    )


def create(address: Address, attributes: Attributes, retires: Address | None = None) -> tuple[Step, ...]:
    """Return CreateKey and what CreateKey cannot say: its material, disabled, protected."""
    made, key = _created(attributes), Reference(address)
    first = Step(operation=_create_key(attributes), effect=Effect(attributes=made, retires=retires))
    return (first, *import_steps(key, made, attributes), *_state_steps(key, made, attributes))


def _state_steps(key: str | Reference, before: Attributes, after: Attributes) -> tuple[Step, ...]:
    """Return the steps for `enabled` and `deletion_protection`, which differ or not."""
    steps = []
    if before["deletion_protection"] != after["deletion_protection"]:
        steps.append(
            Step(
                operation=SetDeletionProtection(key=key, enable=after["deletion_protection"]),
                effect=Effect(attributes={"deletion_protection": after["deletion_protection"]}),
            )
        )
    if before["enabled"] != after["enabled"]:
        operation = EnableKey(key=key) if after["enabled"] else DisableKey(key=key)
        steps.append(Step(operation=operation, effect=Effect(attributes={"enabled": after["enabled"]})))
    return tuple(steps)


def update(identity: str, before: Attributes, after: Attributes) -> tuple[Step, ...]:
    """Return the steps for every in-place difference: enable before the rest, disable after it.

    A disabled key's rotation cannot be changed (state table), so a key that becomes enabled is enabled first. A key
    that waits for its material cannot be enabled or disabled before it has it.
    """
    steps: list[Step] = []
    if before["description"] != after["description"]:
        steps.append(
            Step(
                operation=UpdateKeyDescription(key=identity, description=after["description"]),
                effect=Effect(attributes={"description": after["description"]}),
            )
        )
    if before["rotation"] != after["rotation"]:
        steps.append(
            Step(
                operation=UpdateRotationPolicy(key=identity, rotation=after["rotation"]),
                effect=Effect(attributes={"rotation": after["rotation"]}),
            )
        )
    if before.get("policy") != after.get("policy"):
        steps.append(
            Step(
                operation=SetKeyPolicy(key=identity, policy=after.get("policy")),
                effect=Effect(attributes={"policy": after.get("policy")}),
            )
        )
    steps.extend(tag_steps("key", identity, before["tags"], after["tags"]))
    states = _state_steps(identity, before, after)
    enabling = tuple(step for step in states if isinstance(step.operation, EnableKey))
    imported = import_steps(identity, before, after)
    return (*imported, *enabling, *steps, *(step for step in states if step not in enabling))


def version_step(identity: str, versions: int) -> Step:
    """Return the step that gives an asymmetric key with so many versions one more."""
    return Step(operation=CreateKeyVersion(key=identity), effect=Effect(attributes={"versions": versions + 1}))


def delete(identity: str, attributes: Attributes) -> tuple[Step, ...]:
    """Return the step that schedules deletion; the record stays, pending."""
    return (
        Step(
            operation=ScheduleKeyDeletion(key=identity, window_days=attributes["deletion_window"]),
            effect=Effect(status=Status.PENDING_DELETION),
        ),
    )


def restore(identity: str, before: Attributes, after: Attributes) -> tuple[Step, ...]:
    """Return the steps that cancel a pending deletion and then bring the key to `after`.

    CancelKeyDeletion answers with an enabled key whatever it was before.
    """
    cancelled = {**before, "enabled": True}
    cancel = Step(
        operation=CancelKeyDeletion(key=identity),
        effect=Effect(attributes={"enabled": True}, status=Status.READY),
    )
    return (cancel, *update(identity, cancelled, after))


def default_usage(spec: str) -> str:
    """Return the usage that CreateKey takes when none is named."""
    return SPECS[KeySpec(spec)].default_usage.value


KEY = Kind(
    name="key",
    section="keys",
    doc="A key in an instance.",
    attributes=ATTRIBUTES,
    create=create,
    update=update,
    delete=delete,
    restore=restore,
)
