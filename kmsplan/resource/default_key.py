"""The default CMK: one per account and region, free, for server-side encryption only; it is enabled once."""

from __future__ import annotations

from kmsplan.resource import key, keyattribute
from kmsplan.resource.attribute import Attribute, Kind

_TAKEN = (
    "description",
    "enabled",
    "tags",
    "deletion_protection",
    "deletion_window",
    "used_by",
    "origin",
    "material",
    "imported",
    "aliases",
)
_FIXED = ("spec", "usage", "rotation", "min_versions", "versions")

ATTRIBUTES: tuple[Attribute, ...] = tuple(
    attribute for attribute in keyattribute.ATTRIBUTES if attribute.name in (*_TAKEN, *_FIXED)
)
"""A key's, less what the default CMK does not offer: no instance, no policy, AES-256 only."""

DEFAULT_KEY = Kind(
    name="default_key",
    section="default_key",
    doc="The default CMK of the account and region.",
    attributes=ATTRIBUTES,
    create=key.create,
    update=key.update,
    delete=key.delete,
    restore=key.restore,
)
