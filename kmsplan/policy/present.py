"""The view of what is there now: what the KMS holds, whoever manages it, with what only a record knows of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import ALIAS_PREFIX, SERVICE_ALIAS_PREFIX
from kmsplan.policy.fact import instance_facts, key_facts, material_facts, named, observed_facts
from kmsplan.policy.thing import KEYS, Thing
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.value import Present, Unreadable
from kmsplan.rule.fact import NOW, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kmsplan.config.diagnostic import Span
    from kmsplan.policy.fact import Facts
    from kmsplan.policy.thing import Ground

_RECORDED_ALONE: Final = ("deletion_window", "used_by", "min_versions")
"""What of a key the KMS does not hold, and rules ask for."""


def present(ground: Ground) -> Iterator[Thing]:
    """Yield what the KMS holds now, whoever manages it, but for keys that wait for their deletion."""
    return _Present(ground).things()


class _Present:
    """The view of what the KMS holds."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._now = {NOW.name: ground.now}
        self._records = {record.identity: record for record in ground.recorded.records.values()}
        observed = ground.observed
        known = (*observed.objects.values(), *observed.others) if observed else ()
        found = {one.identity: one for one in known if isinstance(one, Present)}
        self._found = dict(sorted(found.items()))
        self._unread = (
            {identity: one for identity, one in sorted(observed.objects.items()) if isinstance(one, Unreadable)}
            if observed
            else {}
        )

    def things(self) -> Iterator[Thing]:
        types = {one.identity: one.attributes.get("type") for one in self._of("instance")}
        inside = Counter(one.attributes["instance"] for one in self._of("key"))
        aliases: dict[str, list[str]] = {}
        for one in self._of("alias"):
            aliases.setdefault(one.attributes["key"], []).append(one.identity.removeprefix(ALIAS_PREFIX))
        for one in self._of(*KEYS):
            if one.state != KeyState.PENDING_DELETION:
                instance = one.attributes.get("instance")
                type_ = types.get(instance) if instance else ""
                yield self._thing(Subject.KEY, one, self._key(one, type_, aliases.get(one.identity, ())))
        for one in self._of("alias"):
            if not one.identity.startswith(SERVICE_ALIAS_PREFIX):
                yield self._thing(Subject.ALIAS, one, self._alias(one))
        for one in self._of("instance"):
            yield self._thing(Subject.INSTANCE, one, instance_facts(self._whole(one), keys=inside[one.identity]))

        yield from self._unreadable()

    def _unreadable(self) -> Iterator[Thing]:
        """Yield what the KMS has and could not tell of. Rules skip it and count that: nobody takes it for sound."""
        for identity, one in self._unread.items():
            address = self._address(identity)
            kind = kind_of(Address(address)) if address else "key"
            subject = Subject.KEY if kind in KEYS else Subject(kind) if kind in ("alias", "instance") else None
            if subject is not None:
                facts = observed_facts(one, self._ground.now) if subject is Subject.KEY else {}
                yield Thing(
                    subject=subject,
                    address=address,
                    identity=identity,
                    facts={**facts, **named(subject, address, identity, managed=bool(address)), **self._now},
                    span=self._span(address),
                )

    def _of(self, *kinds: str) -> Iterator[Present]:
        return (one for one in self._found.values() if one.kind in kinds)

    def _thing(self, subject: Subject, one: Present, facts: Facts) -> Thing:
        address = self._address(one.identity)
        who = named(subject, address, one.identity, managed=bool(address))
        if subject is Subject.ALIAS:
            who[f"{subject}.name"] = one.identity.removeprefix(ALIAS_PREFIX)
        return Thing(
            subject=subject,
            address=address,
            identity=one.identity,
            facts={**facts, **who, **self._now},
            span=self._span(address),
        )

    def _span(self, address: str) -> Span | None:
        declared = self._ground.desired.get(Address(address))
        return declared.span if declared else None

    def _address(self, identity: str) -> str:
        record = self._records.get(identity)
        return record.address if record else ""

    def _key(self, one: Present, instance_type: str | None, aliases: Iterable[str]) -> Facts:
        attributes, now = self._whole(one), self._ground.now
        instance = attributes.get("instance")
        if instance:
            attributes["instance"] = self._address(instance) or instance
        return {
            **key_facts(one.kind, attributes, instance_type=instance_type, aliases=aliases),
            **material_facts(attributes.get("imported"), now),
            **observed_facts(one, now),
        }

    def _alias(self, one: Present) -> Facts:
        identity = one.attributes["key"]
        address, target = self._address(identity), self._found.get(identity)
        return {
            "alias.key": address or identity,
            "alias.key_managed": bool(address),
            "alias.key_leaves": target is not None and target.state == KeyState.PENDING_DELETION,
        }

    def _whole(self, one: Present) -> dict[str, Any]:
        """Return what is there, with what only the record knows of it."""
        record = self._records.get(one.identity)
        settings = record.attributes if record else {}
        return {**{name: settings[name] for name in _RECORDED_ALONE if name in settings}, **one.attributes}
