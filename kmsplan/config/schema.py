"""The JSON Schema of a configuration, generated from the attribute tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.cloud import ALIBABA_SCHEMA
from kmsplan.config.encryption import ENCRYPTION, ENCRYPTION_SCHEMA
from kmsplan.config.policy import POLICY_SCHEMA
from kmsplan.config.section import SECTIONS, VERSION, Form
from kmsplan.config.stores import SHARED_SCHEMAS
from kmsplan.config.template import VARIABLE_NAME
from kmsplan.config.variable import TYPES
from kmsplan.config.waivers import WAIVERS_SCHEMA
from kmsplan.resource.address import NAME
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.schema import ALIAS_NAME_SCHEMA, DURATION, SECRET_SCHEMA

if TYPE_CHECKING:
    from kmsplan.resource.attribute import Attribute, Kind

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
NAME_PATTERN: Final = f"^{NAME.pattern}$"
STAGED: Final = "staged"
LINEAGE_PATTERN: Final = "^[0-9a-f]{1,64}$"
ADDRESS_PATTERN: Final = rf"^({'|'.join(KINDS)})\.[A-Za-z0-9][A-Za-z0-9_/-]*$"
REMOVED_PATTERN: Final = rf"{ADDRESS_PATTERN[:-1]}(~[1-9][0-9]*)?$"
"""Addresses of predecessors, too."""
_REFERENCE: Final = {"type": "string", "pattern": r"\$\{"}
NOT_DEFAULTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "key": frozenset({"aliases", "external_key", "for_each", "hsm_object", "material"}),
        "instance": frozenset({"hsm", "proxy"}),
    }
)
"""Attributes that only one object can have, and so no default is offered for."""

_PATH: Final = {"type": "string", "minLength": 1}
_ENGINE: Final = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "embedded": {
            "type": ["object", "null"],
            "description": "The engine that kmsplan ships, in a folder of its own.",
            "additionalProperties": False,
            "properties": {
                "path": {**_PATH, "description": "The engine's folder. Default: state/engine."},
                "seal": {
                    "type": "object",
                    "description": "What seals the root key. Default: a key file beside the engine.",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": False,
                    "properties": {
                        "passphrase": {**SECRET_SCHEMA, "description": "Where the passphrase is found."},
                        "file": {**_PATH, "description": "The key file."},
                        "hsm": {**KINDS["instance"].by_name["hsm"].schema, "description": "A key in an HSM."},
                    },
                },
                "postgres": {
                    **SECRET_SCHEMA,
                    "description": "Where the connection string of the PostgreSQL database is found that holds the "
                    "keystore, for engines on several machines. Default: a SQLite file in the engine's folder.",
                },
            },
        },
        "alibaba": ALIBABA_SCHEMA,
    },
}
_STATE: Final = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 2,
    "additionalProperties": False,
    "properties": {
        "local": {
            "type": ["object", "null"],
            "description": "Files in a folder.",
            "additionalProperties": False,
            "properties": {"path": {**_PATH, "description": "The folder. Default: state."}},
        },
        **SHARED_SCHEMAS,
        ENCRYPTION: ENCRYPTION_SCHEMA,
    },
}
_APPROVAL: Final = {
    "type": "object",
    "required": ["signatures", "trusted"],
    "additionalProperties": False,
    "properties": {
        "signatures": {
            "type": "integer",
            "minimum": 1,
            "maximum": 99,
            "description": "How many signers must have signed a plan before `apply` carries it out.",
        },
        "trusted": {
            **_PATH,
            "description": "The file with names and public keys of the signers, `NAME.trusted.yaml`.",
        },
        "not_author": {
            "type": "boolean",
            "description": "Whether the signature of the plan's author does not count. Default: false.",
        },
        "expires": {
            "type": "string",
            "pattern": DURATION,
            "description": "How long a signature counts, if it does not end sooner by itself. Default: 24h.",
        },
    },
}
_VARIABLE: Final = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {
        "type": {"enum": list(TYPES), "description": "Default: that of the default value, else string."},
        "default": {
            "type": ["string", "integer", "boolean", "array", "object", "null"],
            "description": "The value where none is given. Without one, a value must be given.",
        },
        "allowed": {"type": "array", "minItems": 1, "description": "The only values it may have."},
        "description": {"type": "string", "description": "What it is for."},
    },
}
_ADDRESS: Final = {"type": "string", "pattern": ADDRESS_PATTERN}


def _block(properties: Schema, **optional: Schema) -> Schema:
    item = {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": {**properties, **optional},
    }
    return {"type": ["array", "null"], "items": item}


_DOCS: Final[Mapping[str, str]] = {
    "kmsplan": "The version of the configuration's form, in at least one file.",
    "engine": "Which KMS carries the plan out. Default: embedded, in state/engine.",
    "state": "Where the recorded state is kept. Default: local, in state.",
    "approval": "Signatures that a plan needs before it is applied. No value in it can be a reference.",
    "policy": "Rules about how keys are kept, which a plan must not break (docs/policy.md). No value in it can be a "
    "reference.",
    "variables": "Values from outside: --var, --var-file, KMSPLAN_VAR_x, or their defaults. Used as ${var.NAME}.",
    "defaults": "What every key or instance has that does not say otherwise; tags are joined.",
    "instances": "KMS instances by name.",
    "keys": "Keys by name.",
    "aliases": "Aliases, without `alias/`, and the names of the keys that they point at.",
    "default_key": "The default CMK of account and region.",
    "service_keys": "Keys of cloud services, by the service's name; they are only tagged and read.",
    "moved": "Objects that got another address.",
    "removed": "Addresses to forget, whose objects stay at the KMS; and keys to destroy in reviewed stages.",
    "import": "Objects that exist at the KMS already: the `address` that each is declared at, and its `identity` "
    "there; `owner` is the lineage of another configuration that owns it and gives it up.",
    "waivers": "Who answers for a drifted attribute, or for a broken rule of the policy, and until which day. No value "
    "in it can be a reference.",
}
_ROUND_LISTS: Final[Mapping[str, Schema]] = {
    "moved": _block({"from": _ADDRESS, "to": _ADDRESS}),
    "removed": _block(
        {"address": {"type": "string", "pattern": REMOVED_PATTERN}},
        forget={"const": True, "description": "Stop managing the object."},
        destroy={
            "enum": [STAGED],
            "description": "Destroy the key step by step, one in each apply: protection off, disabled, unused for long "
            "enough, scheduled.",
        },
        unused_for={
            "type": "string",
            "pattern": DURATION,
            "description": "How long it must not have been used before its deletion is scheduled. Default: the key's "
            "own `unused_for`, else 30d.",
        },
    ),
    "import": _block(
        {"address": _ADDRESS, "identity": {"type": "string", "minLength": 1}},
        owner={
            "type": "string",
            "pattern": LINEAGE_PATTERN,
            "description": "The lineage of another configuration that owns the object and gives it up to this one.",
        },
    ),
    "waivers": WAIVERS_SCHEMA,
}


def configuration_schema() -> Schema:
    """Return the schema of a file as users write it, for editors: references may stand where values do."""
    properties = {"kmsplan": {"const": VERSION}, **{name: _in_file(name, part) for name, part in _sections().items()}}
    return {
        "$schema": DIALECT,
        "title": "kmsplan configuration",
        "description": "Declarative key management: one or more files like this make up a configuration folder.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"description": _DOCS[name], **properties[name]} for name in SECTIONS},
    }


def expanded_schema() -> Schema:
    """Return the schema of a configuration as meant: all files merged, variables and for_each filled in."""
    sections = _sections()
    keys = sections["keys"]["additionalProperties"]
    without = {name: schema for name, schema in keys["properties"].items() if name != "for_each"}
    sections["keys"] = {**sections["keys"], "additionalProperties": {**keys, "properties": without}}
    return {"$schema": DIALECT, "type": "object", "properties": sections}


def _in_file(section: str, schema: Schema) -> Schema:
    """Return a section's schema as users write it: what names are made from may hold references, too."""
    if section in ("variables", "approval", "policy", "waivers"):
        return schema
    if SECTIONS[section] is Form.ONE:
        return _templated(schema)
    inner = {keyword: _inside(keyword, value) for keyword, value in schema.items()}
    if "propertyNames" in inner:
        inner["propertyNames"] = {"anyOf": [inner["propertyNames"], dict(_REFERENCE)]}
    return inner


