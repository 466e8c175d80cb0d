"""Everything that a KMS holds, as its answers say it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.naming import ALIAS_PREFIX, INSTANCE_PREFIX
from kmsplan.kms.spec import SPECS
from kmsplan.provider.alibaba.failure import CallError, shaped
from kmsplan.provider.alibaba.request import compact
from kmsplan.resource.value import ABSENT, Absent, Unreadable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kmsplan.provider.alibaba.reads import Reads, Row

Tags = dict[str, str]
TAGGED: Final = 50
"""Resources whose tags one call lists."""
NOT_FOUND: Final[Mapping[str, frozenset[str]]] = {
    "key": frozenset({"Forbidden.KeyNotFound"}),
    "alias": frozenset({"Forbidden.AliasNotFound"}),
    "instance": frozenset({"Forbidden.DKMSInstanceNotFound"}),
}
"""By kind: the codes that say, with status 404, that there is no such object."""
READS: Final[Mapping[str, str]] = {"key": "DescribeKey", "alias": "DescribeKey", "instance": "GetKmsInstance"}
"""By kind: the action that tells what an object is."""
ASYMMETRIC: Final = frozenset(spec.value for spec, facts in SPECS.items() if not facts.symmetric)
_TAGS: Final = "ListTagResources"
_NO_POLICY: Final = "Forbidden.ResourceNotFound"
_GOING: Final = "Rejected.PendingDeletion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """What was read, by identity."""

    keys: Mapping[str, Row | Absent | Unreadable]
    """KeyMetadata, with the key's Policy where it has one."""
    instances: Mapping[str, Row | Absent | Unreadable]
    aliases: Mapping[str, Row | Absent | Unreadable]
    tags: Mapping[str, Tags]
    """Of every key and instance that was read."""
    key_arns: Collection[str] = ()
    """Which tell the account."""


def kind_of(identity: str) -> str:
    """Return the kind that an identity's form tells."""
    if identity.startswith(ALIAS_PREFIX):
        return "alias"
    return "instance" if identity.startswith(INSTANCE_PREFIX) else "key"


def survey(reads: Reads, identities: Iterable[str]) -> Surveyed:
    """Read everything that there is, and the objects with these identities wherever the lists have left them out.

    Raises:
        CallError: a list or the tags cannot be read, so that nobody knows what there is.
    """
    asked = {kind: [name for name in identities if kind_of(name) == kind] for kind in NOT_FOUND}
    listed = {kind: _list(reads, kind) for kind in NOT_FOUND}
    wanted = {kind: tuple(dict.fromkeys((*listed[kind], *asked[kind]))) for kind in NOT_FOUND}
    keys = _all(reads, _key, wanted["key"])
    instances = _all(reads, _instance, wanted["instance"])
    missing = tuple(name for name in asked["alias"] if name not in listed["alias"])
    return Surveyed(
        keys=keys,
        instances=instances,
        aliases={**listed["alias"], **_all(reads, _alias, missing)},
        tags={**_tags(reads, "key", keys), **_tags(reads, "instance", instances)},
        key_arns=[row["KeyArn"] for row in listed["key"].values() if row.get("KeyArn")],
    )


def look_up(reads: Reads, *, identity: str | None, owner: tuple[str, str] | None) -> Surveyed:
    """Read one object, or the keys and instances that carry one tag, and nothing else.

    Raises:
        CallError: what carries the tag cannot be listed.
    """
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(NOT_FOUND, ())
    if identity is not None:
        wanted[kind_of(identity)] = (identity,)
    if owner is not None:
        filters = [{"Key": "TagKey", "Values": [owner[0]]}, {"Key": "TagValue", "Values": [owner[1]]}]
        wanted["key"] = tuple(_list(reads, "key", Filters=compact(filters)))
        wanted["instance"] = tuple(_list(reads, "instance"))  # few, and their tags are no filter everywhere
    keys, instances = _all(reads, _key, wanted["key"]), _all(reads, _instance, wanted["instance"])
    return Surveyed(
        keys=keys,
        instances=instances,
        aliases=_all(reads, _alias, wanted["alias"]),
        tags={**_tags(reads, "key", keys), **_tags(reads, "instance", instances)},
    )


def keys_in(reads: Reads, instance: str) -> list[str]:
    """Return the ids of all keys in an instance, those that wait for their deletion too.

    Raises:
        CallError: they cannot be listed.
    """
    return sorted(_list(reads, "key", Filters=compact([{"Key": "DKMSInstanceId", "Values": [instance]}])))


