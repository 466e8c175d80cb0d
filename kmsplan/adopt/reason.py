"""Why an object is left out of a configuration: a table of tests, the first that speaks counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kmsplan.adopt.relation import is_service_alias
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import ALIAS_PREFIX, Owner
from kmsplan.resource.address import NAME
from kmsplan.resource.schema import ALIAS_NAME_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kmsplan.adopt.relation import Relations
    from kmsplan.resource.value import Present

_ALIAS: Final = re.compile(ALIAS_NAME_SCHEMA["pattern"].replace("$", r"\Z"))
_ORDER: Final = ("instance", "default_key", "service_key", "key", "alias")
"""What refers to another object is judged after it."""


def reasons(relations: Relations, *, lineages: Collection[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return, by identity, why objects are left out.

    Args:
        relations: everything that the KMS holds.
        lineages: of other configurations, whose objects are to be adopted.
        known: reasons that are known already.
    """
    found = dict(known)
    for kind in _ORDER:
        for present in relations.presents:
            if present.kind == kind and present.identity not in found and not is_service_alias(present):
                reason = _alias(present, relations, found) if kind == "alias" else _reason(present, lineages)
                reason = reason or _homeless(present, relations, found)
                if reason is not None:
                    found[present.identity] = reason
    return found


def _reason(present: Present, lineages: Collection[str]) -> str | None:
    """Return what about the object itself keeps it out."""
    if present.migrated:
        return "it was migrated from KMS 1.0: it is read, and nothing else"
    owner = Owner.parse(present.owner) if present.owner else None
    if owner is not None and owner.lineage not in lineages:
        return f"lineage {owner.lineage} owns it, as {owner.address}; --adopt-owned {owner.lineage} takes it over"
    if present.state == KeyState.PENDING_DELETION:
        when = present.computed.get("delete_date")
        return f"its deletion is scheduled{f' for {when}' if when else ''}, and to adopt it would cancel that"
    if present.state == KeyState.UNAVAILABLE:
        return "it is Unavailable: the HSM or key manager behind it does not answer, or does not know it"
    if "\0" in str(present.attributes.get("description")):
        return "its description holds the character NUL, which YAML has no text for"
    return None


def _homeless(present: Present, relations: Relations, found: Mapping[str, str]) -> str | None:
    """Return what about the place of a key keeps it out."""
    if present.kind == "service_key" and not NAME.fullmatch(relations.service(present.identity) or ""):
        return "no alias tells which service's key it is"
    if present.kind != "key":
        return None
    instance = present.attributes.get("instance")
    if instance is None:
        return "it is in no instance, and a key is declared in one"
    if instance not in relations.known or instance in found:
        return f"its instance {instance} is left out"
    return None


def _alias(present: Present, relations: Relations, found: Mapping[str, str]) -> str | None:
    key, name = str(present.attributes["key"]), present.identity.removeprefix(ALIAS_PREFIX)
    if key.startswith(ALIAS_PREFIX):
        return f"it points at {key}, which is no key"
    if key not in relations.known or key in found:
        return f"it points at {key}, which is left out"
    if not _ALIAS.match(name) or name.startswith(ALIAS_PREFIX):
        return "no configuration can declare an alias of this name"
    return None
