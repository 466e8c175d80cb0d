"""Objects that the KMS holds and nobody manages: keys that no plan will ever rotate, restrict or delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.kms.naming import SERVICE_ALIAS_PREFIX, Owner
from kmsplan.plan.plan import Drift

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.resource.value import Observed, Present
    from kmsplan.state.record import Recorded

UNMANAGED: Final = "unmanaged"


def unmanaged(recorded: Recorded, observed: Observed, addresses: Mapping[str, str]) -> Iterator[Drift]:
    """Yield a drift for every object without a record.

    Left out is what somebody manages all the same: objects that carry another configuration's owner tag, with their
    aliases, what a cloud service keeps for itself, what is left of KMS 1.0 and nobody can manage, and what an
    interrupted operation may just have made.
    """
    others = {present.identity: present for present in observed.others}
    tokens = {operation.token for operation in recorded.pending if operation.token}
    named = {operation.parameters.get("AliasName") for operation in recorded.pending}
    for present in observed.others:
        owner = Owner.parse(present.owner) if present.owner else None
        if present.kind == "alias":
            if present.identity not in named and not _of_others(present, others, recorded.lineage):
                yield _drift(present, f"it points at {_target(present, addresses)}")
        elif present.kind == "service_key" or (owner and (owner.lineage != recorded.lineage or owner.token in tokens)):
            continue
        else:
            yield _drift(present, _owned(owner) if owner else f"its state is {present.state}")


def _drift(present: Present, detail: str) -> Drift:
    return Drift(address="", identity=present.identity, kind=UNMANAGED, detail=detail)


def _owned(owner: Owner) -> str:
    return (
        f"its owner tag says {owner.address} of this configuration, but it is not recorded: declare it to adopt it, or "
        "recreate the state with kmsplan state rebuild"
    )


def _target(present: Present, addresses: Mapping[str, str]) -> str:
    key = str(present.attributes["key"])
    return addresses.get(key, key)


def _of_others(alias: Present, others: Mapping[str, Present], lineage: str) -> bool:
    if alias.identity.startswith(SERVICE_ALIAS_PREFIX):
        return True
    key = others.get(str(alias.attributes["key"]))
    owner = Owner.parse(key.owner) if key and key.owner else None
    return bool(owner and owner.lineage != lineage)