_LISTS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "key": ("ListKeys", "Keys", "Key", "KeyId"),
    "alias": ("ListAliases", "Aliases", "Alias", "AliasName"),
    "instance": ("ListKmsInstances", "KmsInstances", "KmsInstance", "KmsInstanceId"),
}
"""By kind: the action, where its answer has the entries, and what tells them apart."""


def _list(reads: Reads, kind: str, **query: Any) -> dict[str, Row]:
    action, outer, inner, identity = _LISTS[kind]

    def entries(answer: Row) -> list[Row]:
        return (answer.get(outer) or {}).get(inner) or []

    return {row[identity]: row for row in reads.pages(action, entries, identity, **query)}


def _all(reads: Reads, read: Any, identities: Iterable[str]) -> dict[str, Row | Absent | Unreadable]:
    identities = tuple(identities)
    return dict(zip(identities, reads.objects(lambda name: _one(reads, read, name), identities), strict=True))


def _one(reads: Reads, read: Any, identity: str) -> Row | Absent | Unreadable:
    """Read one object. Absent is what the KMS says is absent: status and code, nothing less."""
    try:
        with shaped(READS[kind_of(identity)]):
            row: Row = read(reads, identity)
    except CallError as error:
        if error.status == 404 and error.code in NOT_FOUND[kind_of(identity)]:  # noqa: PLR2004 - HTTP's
            return ABSENT
        return Unreadable(error.code, error.message)
    return row


def _key(reads: Reads, identity: str) -> Row:
    row: Row = reads.ask("DescribeKey", {"KeyId": identity})["KeyMetadata"]
    if not row.get("DKMSInstanceId"):  # only keys in instances have policies, and versions that somebody makes
        return {**row, "Policy": None, "Versions": None}
    return {**row, **_policy(reads, identity), "Versions": _versions(reads, row)}


def _versions(reads: Reads, row: Row) -> int | None:
    """Count an asymmetric key's versions; of the others nobody asks for more."""
    if row["KeySpec"] not in ASYMMETRIC:
        return None
    answer = reads.ask("ListKeyVersions", {"KeyId": row["KeyId"], "PageNumber": 1, "PageSize": 1})
    return int(answer["TotalCount"])


def _policy(reads: Reads, identity: str) -> Row:
    try:
        return {"Policy": reads.ask("GetKeyPolicy", {"KeyId": identity, "PolicyName": "default"})["Policy"]}
    except CallError as error:
        if error.code == _NO_POLICY:
            return {"Policy": None}
        if error.code == _GOING:
            return {}  # nobody knows; what is not told is not compared
        raise


def _alias(reads: Reads, name: str) -> Row:
    """Read an alias that was on no page: whichever key answers to it."""
    return {"AliasName": name, "KeyId": reads.ask("DescribeKey", {"KeyId": name})["KeyMetadata"]["KeyId"]}


def _instance(reads: Reads, identity: str) -> Row:
    row: Row = reads.ask("GetKmsInstance", {"KmsInstanceId": identity})["KmsInstance"]
    return row


def _tags(reads: Reads, kind: str, found: Mapping[str, object]) -> dict[str, Tags]:
    """Return the tags of every object that is there, or may be."""
    present = [identity for identity, row in found.items() if row is not ABSENT]
    batches = [present[start : start + TAGGED] for start in range(0, len(present), TAGGED)]
    tags: dict[str, Tags] = {identity: {} for identity in present}
    for row in itertools.chain.from_iterable(reads.each(lambda batch: _tag_rows(reads, kind, batch), batches)):
        with shaped(_TAGS):
            tags.setdefault(row["ResourceId"], {})[row["TagKey"]] = row.get("TagValue") or ""
    return tags


def _tag_rows(reads: Reads, kind: str, batch: list[str]) -> list[Row]:
    query: dict[str, Any] = {"RegionId": reads.region, "ResourceType": kind, "ResourceId": batch}
    rows: list[Row] = []
    while True:
        answer = reads.ask(_TAGS, query)
        with shaped(_TAGS):
            rows += (answer["TagResources"] or {}).get("TagResource") or []
        if not answer.get("NextToken"):
            return rows
        query = {**query, "NextToken": answer["NextToken"]}
