"""What a key has: its attributes, as they are written and as they are compared."""

from __future__ import annotations

from typing import Any, Final

from kmsplan.kms.capability import VERSIONS_LIMIT, KeyStorageMechanism, Origin
from kmsplan.kms.external import EXTERNAL_KEY_PATTERN
from kmsplan.kms.hsmobject import HSM_OBJECT_PATTERN, canonical_object
from kmsplan.kms.naming import DAY, DESCRIPTION_LENGTH, parse_duration
from kmsplan.kms.spec import KeySpec, KeyUsage
from kmsplan.resource.attribute import Attribute, Mutability
from kmsplan.resource.material import BASE64, RAW, expiry, found_at
from kmsplan.resource.schema import ALIAS_NAME_SCHEMA, COMMAND_SCHEMA, DURATION, VARIABLE_NAME
from kmsplan.resource.tag import TAGS


def _seconds(value: Any) -> Any:
    return None if value is None else parse_duration(value)


def _period(value: Any) -> Any:
    """Return the seconds of a rotation written as a duration, or as a mapping with a `period`."""
    return _seconds(value.get("period") if isinstance(value, dict) else value)


def _min_versions(value: Any) -> Any:
    return value.get("min_versions") if isinstance(value, dict) else None


def _days(value: Any) -> Any:
    seconds = parse_duration(value)
    return None if seconds is None else seconds / DAY if seconds % DAY else seconds // DAY


_IN_PLACE, _REPLACES, _SETTING = Mutability.IN_PLACE, Mutability.REPLACES, Mutability.SETTING

