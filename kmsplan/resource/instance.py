"""Instances: what holds keys, and decides how they are protected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.kms.capability import INSTANCE_SPECS, KEY_QUOTA
from kmsplan.kms.external import (
    ACCESS_KEY_ID_PATTERN,
    API_PATH,
    FINGERPRINT_PATTERN,
    PROXY_PATH_PATTERN,
    PROXY_URL_PATTERN,
    canonical_fingerprint,
    canonical_url,
)
from kmsplan.kms.operation import (
    CreateInstance,
    ModifyInstance,
    Reference,
    ReleaseKmsInstance,
    SetDeletionProtection,
)
from kmsplan.kms.spec import INSTANCE_TYPES
from kmsplan.resource.attribute import Attribute, Attributes, Kind, Mutability
from kmsplan.resource.schema import SECRET_SCHEMA
from kmsplan.resource.step import Effect, Step
from kmsplan.resource.tag import TAGS, tag_steps

if TYPE_CHECKING:
    from kmsplan.resource.address import Address


def _without_pin(value: Any) -> Any:
    """Leave out the PIN: where a secret is found is configuration, not the object's state."""
    return {name: item for name, item in value.items() if name != "pin"}


def _proxy(value: Any) -> Any:
    """Return where the proxy is; who calls it is configuration, as a PIN is."""
    address = {"url": canonical_url(value["url"]), "path": value.get("path", API_PATH)}
    fingerprint = value.get("fingerprint")
    return {**address, "fingerprint": canonical_fingerprint(fingerprint)} if fingerprint else address


_IN_PLACE, _REPLACES = Mutability.IN_PLACE, Mutability.REPLACES

ATTRIBUTES = (
    Attribute(
        name="type",
        mutability=_REPLACES,
        required=True,
        doc="How keys are protected: software, hardware (an HSM), external (your own key manager).",
        schema={"enum": [key_type.value for key_type in INSTANCE_TYPES]},
    ),
    Attribute(
        name="spec",
        mutability=_IN_PLACE,
        default=1000,
        operations=("ModifyInstance",),
        doc="Requests a second for symmetric cryptography.",
        schema={"enum": list(INSTANCE_SPECS)},
    ),
    Attribute(
        name="key_quota",
        mutability=_IN_PLACE,
        default=1000,
        operations=("ModifyInstance",),
        doc="How many key versions the instance holds.",
        schema={"type": "integer", "minimum": KEY_QUOTA[0], "maximum": KEY_QUOTA[1]},
    ),
    Attribute(
        name="hsm",
        mutability=_REPLACES,
        doc="Hardware: the PKCS#11 module, the token's label, and where its PIN is found.",
        schema={
            "type": "object",
            "required": ["module", "token", "pin"],
            "additionalProperties": False,
            "properties": {
                "module": {"type": "string", "minLength": 1},
                "token": {"type": "string", "minLength": 1, "maxLength": 32},
                "pin": SECRET_SCHEMA,
            },
        },
        canonical=_without_pin,
    ),
    Attribute(
        name="proxy",
        mutability=_IN_PLACE,
        operations=("ModifyInstance",),
        doc="External: the key manager's proxy (AWS XKS proxy API 1.0.3). `url` is https://HOST[:PORT]; `path` ends in "
        "/kms/xks/v1, its default; `access_key` is its `id` and where its `secret` is found; `fingerprint` is the "
        "SHA-256 of the one certificate to trust, else the system's authorities are asked.",
        schema={
            "type": "object",
            "required": ["url", "access_key"],
            "additionalProperties": False,
            "properties": {
                "url": {"type": "string", "pattern": PROXY_URL_PATTERN},
                "path": {"type": "string", "pattern": PROXY_PATH_PATTERN},
                "access_key": {
                    "type": "object",
                    "required": ["id", "secret"],
                    "additionalProperties": False,
                    "properties": {
                        "id": {"type": "string", "pattern": ACCESS_KEY_ID_PATTERN},
                        "secret": SECRET_SCHEMA,
                    },
                },
                "fingerprint": {"type": "string", "pattern": FINGERPRINT_PATTERN},
            },
        },
        canonical=_proxy,
    ),
    TAGS,
    Attribute(
        name="deletion_protection",
        mutability=_IN_PLACE,
        default=True,
        operations=("SetDeletionProtection",),
        doc="While true, the instance cannot be released.",
        schema={"type": "boolean"},
    ),
)


def create(address: Address, attributes: Attributes) -> tuple[Step, ...]:
    """Return CreateInstance, then protection."""
    operation = CreateInstance(
        type=attributes["type"],
        spec=attributes["spec"],
        key_quota=attributes["key_quota"],
        hsm=attributes.get("hsm"),
        proxy=attributes.get("proxy"),
        tags=attributes["tags"],
    )
    made = Step(operation=operation, effect=Effect(attributes={**attributes, "deletion_protection": False}))
    return (made, *_protect(Reference(address))) if attributes["deletion_protection"] else (made,)


def _protect(instance: str | Reference, *, enable: bool = True) -> tuple[Step, ...]:
    return (
        Step(
            operation=SetDeletionProtection(instance=instance, enable=enable),
            effect=Effect(attributes={"deletion_protection": enable}),
        ),
    )


def update(identity: str, before: Attributes, after: Attributes) -> tuple[Step, ...]:
    """Return the steps for every in-place difference."""
    steps: list[Step] = []
    resized = {name: after[name] for name in ("spec", "key_quota", "proxy") if before.get(name) != after.get(name)}
    if resized:
        steps.append(Step(operation=ModifyInstance(instance=identity, **resized), effect=Effect(attributes=resized)))
    steps.extend(tag_steps("instance", identity, before["tags"], after["tags"]))
    if before["deletion_protection"] != after["deletion_protection"]:
        steps.extend(_protect(identity, enable=after["deletion_protection"]))
    return tuple(steps)


def delete(identity: str, attributes: Attributes) -> tuple[Step, ...]:
    """Return the release; the API destroys every key inside at once, so the planner wants it empty."""
    del attributes
    return (Step(operation=ReleaseKmsInstance(instance=identity), effect=Effect(removes=True)),)


INSTANCE = Kind(
    name="instance",
    section="instances",
    doc="A KMS instance.",
    attributes=ATTRIBUTES,
    create=create,
    update=update,
    delete=delete,
)
