"""The view of what will be: what is declared, with what the KMS says of it, and every change of the plan."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kmsplan.plan.plan import Action
from kmsplan.policy.fact import change_facts, instance_facts, key_facts, material_facts, named, observed_facts
from kmsplan.policy.thing import KEYS, Thing
from kmsplan.resource.address import kind_of, name_of
from kmsplan.resource.value import ABSENT, Present, Unreadable
from kmsplan.rule.fact import NOW, Subject

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from kmsplan.config.configuration import Declared
    from kmsplan.policy.fact import Facts
    from kmsplan.policy.thing import Ground
    from kmsplan.resource.address import Address
    from kmsplan.resource.value import Observation


def planned(ground: Ground) -> Iterator[Thing]:
    """Yield what will be once the plan is done, and every change of it."""
    return _Planned(ground).things()


class _Planned:
    """The view of what is declared."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._now = {NOW.name: ground.now}
        moved, records = ground.moved, ground.recorded.records.values()
        self._identities = {moved.get(record.address, record.address): record.identity for record in records}
        changes = ground.plan.changes if ground.plan else ()
        self._actions = {change.address: change.action for change in changes}
        self._identities.update({change.address: change.identity for change in changes if change.identity})
        self._leaving = {address for address, action in self._actions.items() if action is Action.DELETE}

    def things(self) -> Iterator[Thing]:
        desired = {} if self._ground.plan and self._ground.plan.destroy else self._ground.desired
        types = {address: one.attributes["type"] for address, one in _of(desired, ("instance",))}
        inside = Counter(one.attributes["instance"] for _, one in _of(desired, ("key",)))
        aliases: dict[str, list[str]] = {}
        for address, one in _of(desired, ("alias",)):
            aliases.setdefault(one.attributes["key"], []).append(name_of(address))
        for address, one in _of(desired, KEYS):
            instance = one.attributes.get("instance")
            type_ = types.get(instance) if instance else ""
            yield self._thing(Subject.KEY, one, self._key(one, type_, aliases.get(address, ())))
        for address, one in _of(desired, ("alias",)):
            yield self._thing(Subject.ALIAS, one, self._alias(address, one.attributes["key"], desired))
        for address, one in _of(desired, ("instance",)):
            yield self._thing(Subject.INSTANCE, one, instance_facts(one.attributes, keys=inside[address]))
        for change in self._ground.plan.effective if self._ground.plan else ():
            yield Thing(
                subject=Subject.CHANGE,
                address=change.address,
                identity=change.identity or "",
                facts={**change_facts(change, self._found(change.address), self._ground.now), **self._now},
                span=declared.span if (declared := desired.get(change.address)) else None,
            )

    def _thing(self, subject: Subject, one: Declared, facts: Facts) -> Thing:
        identity = self._identities.get(one.address, "")
        who = named(subject, one.address, identity, managed=True)
        action = {"change.action": self._actions.get(one.address, Action.NO_OP).value} if self._ground.plan else {}
        return Thing(
            subject=subject,
            address=one.address,
            identity=identity,
            facts={**facts, **who, **action, **self._now},
            span=one.span,
        )

    def _key(self, one: Declared, instance_type: str | None, aliases: Iterable[str]) -> Facts:
        found = self._found(one.address)
        imported = one.attributes.get("imported")
        if imported is None and isinstance(found, Present):
            imported = found.attributes.get("imported")
        return {
            **key_facts(kind_of(one.address), one.attributes, instance_type=instance_type, aliases=aliases),
            **material_facts(imported, self._ground.now),
            **observed_facts(found, self._ground.now),
        }

    def _alias(self, address: Address, key: str, desired: Container[str]) -> Facts:
        del address
        return {"alias.key": key, "alias.key_managed": key in desired, "alias.key_leaves": key in self._leaving}

    def _found(self, address: Address) -> Observation | None:
        """Return what the KMS says of a managed object; None where it was not asked."""
        observed, identity = self._ground.observed, self._identities.get(address)
        if observed is None:
            return None
        if identity is None:
            return ABSENT
        return observed.objects.get(identity) or Unreadable("NotRead", f"{identity} was not read")


def _of(desired: Mapping[Address, Declared], kinds: Container[str]) -> Iterator[tuple[Address, Declared]]:
    return ((address, one) for address, one in desired.items() if kind_of(address) in kinds)