ATTRIBUTES: Final = (
    Attribute(
        name="instance",
        mutability=_REPLACES,
        required=True,
        reference=True,
        doc="The instance that holds the key, by its name under `instances`.",
        schema={"type": "string", "minLength": 1},
        canonical=lambda name: f"instance.{name}",
    ),
    Attribute(
        name="spec",
        mutability=_REPLACES,
        default=KeySpec.AES_256.value,
        doc="Key spec; what an instance offers depends on its type.",
        schema={"enum": [spec.value for spec in KeySpec]},
    ),
    Attribute(
        name="usage",
        mutability=_REPLACES,
        doc="What the key is for. Default: SIGN/VERIFY where the spec can sign, else ENCRYPT/DECRYPT.",
        schema={"enum": [usage.value for usage in KeyUsage]},
    ),
    Attribute(
        name="origin",
        mutability=_REPLACES,
        default=Origin.KMS.value,
        doc="Where the key material comes from: made by the KMS, or EXTERNAL (BYOK).",
        schema={"enum": [origin.value for origin in Origin]},
    ),
    Attribute(
        name="storage_mechanism",
        mutability=_REPLACES,
        doc="Hardware instances only: inside the HSM (HsmInternal, the default) or wrapped by it in a database.",
        schema={"enum": [mechanism.value for mechanism in KeyStorageMechanism]},
    ),
    Attribute(
        name="external_key",
        mutability=_REPLACES,
        doc="External instances only: what the key manager calls the key.",
        schema={"type": "string", "pattern": EXTERNAL_KEY_PATTERN},
    ),
    Attribute(
        name="hsm_object",
        mutability=_REPLACES,
        doc="Hardware instances only: the CKA_ID, in hexadecimal digits and in quotes, of a key that is in the token "
        "already; this key stands for it. The object is never changed or destroyed.",
        schema={"type": "string", "pattern": HSM_OBJECT_PATTERN},
        canonical=canonical_object,
    ),
    Attribute(
        name="description",
        mutability=_IN_PLACE,
        default="",
        operations=("UpdateKeyDescription",),
        doc="Free text; no secret belongs here.",
        schema={"type": "string", "maxLength": DESCRIPTION_LENGTH},
    ),
    Attribute(
        name="enabled",
        mutability=_IN_PLACE,
        default=True,
        operations=("EnableKey", "DisableKey"),
        doc="Whether the key answers to cryptography.",
        schema={"type": "boolean"},
    ),
    Attribute(
        name="rotation",
        mutability=_IN_PLACE,
        operations=("UpdateRotationPolicy",),
        doc="Automatic rotation period, 7d to 365d; null or absent: none. Symmetric, KMS-made keys only. Asymmetric, "
        "KMS-made keys take `{min_versions: N}`: an apply gives them one version more, until they have N; seven days "
        "lie between two.",
        schema={
            "type": ["string", "object", "null"],
            "pattern": DURATION,
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "period": {"type": ["string", "null"], "pattern": DURATION},
                "min_versions": {"type": "integer", "minimum": 1, "maximum": VERSIONS_LIMIT},
            },
        },
        canonical=_period,
    ),
    Attribute(
        name="min_versions",
        mutability=_SETTING,
        source="rotation",
        doc="How many versions an asymmetric key is to have at least: `rotation: {min_versions: N}`.",
        schema={"type": ["integer", "null"]},
        canonical=_min_versions,
    ),
    Attribute(
        name="versions",
        mutability=Mutability.COUNTED,
        doc="How many versions an asymmetric key has.",
        schema={"type": ["integer", "null"]},
    ),
    TAGS,
    Attribute(
        name="policy",
        mutability=_IN_PLACE,
        operations=("SetKeyPolicy",),
        doc="Key policy as a JSON-like mapping; null or absent: the KMS's default policy.",
        schema={"type": ["object", "null"]},
    ),
    Attribute(
        name="deletion_protection",
        mutability=_IN_PLACE,
        default=True,
        operations=("SetDeletionProtection",),
        doc="While true, neither kmsplan nor anybody else can schedule the key's deletion.",
        schema={"type": "boolean"},
    ),
    Attribute(
        name="deletion_window",
        mutability=_SETTING,
        default=30,
        doc="Days between a delete and the loss of the key, 7d to 366d; within it the key can be restored.",
        schema={"type": "string", "pattern": DURATION},
        canonical=_days,
    ),
    Attribute(
        name="unused_for",
        mutability=_SETTING,
        doc="Refuse to disable or delete the key if it was used within this time.",
        schema={"type": ["string", "null"], "pattern": DURATION},
        canonical=_seconds,
    ),
    Attribute(
        name="used_by",
        mutability=_SETTING,
        doc="Who uses the key, in words of your own: a plan that disables, replaces or deletes it names them.",
        schema={
            "type": ["array", "null"],
            "items": {"type": "string", "minLength": 1, "maxLength": 128},
            "uniqueItems": True,
        },
    ),
    Attribute(
        name="on_replace",
        mutability=_SETTING,
        default="refuse",
        doc="What a change that needs new key material does: refuse, or succeed (make a successor, move the "
        "aliases to it, disable the predecessor and keep it).",
        schema={"enum": ["refuse", "succeed"]},
    ),
    Attribute(
        name="grace",
        mutability=_SETTING,
        doc="With `on_replace: succeed`: how long the predecessor stays enabled after its successor was made; the "
        "first apply after that disables it. Absent: it is disabled at once.",
        schema={"type": ["string", "null"], "pattern": DURATION},
        canonical=_seconds,
    ),
    Attribute(
        name="material",
        mutability=_SETTING,
        doc="Origin EXTERNAL: where kmsplan finds the material, one of `file`, `env` and `exec` (a command and its "
        "arguments, whose output it is); its `format` there, raw or base64; and when it `expires`. Symmetric material "
        "is the key's bytes; a private key is PKCS#8, DER or PEM, without a passphrase.",
        schema={
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {
                "env": {"type": "string", "pattern": VARIABLE_NAME},
                "file": {"type": "string", "minLength": 1},
                "exec": COMMAND_SCHEMA,
                "format": {"enum": [RAW, BASE64]},
                "expires": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$"},
            },
        },
        canonical=found_at,
    ),
    Attribute(
        name="imported",
        mutability=_IN_PLACE,
        operations=("ImportKeyMaterial",),
        source="material",
        follows=True,
        doc="Origin EXTERNAL: when the imported material expires, `never`, or `absent`.",
        schema={"type": ["string", "null"]},
        canonical=expiry,
    ),
    Attribute(
        name="aliases",
        mutability=_SETTING,
        recorded=False,
        doc="Alias names, without `alias/`; each becomes an object of its own, `alias.NAME`.",
        schema={"type": "array", "items": ALIAS_NAME_SCHEMA, "uniqueItems": True},
    ),
    Attribute(
        name="for_each",
        mutability=_SETTING,
        recorded=False,
        doc="Make one key per element: a list of strings, or a mapping. Name and values may use ${each.key}, "
        "${each.value} and ${each.value.FIELD}.",
        schema={"type": ["array", "object", "string"]},
    ),
)
