"""Who did it: drift, matched with the audit trail's newest entries that explain it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.drift.report import Cause
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import ALIAS_PREFIX
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from kmsplan.kms.trail import Event
    from kmsplan.plan.plan import Drift, DriftedAttribute

_TAGGING: Final = frozenset({"TagResources", "UntagResources", "TagResource", "UntagResource"})
_BESIDE: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "key": frozenset({"DeleteAlias", "CreateAlias"}),
        "imported": frozenset({"DeleteKeyMaterial", "ExpireKeyMaterial"}),
        "tags": _TAGGING,
        "owner": _TAGGING,
    }
)
"""By attribute: what changes it beside the operations that kmsplan changes it with; those its table names."""
_CHANGING: Final[Mapping[str, Mapping[str, frozenset[str]]]] = MappingProxyType(
    {
        kind.name: MappingProxyType(
            {
                **_BESIDE,
                **{
                    attribute.name: frozenset(attribute.operations) | _BESIDE.get(attribute.name, frozenset())
                    for attribute in kind.attributes
                },
            }
        )
        for kind in KINDS.values()
    }
)
_TO: Final[Mapping[tuple[str, Any], frozenset[str]]] = MappingProxyType(
    {
        ("enabled", True): frozenset({"EnableKey", "CancelKeyDeletion"}),
        ("enabled", False): frozenset({"DisableKey"}),
        ("state", KeyState.ENABLED.value): frozenset({"CancelKeyDeletion"}),
        ("state", KeyState.DISABLED.value): frozenset({"CancelKeyDeletion", "DisableKey"}),
        ("state", KeyState.PENDING_IMPORT.value): frozenset({"CancelKeyDeletion"}),
        # That an HSM cannot be reached, no call of anybody explains.
        ("state", KeyState.UNAVAILABLE.value): frozenset(),
    }
)
"""By attribute and what is observed of it: the calls that lead there, where others lead away."""
_MAKING: Final = frozenset({"CreateKey", "CreateInstance"})
_OF_KIND: Final[Mapping[tuple[str, bool], frozenset[str]]] = MappingProxyType(
    {
        ("vanished", True): frozenset({"DeleteAlias"}),
        # The deletion itself is the KMS's own doing, at the end of a window that somebody opened.
        ("vanished", False): frozenset({"ScheduleKeyDeletion", "ReleaseKmsInstance"}),
        ("pending_deletion", False): frozenset({"ScheduleKeyDeletion"}),
        ("unmanaged", True): frozenset({"CreateAlias", "UpdateAlias"}),
        ("unmanaged", False): _MAKING,
    }
)
"""By kind of drift, and whether it is an alias: what brings it about."""


def actions(drift: Drift) -> frozenset[str]:
    """Return the API's actions that explain a drift; none where it is that nothing is known."""
    known = _OF_KIND.get((drift.kind, drift.identity.startswith(ALIAS_PREFIX)))
    if known is not None:
        return known
    if drift.kind != "changed":
        return frozenset()
    kind = kind_of(Address(drift.address))
    return frozenset[str]().union(*(_leading(kind, one) for one in drift.attributes))


def _leading(kind: str, one: DriftedAttribute) -> frozenset[str]:
    observed = one.observed if isinstance(one.observed, str | bool) else None
    found = _TO.get((one.name, observed))
    return _CHANGING[kind].get(one.name, frozenset()) if found is None else found


def causes(drift: Iterable[Drift], newest: Callable[[Collection[str]], Iterable[Event]]) -> dict[int, Cause]:
    """Return who did it, by position, as far as the trail tells; it is read no further back than need be.

    Args:
        drift: what is to be explained.
        newest: yields the trail's entries of these actions, the newest first.
    """
    waiting: dict[str, dict[int, frozenset[str]]] = {}
    for position, one in enumerate(drift):
        if explaining := actions(one):
            waiting.setdefault(one.identity, {})[position] = explaining
    result: dict[int, Cause] = {}
    if not waiting:
        return result
    wanted = frozenset[str]().union(*(found for each in waiting.values() for found in each.values()))
    for event in newest(wanted):
        for identity in event.subjects & waiting.keys():
            for position in [at for at, found in waiting[identity].items() if event.action in found]:
                result[position] = _cause(event)
                del waiting[identity][position]
            if not waiting[identity]:
                del waiting[identity]
        if not waiting:
            break
    return result


def _cause(event: Event) -> Cause:
    return Cause(
        actor=event.actor,
        time=event.time,
        action=event.action,
        request_id=event.request_id,
        source=event.source,
    )