def _sections() -> dict[str, Schema]:
    return {
        "engine": dict(_ENGINE),
        "state": dict(_STATE),
        "approval": dict(_APPROVAL),
        "policy": dict(POLICY_SCHEMA),
        "variables": _named(_VARIABLE, f"^{VARIABLE_NAME}$"),
        "defaults": _defaults(),
        "instances": _named(_object(KINDS["instance"])),
        "keys": _named(_object(KINDS["key"])),
        "aliases": _named(_attribute(KINDS["alias"].by_name["key"]), ALIAS_NAME_SCHEMA["pattern"]),
        "default_key": _object(KINDS["default_key"]),
        "service_keys": _named(_object(KINDS["service_key"])),
        **_ROUND_LISTS,
    }


def _named(entry: Schema, pattern: str = NAME_PATTERN) -> Schema:
    return {"type": ["object", "null"], "propertyNames": {"pattern": pattern}, "additionalProperties": entry}


def _object(kind: Kind, without: Iterable[str] = ()) -> Schema:
    """Return the schema of one object. Nothing is required: a default may say it, which the rules see."""
    properties = {
        attribute.name: _attribute(attribute)
        for attribute in kind.attributes
        if attribute.written and attribute.name not in without
    }
    return {"type": ["object", "null"], "additionalProperties": False, "properties": properties}


def _attribute(attribute: Attribute) -> Schema:
    return {"description": attribute.doc, **attribute.schema}


def _defaults() -> Schema:
    properties = {name: _object(KINDS[name], without) for name, without in NOT_DEFAULTS.items()}
    return {"type": ["object", "null"], "additionalProperties": False, "properties": properties}


def _templated(schema: Schema) -> Schema:
    """Return a schema that also takes references, here and at every value below."""
    inner = {name: _inside(name, value) for name, value in schema.items()}
    if _takes_any_text(schema):
        return inner
    outer = {name: inner.pop(name) for name in ("description",) if name in inner}
    return {**outer, "anyOf": [inner, dict(_REFERENCE)]}


def _inside(keyword: str, value: Any) -> Any:
    if keyword == "properties":
        return {name: _templated(schema) for name, schema in value.items()}
    if keyword in ("additionalProperties", "items") and isinstance(value, dict):
        return _templated(value)
    if keyword == "oneOf":
        # A reference for a whole branch would fit every branch, and so not exactly one.
        return [{name: _inside(name, part) for name, part in branch.items()} for branch in value]
    return value


def _takes_any_text(schema: Schema) -> bool:
    return schema.get("type") == "string" and not {"pattern", "enum", "maxLength"} & set(schema)
