"""Laws of planning, over a model KMS that obeys the API's own state table."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kmsplan.config.configuration import Configuration, Declared, EngineSettings
from kmsplan.config.diagnostic import Span
from kmsplan.drift.drift import find_drift
from kmsplan.kms import operation as kms
from kmsplan.kms.lifecycle import KeyState, after, check
from kmsplan.kms.naming import OWNER_TAG, Owner
from kmsplan.plan.diff import complete, differences
from kmsplan.plan.plan import Action, Allowances, Plan, PlanOptions
from kmsplan.plan.planfile import PlanFileError, dump, load
from kmsplan.plan.planner import make_plan
from kmsplan.plan.stale import stale
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.offer import Offer
from kmsplan.resource.step import Effect, Status
from kmsplan.resource.value import ABSENT, Observed, Present, Unreadable
from kmsplan.state.entry import BeginEntry, EndEntry, Ending, RecordEntry
from kmsplan.state.folding import Folding
from kmsplan.state.record import Recorded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINEAGE = "lineage"
ENVIRONMENT = "model/1"
OFFER = Offer(
    name="the model",
    kinds=frozenset({"instance", "key", "alias"}),
    instance_types=frozenset({"software"}),
    specs={"software": frozenset({"Aliyun_AES_256", "EC_P256"})},
    origins=frozenset({"Aliyun_KMS"}),
    storage_mechanisms=frozenset(),
)


@dataclass
class Thing:
    """An object of the model KMS."""

    kind: str
    attributes: dict[str, Any]
    state: str = "Enabled"
    owner: str | None = None


@dataclass
class Model:
    """A KMS: objects by identity. Whatever the API would reject raises."""

    things: dict[str, Thing] = field(default_factory=dict)
    made: int = 0

    def observe(self, identities: Sequence[str], unreadable: frozenset[str] = frozenset()) -> Observed:
        seen = {identity: self._present(identity) for identity in self.things if identity not in unreadable}
        return Observed(
            environment=ENVIRONMENT,
            objects={
                identity: Unreadable("ServiceUnavailableTemporary", "no answer")
                if identity in unreadable
                else seen.get(identity, ABSENT)
                for identity in identities
            },
            others=tuple(present for identity, present in seen.items() if identity not in identities),
        )

    def _present(self, identity: str) -> Present:
        thing = self.things[identity]
        attributes = dict(thing.attributes)
        if thing.kind == "key":
            attributes["enabled"] = thing.state != KeyState.DISABLED
        return Present(kind=thing.kind, identity=identity, attributes=attributes, state=thing.state, owner=thing.owner)

    def _new(self, kind: str, attributes: dict[str, Any], tags: Mapping[str, str]) -> str:
        self.made += 1
        identity = f"{kind}-{self.made}"
        owner = dict(tags).get(OWNER_TAG)
        attributes["tags"] = {name: value for name, value in tags.items() if name != OWNER_TAG}
        self.things[identity] = Thing(kind, attributes, owner=owner)
        return identity

    def execute(self, operation: kms.Operation) -> str | None:
        match operation:
            case kms.CreateInstance():
                attributes = {"type": operation.type, "spec": operation.spec, "key_quota": operation.key_quota}
                blank = {"hsm": operation.hsm, "proxy": None, "deletion_protection": False}
                return self._new("instance", attributes | blank, operation.tags)
            case kms.ModifyInstance():
                found = self.things[str(operation.instance)].attributes
                found |= {n: v for n in ("spec", "key_quota") if (v := getattr(operation, n)) is not None}
            case kms.ReleaseKmsInstance():
                thing = self.things.pop(str(operation.instance))
                assert not thing.attributes["deletion_protection"]
                assert not [t for t in self.things.values() if t.attributes.get("instance") == operation.instance]
            case kms.CreateAlias():
                assert operation.alias not in self.things
                check("CreateAlias", self._state(operation.key))
                self.things[operation.alias] = Thing("alias", {"key": operation.key})
                return operation.alias
            case kms.UpdateAlias():
                check("UpdateAlias", self._state(operation.key))
                self.things[operation.alias].attributes["key"] = operation.key
            case kms.DeleteAlias():
                del self.things[operation.alias]
            case kms.CreateKey():
                assert str(operation.instance) in self.things
                names = ("instance", "spec", "usage", "origin", "storage_mechanism", "description", "rotation")
                attributes = {name: getattr(operation, name) for name in (*names, "policy")}
                return self._new("key", attributes | {"deletion_protection": False}, operation.tags)
            case kms.TagResources():
                self._tag(operation)
            case kms.UntagResources():
                self._allowed(operation, str(operation.resource))
                for name in operation.tag_keys:
                    del self.things[str(operation.resource)].attributes["tags"][name]
            case kms.SetDeletionProtection(instance=str() as instance):
                self.things[instance].attributes["deletion_protection"] = operation.enable
            case _:
                self._key(operation)
        return None

    def _tag(self, operation: kms.TagResources) -> None:
        self._allowed(operation, str(operation.resource))
        thing, tags = self.things[str(operation.resource)], dict(operation.tags)
        thing.owner = tags.pop(OWNER_TAG, thing.owner)
        thing.attributes["tags"] = {**thing.attributes["tags"], **tags}

    def _state(self, key: Any) -> KeyState:
        return KeyState(self.things[key].state)

    def _allowed(self, operation: kms.Operation, identity: str) -> None:
        if self.things[identity].kind == "key":
            check(kms.name_of(operation), self._state(identity))

    def _key(self, operation: Any) -> None:
        thing = self.things[operation.key]
        self._allowed(operation, operation.key)
        match operation:
            case kms.ScheduleKeyDeletion():
                assert not thing.attributes["deletion_protection"]
            case kms.UpdateKeyDescription():
                thing.attributes["description"] = operation.description
            case kms.UpdateRotationPolicy():
                thing.attributes["rotation"] = operation.rotation
            case kms.SetKeyPolicy():
                thing.attributes["policy"] = operation.policy
            case kms.SetDeletionProtection():
                thing.attributes["deletion_protection"] = operation.enable
            case kms.EnableKey() | kms.DisableKey() | kms.CancelKeyDeletion():
                pass
            case _:
                assert_never(operation)
        thing.state = after(kms.name_of(operation), KeyState(thing.state))


@dataclass
class World:
    """A model KMS and the state that speaks of it."""

    model: Model = field(default_factory=Model)
    recorded: Recorded = field(default_factory=lambda: Recorded(lineage=LINEAGE, serial=0, environment=""))

    def observe(self, unreadable: frozenset[str] = frozenset()) -> Observed:
        return self.model.observe([record.identity for record in self.recorded.records.values()], unreadable)

    def plan(
        self, desired: Mapping[Address, Declared], unreadable: frozenset[str] = frozenset(), **options: Any
    ) -> Plan:
        wide_open = Allowances(mass=True, in_use=tuple(desired) + tuple(self.recorded.records))
        plan = make_plan(
            configuration=configuration(desired),
            recorded=self.recorded,
            observed=self.observe(unreadable),
            offer=OFFER,
            options=PlanOptions(now=NOW, allowances=wide_open, **options),
        )
        brakes = {violation.code for violation in plan.violations if violation.brake}
        assert brakes <= {"P201"}  # nobody counts here
        return dataclasses.replace(
            plan, violations=tuple(violation for violation in plan.violations if not violation.brake)
        )

    def apply(self, plan: Plan) -> None:
        """Carry out a plan as an applier does: in an order that `depends_on` allows, through the journal's fold."""
        folding = Folding(dataclasses.replace(self.recorded, environment=ENVIRONMENT))
        waiting = {change.address: change for change in plan.effective}
        while waiting:
            ready = [change for change in waiting.values() if not set(change.depends_on) & waiting.keys()]
            assert ready, "the changes wait for each other"
            for change in reversed(ready):  # any order within what is ready
                if change.effect is not None or change.moved_from is not None:
                    identity = change.identity if change.action is Action.ADOPT else None
                    folding.add(record_entry(change, identity))
                for step in change.steps:
                    self._execute(folding, change.address, step)
                del waiting[change.address]
        self.recorded = folding.recorded()

    def _execute(self, folding: Folding, address: Address, step: Any) -> None:
        identities = {found.address: found.identity for found in folding.recorded().records.values()}
        operation = kms.resolve(step.operation, identities)  # type: ignore[arg-type]
        if isinstance(operation, kms.CreateKey | kms.CreateInstance):
            tags = {**operation.tags, OWNER_TAG: str(Owner(LINEAGE, address, f"t{self.model.made}"))}
            operation = dataclasses.replace(operation, tags=tags)
        folding.add(begin_entry(address, kms.name_of(operation), step.effect))
        folding.add(end_entry(self.model.execute(operation)))


