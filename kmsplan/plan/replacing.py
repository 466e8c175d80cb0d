"""A change that only a new key can carry: refused, or a successor that takes the address and the aliases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kmsplan.kms.lifecycle import KeyState
from kmsplan.plan import rules
from kmsplan.plan.plan import Action, Change, Reason
from kmsplan.plan.verdict import UNAVAILABLE, Verdict, blocked, refused
from kmsplan.resource import key
from kmsplan.resource.address import Address, retired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.configuration import Declared
    from kmsplan.plan.situation import Situation
    from kmsplan.resource.value import Present

KEEPS_DATA = (
    "what was encrypted under the old key still needs it: it is kept as {retired}, disabled; enable it there to decrypt"
)


def replacement(
    situation: Situation, declared: Declared, present: Present, change: Change, names: tuple[str, ...]
) -> Verdict:
    """Return succession where the configuration asks for it, else a refusal."""
    change = replace(change, action=Action.REPLACE, reason=Reason.CANNOT_UPDATE, attributes=names)
    if declared.attributes.get("on_replace") != "succeed" or present.state == KeyState.PENDING_DELETION:
        return refused(change, rules.needs_material(change.address, names, declared))
    if present.state == KeyState.UNAVAILABLE:
        return Verdict(blocked(change, UNAVAILABLE))
    before, after = change.before or {}, change.after or {}
    predecessor = _free(change.address, situation.records)
    successor = replace(
        change,
        steps=key.create(change.address, after, retires=predecessor),
        note=KEEPS_DATA.format(retired=predecessor),
    )
    return Verdict(successor, predecessor=retire(predecessor, present.identity, before))


def retire(address: Address, identity: str, before: Mapping[str, object]) -> Change:
    """Return the change that disables a predecessor."""
    after = {**before, "enabled": False}
    steps = key.update(identity, before, after)
    return Change(
        address=address,
        action=Action.UPDATE if steps else Action.NO_OP,
        reason=Reason.SUCCEEDED,
        identity=identity,
        before=before,
        after=after,
        attributes=("enabled",) if steps else (),
        steps=steps,
    )


def _free(address: Address, records: Mapping[Address, object]) -> Address:
    """Return the first retired address that is not taken."""
    number = 1
    while retired(address, number) in records:
        number += 1
    return retired(address, number)
