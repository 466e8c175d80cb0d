"""A model KMS with a state that speaks of it: planned for, applied to, and tampered with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from kmsplan.config.configuration import Configuration, Declared, EngineSettings
from kmsplan.config.diagnostic import Span
from kmsplan.kms import operation as kms
from kmsplan.kms.naming import OWNER_TAG, Owner
from kmsplan.kms.wire import resolve
from kmsplan.plan.diff import complete
from kmsplan.plan.moving import moved_records
from kmsplan.plan.plan import Action, Allowances, Plan, PlanOptions
from kmsplan.plan.planner import make_plan
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.offer import Offer
from kmsplan.resource.step import Effect
from kmsplan.state.entry import BeginEntry, EndEntry, Ending, RecordEntry
from kmsplan.state.folding import Folding
from kmsplan.state.record import Recorded
from tests.property.plan_model import ENVIRONMENT, Model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kmsplan.plan.plan import Change
    from kmsplan.resource.step import Step
    from kmsplan.resource.value import Observed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINEAGE = "lineage"
OFFER = Offer(
    name="the model",
    kinds=frozenset({"instance", "key", "alias"}),
    instance_types=frozenset({"software"}),
    specs={"software": frozenset({"Aliyun_AES_256", "EC_P256"})},
    origins=frozenset({"Aliyun_KMS"}),
    storage_mechanisms=frozenset(),
)
Desired = dict[Address, Declared]


@dataclass
class World:
    """A model KMS and the state that speaks of it."""

    model: Model = field(default_factory=Model)
    recorded: Recorded = field(default_factory=lambda: Recorded(lineage=LINEAGE, serial=0, environment=""))

    def observe(self, unreadable: frozenset[str] = frozenset()) -> Observed:
        """Read what is recorded, and see what else there is."""
        return self.model.observe([record.identity for record in self.recorded.records.values()], unreadable)

    def plan(
        self,
        desired: Desired,
        unreadable: frozenset[str] = frozenset(),
        staged: Mapping[Address, int | None] | None = None,
        moved: Mapping[Address, Address] | None = None,
        **options: Any,
    ) -> Plan:
        """Plan with the brakes off; how many deletions there will be, nobody knows before."""
        known = tuple(self.recorded.records)
        brakes_off = Allowances(mass=True, in_use=(*desired, *known), release=known)
        plan = make_plan(
            configuration=Configuration(
                root=Path(),
                engine=EngineSettings(provider="model"),
                state_path=Path(),
                desired=desired,
                variables={},
                digest="d",
                staged=staged or {},
                moved=moved or {},
            ),
            recorded=self.recorded,
            observed=self.observe(unreadable),
            offer=OFFER,
            options=PlanOptions(now=NOW, allowances=brakes_off, **options),
        )
        assert {violation.code for violation in plan.violations if violation.brake} <= {"P201"}
        rules = tuple(violation for violation in plan.violations if not violation.brake)
        return dataclasses.replace(plan, violations=rules)

    def apply(self, plan: Plan) -> None:
        """Carry out a plan in some order that `depends_on` allows, through the fold that the journal has."""
        folding = Folding(dataclasses.replace(self.recorded, environment=ENVIRONMENT))
        waiting = {change.address: change for change in plan.effective}
        while waiting:
            ready = [change for change in waiting.values() if not set(change.depends_on) & waiting.keys()]
            assert ready, "the changes wait for each other"
            for change in reversed(ready):
                self._carry_out(change, folding)
                del waiting[change.address]
        self.recorded = folding.recorded()

    def move(self, moved: Mapping[Address, Address]) -> None:
        """Give records other addresses, as `state mv` does."""
        for old, new in moved.items():
            folding = Folding(self.recorded)
            for change in moved_records(self.recorded.records, old, new):
                said: dict[str, Any] = {"address": change.address, "effect": change.effect, "identity": None}
                folding.add(RecordEntry(**_entry(0), **said, moved_from=change.moved_from))
            self.recorded = folding.recorded()

    def _carry_out(self, change: Change, folding: Folding) -> None:
        if change.effect is not None or change.moved_from is not None:
            folding.add(
                RecordEntry(
                    **_entry(0),
                    address=change.address,
                    effect=change.effect or Effect(),
                    identity=change.identity if change.action is Action.ADOPT else None,
                    moved_from=change.moved_from,
                )
            )
        for step in change.steps:
            self._execute(change.address, step, folding)

    def _execute(self, address: Address, step: Step, folding: Folding) -> None:
        identities = {found.address: found.identity for found in folding.recorded().records.values()}
        operation = resolve(step.operation, identities)  # type: ignore[arg-type]
        if isinstance(operation, kms.CreateKey | kms.CreateInstance):
            tags = {**operation.tags, OWNER_TAG: str(Owner(LINEAGE, address, f"t{self.model.made}"))}
            operation = dataclasses.replace(operation, tags=tags)
        begin: dict[str, Any] = {"operation": kms.name_of(operation), "parameters": {}, "token": None, "identity": None}
        folding.add(BeginEntry(**_entry(1), **begin, address=address, effect=step.effect))
        made = self.model.execute(operation)
        folding.add(EndEntry(**_entry(2), begin=1, ending=Ending.DONE, identity=made, code=None, message=None))


def _entry(sequence: int) -> dict[str, Any]:
    return {"sequence": sequence, "run": "r", "fence": 1, "time": NOW}


def declared(address: str, **attributes: Any) -> Declared:
    """Return a declaration with the attribute tables' defaults."""
    kind = KINDS[kind_of(Address(address))]
    span = Span("kmsplan.yaml", 1, 1, 1, 1)
    return Declared(address=Address(address), attributes=complete(kind, attributes), span=span)