def record_entry(change: Any, identity: str | None) -> RecordEntry:
    return RecordEntry(
        sequence=0,
        run="r",
        fence=1,
        time=NOW,
        address=change.address,
        effect=change.effect or Effect(),
        identity=identity,
        moved_from=change.moved_from,
    )


def begin_entry(address: Address, operation: str, effect: Any) -> BeginEntry:
    return BeginEntry(
        sequence=1,
        run="r",
        fence=1,
        time=NOW,
        address=address,
        operation=operation,
        parameters={},
        token=None,
        identity=None,
        effect=effect,
    )


def end_entry(identity: str | None) -> EndEntry:
    return EndEntry(
        sequence=2,
        run="r",
        fence=1,
        time=NOW,
        begin=1,
        ending=Ending.DONE,
        identity=identity,
        code=None,
        message=None,
    )


def configuration(desired: Mapping[Address, Declared]) -> Configuration:
    return Configuration(
        root=Path(),
        engine=EngineSettings(provider="model"),
        state_path=Path(),
        desired=desired,
        variables={},
        digest="d",
    )


def declared(address: str, **attributes: Any) -> Declared:
    where = Address(address)
    return Declared(
        address=where,
        attributes=complete(KINDS[kind_of(where)], attributes),
        span=Span("kmsplan.yaml", 1, 1, 1, 1),
    )


