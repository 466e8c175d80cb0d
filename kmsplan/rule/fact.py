"""What rules can ask of an object: one table, from which types are checked and docs/policy.md is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Subject(StrEnum):
    """What a rule judges, one by one."""

    KEY = "key"
    """Keys in instances, and the default CMK."""
    ALIAS = "alias"
    INSTANCE = "instance"
    CHANGE = "change"
    """What a plan does to one object."""


class Type(StrEnum):
    """A fact's type, by the name that CEL has for it."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"
    STRINGS = "list(string)"
    TAGS = "map(string, string)"
    STATEMENTS = "list(map(string, dyn))"
    TIME = "timestamp"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a rule can ask."""

    name: str
    type: Type
    doc: str
    sometimes: bool = False
    """Whether there are objects of which it is not known; a rule that needs it skips them."""


NOW: Final = Fact("now", Type.TIME, "When the rules are judged.")
PARAMETERS: Final = "params"
"""What a rule's parameters are under: `params.rotation_days`."""
_BOOL, _INT, _STRING, _STRINGS = Type.BOOL, Type.INT, Type.STRING, Type.STRINGS

_KEY: Final = (
    Fact("key.address", _STRING, 'Its address; "" of a key that nobody manages.'),
    Fact("key.name", _STRING, "The address without its kind."),
    Fact("key.identity", _STRING, 'Its id at the KMS; "" before it is made.'),
    Fact("key.kind", _STRING, "`key` or `default_key`."),
    Fact("key.managed", _BOOL, "Whether this configuration manages it."),
    Fact("key.enabled", _BOOL, "Whether it answers to cryptography."),
    Fact("key.spec", _STRING, "The key spec, as the API spells it: `Aliyun_AES_256`, `RSA_3072`."),
    Fact("key.family", _STRING, "`AES`, `SM4`, `DES3`, `RSA`, `EC`, `SM2` or `HMAC`."),
    Fact("key.bits", _INT, "The size of the key, or of the modulus, in bits."),
    Fact("key.strength", _INT, "The security strength in bits (SP 800-57 part 1, table 2; HMAC: the key's size)."),
    Fact("key.symmetric", _BOOL, "Whether one secret does and undoes."),
    Fact("key.usage", _STRING, "`ENCRYPT/DECRYPT`, `SIGN/VERIFY` or `GENERATE_MAC/VERIFY_MAC`."),
    Fact("key.origin", _STRING, "`Aliyun_KMS` or `EXTERNAL` (imported)."),
    Fact("key.hsm_object", _STRING, "The object of a token that it stands for (`hsm_object`), or empty."),
    Fact("key.instance", _STRING, 'Its instance\'s address, or identity where nobody manages that; "" without one.'),
    Fact("key.instance_type", _STRING, '`software`, `hardware` or `external`; "" without an instance.', sometimes=True),
    Fact("key.can_rotate", _BOOL, "Whether the KMS offers automatic rotation for such a key.", sometimes=True),
    Fact("key.rotation_days", _INT, "The rotation period in days, part days as whole ones; 0: it does not rotate."),
    Fact("key.min_versions", _INT, "How many versions an asymmetric key is to have at least; 0: not said."),
    Fact("key.deletion_protection", _BOOL, "Whether its deletion is refused."),
    Fact("key.deletion_window", _INT, "Days between a delete and the loss of the key.", sometimes=True),
    Fact("key.description", _STRING, "Its description."),
    Fact("key.used_by", _STRINGS, "Who is declared to use it.", sometimes=True),
    Fact("key.tags", Type.TAGS, 'Its tags, without kmsplan\'s own. Ask `"NAME" in key.tags` first.'),
    Fact("key.aliases", _STRINGS, "Names of the aliases that point at it, without `alias/`."),
    Fact("key.material_expires", _BOOL, "Origin EXTERNAL: whether the material has an end.", sometimes=True),
    Fact("key.material_days", _INT, "Days until it ends; negative when it has.", sometimes=True),
    Fact("key.policy", Type.STATEMENTS, "The statements of its key policy; empty: the KMS's default policy."),
    Fact("key.administrators", _STRINGS, "Principals that the policy lets change the key, without those it denies."),
    Fact("key.users", _STRINGS, "Principals that the policy lets encrypt, decrypt, sign or make a MAC with it."),
    Fact("observed.exists", _BOOL, "Whether the KMS holds it now.", sometimes=True),
    Fact("observed.state", _STRING, "`Enabled`, `Disabled`, `PendingDeletion`, `PendingImport`, ...", sometimes=True),
    Fact("observed.age_days", _INT, "Days since it was made.", sometimes=True),
    Fact("observed.material_age_days", _INT, "Days since it was last rotated, or made.", sometimes=True),
    Fact("observed.unused_days", _INT, "Days for which it is known not to have been used.", sometimes=True),
    Fact("change.action", _STRING, "What the plan does to it: `create`, `update`, ..., `no-op`.", sometimes=True),
)
_ALIAS: Final = (
    Fact("alias.address", _STRING, 'Its address; "" of one that nobody manages.'),
    Fact("alias.name", _STRING, "Its name, without `alias/`."),
    Fact("alias.managed", _BOOL, "Whether this configuration manages it."),
    Fact("alias.key", _STRING, "The key's address, or identity where nobody manages it."),
    Fact("alias.key_managed", _BOOL, "Whether this configuration manages the key."),
    Fact("alias.key_leaves", _BOOL, "Whether the key is to be deleted, or its deletion is pending."),
    Fact("change.action", _STRING, "What the plan does to the alias.", sometimes=True),
)
_INSTANCE: Final = (
    Fact("instance.address", _STRING, 'Its address; "" of one that nobody manages.'),
    Fact("instance.name", _STRING, "The address without its kind."),
    Fact("instance.identity", _STRING, 'Its id at the KMS; "" before it is made.'),
    Fact("instance.managed", _BOOL, "Whether this configuration manages it."),
    Fact("instance.type", _STRING, "`software`, `hardware` or `external`."),
    Fact("instance.spec", _INT, "Requests a second."),
    Fact("instance.key_quota", _INT, "How many key versions it holds."),
    Fact("instance.keys", _INT, "How many keys are in it."),
    Fact("instance.deletion_protection", _BOOL, "Whether its release is refused."),
    Fact("instance.pinned", _BOOL, "Whether the certificate of its proxy is pinned; true without a proxy."),
    Fact("instance.tags", Type.TAGS, "Its tags, without kmsplan's own."),
    Fact("change.action", _STRING, "What the plan does to it.", sometimes=True),
)
_CHANGE: Final = (
    Fact("change.address", _STRING, "The object's address."),
    Fact("change.kind", _STRING, "`key`, `alias`, `instance`, `default_key` or `service_key`."),
    Fact("change.action", _STRING, "`create`, `update`, `replace`, `delete`, `restore`, `adopt` or `forget`."),
    Fact("change.reason", _STRING, "Why: `new`, `changed`, `drifted`, ...; `action_reason` of plan --json."),
    Fact("change.attributes", _STRINGS, "The attributes that differ."),
    Fact("change.deletes", _BOOL, "Whether it deletes the object, or schedules its deletion."),
    Fact("change.disables", _BOOL, "Whether it disables a key."),
    Fact("change.unprotects", _BOOL, "Whether it takes deletion protection off."),
    Fact("change.window_days", _INT, "Days between the deletion of a key and its loss.", sometimes=True),
    Fact("change.unused_days", _INT, "Days for which the key is known not to have been used.", sometimes=True),
    Fact("change.aliases", _STRINGS, "Aliases of a key that is deleted, disabled or replaced."),
    Fact("change.used_by", _STRINGS, "Who is declared to use it."),
    Fact("change.tags", Type.TAGS, "The object's tags, before a delete or after any other change."),
)

FACTS: Final[Mapping[Subject, Mapping[str, Fact]]] = MappingProxyType(
    {
        subject: MappingProxyType({fact.name: fact for fact in (*facts, NOW)})
        for subject, facts in {
            Subject.KEY: _KEY,
            Subject.ALIAS: _ALIAS,
            Subject.INSTANCE: _INSTANCE,
            Subject.CHANGE: _CHANGE,
        }.items()
    }
)
"""By subject, then name: everything that its rules can ask."""
