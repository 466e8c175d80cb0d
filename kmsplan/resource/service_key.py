"""Service keys: made and used by a cloud service, readable and taggable by the user, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.resource import keyattribute
from kmsplan.resource.attribute import Attributes, Kind
from kmsplan.resource.tag import tag_steps

if TYPE_CHECKING:
    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Step

ATTRIBUTES = tuple(attribute for attribute in keyattribute.ATTRIBUTES if attribute.name == "tags")


def create(address: Address, attributes: Attributes) -> tuple[Step, ...]:
    """Return nothing: the owning service makes the key when it first needs it."""
    del address, attributes
    return ()


def update(identity: str, before: Attributes, after: Attributes) -> tuple[Step, ...]:
    """Return the steps for the tags, all that a user may change."""
    return tag_steps("key", identity, before["tags"], after["tags"])


def delete(identity: str, attributes: Attributes) -> tuple[Step, ...]:
    """Return nothing: a service key is never deleted by its users."""
    del identity, attributes
    return ()


SERVICE_KEY = Kind(
    name="service_key",
    section="service_keys",
    doc="A key of a cloud service.",
    attributes=ATTRIBUTES,
    create=create,
    update=update,
    delete=delete,
)