def key(name: str, **attributes: Any) -> Declared:
    usage = "SIGN/VERIFY" if attributes["spec"] == "EC_P256" else "ENCRYPT/DECRYPT"
    if attributes["spec"] == "EC_P256":
        attributes["rotation"] = None
    return declared(f"key.{name}", usage=usage, **attributes)


TAGS = st.dictionaries(st.sampled_from("pqr"), st.sampled_from("12"), max_size=2)
KEYS = st.fixed_dictionaries(
    {
        "instance": st.sampled_from(["instance.core", "instance.core", "instance.more"]),
        "spec": st.sampled_from(["Aliyun_AES_256", "Aliyun_AES_256", "EC_P256"]),
        "description": st.sampled_from(["", "orders"]),
        "enabled": st.sampled_from([True, True, False]),
        "rotation": st.sampled_from([None, 7_776_000]),
        "tags": TAGS,
        "deletion_protection": st.booleans(),
        "deletion_window": st.sampled_from([7, 30]),
        "on_replace": st.sampled_from(["refuse", "succeed", "succeed"]),
        "policy": st.sampled_from([None, {"Version": "1", "Statement": []}]),
    }
)


@st.composite
def configurations(draw: st.DrawFn) -> dict[Address, Declared]:
    keys = draw(st.dictionaries(st.sampled_from("abcd"), KEYS, max_size=4))
    objects = [key(name, **attributes) for name, attributes in keys.items()]
    needed = {found.attributes["instance"] for found in objects} | draw(
        st.sets(st.sampled_from(["instance.core", "instance.more"]))
    )
    size = st.sampled_from([1000, 2000])
    guarded = st.booleans()
    objects += [
        declared(name, type="software", spec=draw(size), deletion_protection=draw(guarded)) for name in sorted(needed)
    ]
    if keys:
        names = st.dictionaries(st.sampled_from("xyz"), st.sampled_from(sorted(keys)), max_size=3)
        objects += [declared(f"alias.{name}", key=f"key.{target}") for name, target in draw(names).items()]
    return {found.address: found for found in draw(st.permutations(objects))}


class Tamper:
    """Somebody else changes the KMS."""

    CHOICES = ("disable", "enable", "tag", "owner", "protect", "unprotect", "schedule", "cancel", "alias", "vanish")

    @staticmethod
    def apply(world: World, choice: str, number: int) -> None:
        things = world.model.things
        keys = sorted(identity for identity, thing in things.items() if thing.kind == "key")
        aliases = sorted(identity for identity, thing in things.items() if thing.kind == "alias")
        if not keys:
            return
        identity = keys[number % len(keys)]
        thing = things[identity]
        match choice:
            case "disable" if thing.state == "Enabled":
                thing.state = "Disabled"
            case "enable" if thing.state == "Disabled":
                thing.state = "Enabled"
            case "tag":
                thing.attributes["tags"] = {"p": "9"}
            case "owner":
                thing.owner = None
            case "protect" | "unprotect":
                thing.attributes["deletion_protection"] = choice == "protect"
            case "schedule" if not thing.attributes["deletion_protection"]:
                thing.state = "PendingDeletion"
            case "cancel" if thing.state == "PendingDeletion":
                thing.state = "Enabled"
            case "alias" if aliases:
                things[aliases[number % len(aliases)]].attributes["key"] = identity
            case "vanish":
                del things[identity]
                for alias in aliases:
                    if things[alias].attributes["key"] == identity:
                        del things[alias]


TAMPERINGS = st.lists(st.tuples(st.sampled_from(Tamper.CHOICES), st.integers(0, 9)), max_size=3)
HISTORIES = st.lists(st.tuples(configurations(), TAMPERINGS), min_size=1, max_size=4)


def live(history: Sequence[tuple[dict[Address, Declared], Any]]) -> World:
    """Apply every configuration that the planner lets pass, with tampering in between."""
    world = World()
    for desired, tamperings in history:
        plan = world.plan(desired)
        if not plan.violations:
            world.apply(plan)
        for choice, number in tamperings:
            Tamper.apply(world, choice, number)
    return world