def key(name: str, attributes: dict[str, Any]) -> Declared:
    """Return the declaration of a key; asymmetric ones do not rotate."""
    if attributes["spec"] == "EC_P256":
        return declared(f"key.{name}", **{**attributes, "usage": "SIGN/VERIFY", "rotation": None})
    return declared(f"key.{name}", usage="ENCRYPT/DECRYPT", **attributes)


KEYS = st.fixed_dictionaries(
    {
        "instance": st.sampled_from(["instance.core", "instance.core", "instance.more"]),
        "spec": st.sampled_from(["Aliyun_AES_256", "Aliyun_AES_256", "EC_P256"]),
        "description": st.sampled_from(["", "orders"]),
        "enabled": st.sampled_from([True, True, False]),
        "rotation": st.sampled_from([None, 7_776_000]),
        "tags": st.dictionaries(st.sampled_from("pqr"), st.sampled_from("12"), max_size=2),
        "deletion_protection": st.booleans(),
        "deletion_window": st.sampled_from([7, 30]),
        "on_replace": st.sampled_from(["refuse", "succeed", "succeed"]),
        "policy": st.sampled_from([None, {"Version": "1", "Statement": []}]),
    }
)


@st.composite
def configurations(draw: st.DrawFn) -> Desired:
    """Draw a valid configuration, in any order."""
    keys = draw(st.dictionaries(st.sampled_from("abcd"), KEYS, max_size=4))
    objects = [key(name, attributes) for name, attributes in keys.items()]
    needed = {found.attributes["instance"] for found in objects}
    for name in sorted(needed | draw(st.sets(st.sampled_from(["instance.core", "instance.more"])))):
        size, guarded = draw(st.sampled_from([1000, 2000])), draw(st.booleans())
        objects.append(declared(name, type="software", spec=size, deletion_protection=guarded))
    if keys:
        names = draw(st.dictionaries(st.sampled_from("xyz"), st.sampled_from(sorted(keys)), max_size=3))
        objects += [declared(f"alias.{name}", key=f"key.{target}") for name, target in names.items()]
    return {found.address: found for found in draw(st.permutations(objects))}


def _set(**changes: Any) -> Callable[[Model, str], None]:
    def tamper(model: Model, identity: str) -> None:
        model.things[identity].attributes |= changes

    return tamper


def _to(target: str, *sources: str) -> Callable[[Model, str], None]:
    def tamper(model: Model, identity: str) -> None:
        thing = model.things[identity]
        protected = target == "PendingDeletion" and thing.attributes["deletion_protection"]
        if thing.state in sources and not protected:
            thing.state = target

    return tamper


def _take_owner(model: Model, identity: str) -> None:
    model.things[identity].owner = None


def _vanish(model: Model, identity: str) -> None:
    del model.things[identity]
    for alias in [name for name, thing in model.things.items() if thing.attributes.get("key") == identity]:
        del model.things[alias]


def _steal_aliases(model: Model, identity: str) -> None:
    for thing in model.things.values():
        if thing.kind == "alias":
            thing.attributes["key"] = identity


TAMPERS: dict[str, Callable[[Model, str], None]] = {
    "disable": _to("Disabled", "Enabled"),
    "enable": _to("Enabled", "Disabled"),
    "schedule": _to("PendingDeletion", "Enabled", "Disabled"),
    "cancel": _to("Enabled", "PendingDeletion"),
    "tag": _set(tags={"p": "9"}),
    "protect": _set(deletion_protection=True),
    "unprotect": _set(deletion_protection=False),
    "owner": _take_owner,
    "alias": _steal_aliases,
    "vanish": _vanish,
}
TAMPERINGS = st.lists(st.tuples(st.sampled_from(sorted(TAMPERS)), st.integers(0, 9)), max_size=3)
HISTORIES = st.lists(st.tuples(configurations(), TAMPERINGS), min_size=1, max_size=4)


def live(history: Sequence[tuple[Desired, Sequence[tuple[str, int]]]]) -> World:
    """Apply every configuration that the planner lets pass, with tampering in between."""
    world = World()
    for desired, tamperings in history:
        plan = world.plan(desired)
        if not plan.violations:
            world.apply(plan)
        for name, number in tamperings:
            keys = sorted(identity for identity, thing in world.model.things.items() if thing.kind == "key")
            if keys:
                TAMPERS[name](world.model, keys[number % len(keys)])
    return world


def unprotected(desired: Mapping[Address, Declared]) -> Desired:
    """Return the same without deletion protection."""
    return {
        address: dataclasses.replace(found, attributes={**found.attributes, "deletion_protection": False})
        if "deletion_protection" in found.attributes
        else found
        for address, found in desired.items()
    }
