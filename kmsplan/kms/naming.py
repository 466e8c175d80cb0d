"""Ids, ARNs, aliases, tags and durations: their forms and limits (API reference, "Limits")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

ALIAS_PREFIX: Final = "alias/"
SERVICE_ALIAS_PREFIX: Final = "alias/acs"
INSTANCE_PREFIX: Final = "kst-"
ALIAS_LENGTH: Final = 255
"""Of the whole string, prefix included: the narrower of the two published readings."""
TAG_LIMIT: Final = 20
TAG_LENGTH: Final = 128
OWNER_TAG: Final = "kmsplan:owner"
STATE_TAG: Final = "kmsplan:state"
"""On one object of each state, where the KMS has no better place: lineage and serial that the state has come to."""
RESERVED_TAGS: Final = frozenset({OWNER_TAG, STATE_TAG})
"""Kmsplan's own; they are not among an object's tags, and never drift."""
DESCRIPTION_LENGTH: Final = 8192
POLICY_BYTES: Final = 32_768
TAGGED_LIMIT: Final = 50
"""Resources that one call tags or untags."""
OLD_TAG_LIMIT: Final = 10
"""Tags in one call of the older action TagResource."""
INSTANCE_NAME_LENGTH: Final = 128
SECOND: Final = 1
DAY: Final = 86_400

_ALIAS = re.compile(r"[A-Za-z0-9_/-]+")
_TAG = re.compile(r"[A-Za-z0-9/\\_.+=:@ -]*")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DURATION = re.compile(r"([0-9]{1,9})([dhms])")
_UNITS: Final = {"d": DAY, "h": 3600, "m": 60, "s": 1}
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LETTERS = bytes(ord(_ID_ALPHABET[byte % 36]) for byte in range(256))
_ID_TIME = 13
"""Hexadecimal digits of microseconds, good until 2112."""


def alias_problem(name: str) -> str | None:
    """Return what is wrong with a whole alias name (`alias/...`), or None."""
    if not name.startswith(ALIAS_PREFIX) or name == ALIAS_PREFIX:
        return f"an alias is written {ALIAS_PREFIX}NAME"
    if name.startswith(SERVICE_ALIAS_PREFIX):
        return f"aliases under {SERVICE_ALIAS_PREFIX} are reserved for cloud services"
    if not _ALIAS.fullmatch(name):
        return "an alias is made of letters, digits, '_', '-' and '/'"
    if len(name) > ALIAS_LENGTH:
        return f"an alias has at most {ALIAS_LENGTH} characters, this one has {len(name)}"
    return None


def tag_problem(key: str, value: str) -> str | None:
    """Return what is wrong with one tag, or None."""
    if not key:
        return "a tag key must not be empty"
    if key.startswith(("aliyun", "acs:")):
        return f"tag keys must not start with 'aliyun' or 'acs:', this one is {key!r}"
    for what, text in (("key", key), ("value", value)):
        if len(text) > TAG_LENGTH:
            return f"a tag {what} has at most {TAG_LENGTH} characters, this one has {len(text)}"
        if not _TAG.fullmatch(text):
            return f"a tag {what} is made of letters, digits, space and / \\ _ - . + = : @, not {text!r}"
    return None


def parse_duration(text: str) -> int | None:
    """Return the seconds of `<int>[d|h|m|s]`, or None where the text is no duration."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def format_duration(seconds: int) -> str:
    """Return the shortest exact form: days where they divide, else seconds."""
    return f"{seconds // DAY}d" if seconds % DAY == 0 else f"{seconds}s"


def arn(region: str, account: str, resource: str) -> str:
    """Return `acs:kms:REGION:ACCOUNT:RESOURCE`, RESOURCE being `key/...` or `alias/...`."""
    return f"acs:kms:{region}:{account}:{resource}"


@dataclass(frozen=True, slots=True)
class Arn:
    """The parts of `acs:kms:REGION:ACCOUNT:KIND/NAME`."""

    region: str
    account: str
    kind: str
    """key, alias, keystore (an instance), secret, ..."""
    name: str


def parse_arn(text: str) -> Arn | None:
    """Read an ARN of the KMS; None where the text is none."""
    parts = text.split(":", 4)
    if len(parts) != 5 or parts[:2] != ["acs", "kms"]:  # noqa: PLR2004 - as many as the form has
        return None
    kind, slash, name = parts[4].partition("/")
    return Arn(parts[2], parts[3], kind, name) if parts[2] and parts[3] and kind and slash and name else None


def service_alias(service: str) -> str:
    """Return the alias of a cloud service's key."""
    return f"{SERVICE_ALIAS_PREFIX}/{service}"


def service_problem(name: str) -> str | None:
    """Return what is wrong with the name of a cloud service, or None."""
    return None if _SERVICE.fullmatch(name) else "a service's name is made of lower-case letters, digits and '-'"


def names_key(identity: str) -> bool:
    """Return whether an identity is a key's: neither an alias nor an instance has its form."""
    return not identity.startswith((ALIAS_PREFIX, INSTANCE_PREFIX))


def is_old_key_id(text: str) -> bool:
    """Return whether a text has the form of a key id of KMS 1.0, a UUID."""
    return _UUID.fullmatch(text) is not None


def _suffix(entropy: bytes, length: int) -> str:
    """Return `length` characters of the id alphabet, one from each byte (the 1.6 % bias is harmless in an id)."""
    return entropy[:length].translate(_ID_LETTERS).decode("ascii")


def key_id(entropy: bytes, time: float) -> str:
    """Return a KMS 3.0 key id, `key-` and 21 characters: when it was made, and 8 that are random.

    Ids of keys that are made one after the other stand side by side in every index, so that new keys fill one page of a
    database after another; random ids would change pages all over it. The cloud's ids hold the time as well.

    Args:
        entropy: at least 8 random bytes.
        time: seconds since 1970; two keys have the same to the microsecond only by chance.
    """
    return f"key-{round(time * 1_000_000) % 16**_ID_TIME:0{_ID_TIME}x}{_suffix(entropy, 8)}"


def key_version_id(key: str, entropy: bytes) -> str:
    """Return a key version id, 36 characters, from at least 10 random bytes."""
    return f"{key}-{_suffix(entropy, 10)}"


def instance_id(entropy: bytes) -> str:
    """Return an instance id, `kst-` and 21 characters, from at least 21 random bytes."""
    return f"{INSTANCE_PREFIX}{_suffix(entropy, 21)}"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who made an object: the value of its owner tag, which also finds an interrupted creation again."""

    lineage: str
    address: str
    token: str

    def __str__(self) -> str:
        return f"{self.lineage}/{self.address}/{self.token}"

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Read an owner tag; None where it has another form."""
        lineage, _, rest = text.partition("/")
        address, _, token = rest.rpartition("/")
        return cls(lineage, address, token) if lineage and address and token else None