@given(configurations())
def test_nothing_differs_from_itself(desired: dict[Address, Declared]) -> None:
    for address, found in desired.items():
        assert differences(KINDS[kind_of(address)], found.attributes, found.attributes) == ()


@settings(max_examples=80, deadline=None)
@given(HISTORIES, configurations())
def test_an_applied_plan_leaves_nothing_to_plan_and_nothing_drifted(
    history: list[tuple[dict[Address, Declared], Any]], desired: dict[Address, Declared]
) -> None:
    world = live(history)
    plan = world.plan(desired)
    assume(not plan.violations)
    world.apply(plan)
    again = world.plan(desired)
    assert again.effective == ()
    assert again.violations == ()
    blocked = {change.address for change in again.blocked}
    assert blocked <= {change.address for change in plan.blocked} | {Address("instance.core"), Address("instance.more")}
    found = find_drift(world.recorded, world.observe(), desired)
    forgotten = {change.identity for change in plan.changes if change.action is Action.FORGET}
    known = {record.address for record in world.recorded.records.values() if record.status is Status.RETIRED}
    assert [one for one in found if one.identity not in forgotten and one.address not in known] == []


@settings(max_examples=30, deadline=None)
@given(HISTORIES, configurations(), st.randoms())
def test_a_plan_does_not_depend_on_any_order(
    history: list[tuple[dict[Address, Declared], Any]], desired: dict[Address, Declared], random: Any
) -> None:
    world = live(history)
    plan = world.plan(desired)
    items, records, things = list(desired.items()), list(world.recorded.records.items()), [*world.model.things.items()]
    for shuffled in (items, records, things):
        random.shuffle(shuffled)
    world.recorded = dataclasses.replace(world.recorded, records=dict(records))
    world.model.things = dict(things)
    assert world.plan(dict(items)) == plan
    assert dump(world.plan(dict(items))) == dump(plan)


@settings(max_examples=50, deadline=None)
@given(HISTORIES, configurations(), st.sets(st.integers(0, 20)), st.booleans())
def test_what_cannot_be_read_is_never_made_deleted_or_forgotten(
    history: list[tuple[dict[Address, Declared], Any]],
    desired: dict[Address, Declared],
    numbers: set[int],
    destroy: bool,  # noqa: FBT001 - hypothesis passes by position
) -> None:
    world = live(history)
    records = sorted(world.recorded.records.values(), key=lambda record: record.address)
    unreadable = frozenset(record.identity for number, record in enumerate(records) if number in numbers)
    assume(unreadable)
    plan = world.plan(desired, unreadable, destroy=destroy)
    silent = {record.address for record in records if record.identity in unreadable}
    assert [change.address for change in plan.effective if change.address in silent] == []
    assert {change.address for change in plan.blocked} >= silent or not plan.changes
    assert not plan.complete
    if not plan.violations:
        world.apply(plan)  # whatever else is planned can be carried out


@settings(max_examples=30, deadline=None)
@given(configurations())
def test_deletes_run_in_the_reverse_order_of_creates(desired: dict[Address, Declared]) -> None:
    world = World()
    free = {
        address: dataclasses.replace(found, attributes={**found.attributes, "deletion_protection": False})
        if kind_of(address) != "alias"
        else found
        for address, found in desired.items()
    }
    creation = world.plan(free)
    world.apply(creation)
    deletion = world.plan({}, destroy=True)
    created = {(change.address, target) for change in creation.changes for target in change.depends_on}
    deleted = {(target, change.address) for change in deletion.changes for target in change.depends_on}
    keys_and_aliases = {pair for pair in created if kind_of(pair[0]) == "alias"}
    assert keys_and_aliases <= deleted
    assert deleted <= created
    world.apply(deletion)
    assert all(
        record.status is not Status.READY or kind_of(record.address) == "instance"
        for record in world.recorded.records.values()
    )


@settings(max_examples=30, deadline=None)
@given(HISTORIES, configurations())
def test_a_plan_file_gives_the_plan_back(
    history: list[tuple[dict[Address, Declared], Any]], desired: dict[Address, Declared]
) -> None:
    world = live(history)
    plan = world.plan(desired)
    loaded = load(dump(plan))
    assert loaded == dataclasses.replace(plan, unchanged=())
    assert dump(loaded) == dump(plan)
    assert stale(loaded, config_digest="d", recorded=world.recorded, observed=world.observe()) == ()


@settings(max_examples=50, deadline=None)
@given(configurations(), st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_refused(desired: dict[Address, Declared], place: int, bits: int) -> None:
    data = bytearray(dump(World().plan(desired)))
    data[place % len(data)] ^= bits
    try:
        load(bytes(data))
    except PlanFileError as error:
        assert "plan" in str(error)  # noqa: PT017 - hypothesis and pytest.raises disagree about shrinking
    else:
        raise AssertionError("the edited plan was accepted")
