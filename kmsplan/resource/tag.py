"""Steps that turn one set of tags into another; keys and instances share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.kms.operation import TagResources, UntagResources
from kmsplan.resource.attribute import Attribute, Mutability
from kmsplan.resource.step import Effect, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

TAGS_SCHEMA = {
    "type": "object",
    "maxProperties": 19,
    "propertyNames": {"pattern": r"^(?!aliyun|acs:|kmsplan:)[A-Za-z0-9/\\_.+=:@ -]{1,128}$"},
    "additionalProperties": {"type": "string", "pattern": r"^[A-Za-z0-9/\\_.+=:@ -]{0,128}$"},
}
"""19, because the KMS allows 20 and one is the owner tag."""

TAGS = Attribute(
    name="tags",
    mutability=Mutability.IN_PLACE,
    default={},
    operations=("TagResources", "UntagResources"),
    doc="Up to 19 tags; the 20th is kmsplan's owner tag.",
    schema=TAGS_SCHEMA,
)
"""The attribute, as keys and instances have it."""


def tag_steps(
    resource_type: str, identity: str, before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Step, ...]:
    """Return the steps from `before` to `after`: removals first, so that 19 tags can be swapped for 19 others."""
    removed = tuple(sorted(set(before) - set(after)))
    written = {key: value for key, value in sorted(after.items()) if before.get(key) != value}
    kept = {key: value for key, value in before.items() if key in after}
    steps = []
    if removed:
        steps.append(
            Step(
                operation=UntagResources(resource=identity, resource_type=resource_type, tag_keys=removed),
                effect=Effect(attributes={"tags": kept}),
            )
        )
    if written:
        steps.append(
            Step(
                operation=TagResources(resource=identity, resource_type=resource_type, tags=written),
                effect=Effect(attributes={"tags": dict(after)}),
            )
        )
    return tuple(steps)
