"""Plan, apply and drift over a network that loses, doubles, delays and garbles: nothing is lost or made twice."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.apply.outcome import ResultStatus
from kmsplan.apply.run import Applied, Settings, Surroundings, apply
from kmsplan.apply.settle import wanted
from kmsplan.apply.stop import StopSignal
from kmsplan.cli.applying import Decision
from kmsplan.config.load import load
from kmsplan.drift.drift import find_drift
from kmsplan.kms.backoff import TRIES
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import Owner
from kmsplan.plan.plan import Allowances, PlanOptions
from kmsplan.provider.alibaba.provider import AlibabaProvider
from kmsplan.provider.alibaba.settings import settings
from kmsplan.resource.address import Address
from kmsplan.resource.kinds import REFERENCES
from kmsplan.resource.value import ABSENT, Present, localise
from kmsplan.state.local import LocalStore, new_lineage
from tests.fault_proxy import Fault, FaultProxy, Plan, at_random, first_attempts, no_fault
from tests.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.config.configuration import Configuration
    from kmsplan.plan.plan import Drift
    from kmsplan.resource.value import Observed

FIRST = """\
kmsplan: 1
engine: {{alibaba: {{region: {region}, endpoint: "{endpoint}", protocol: http}}}}
instances:
  core: {{type: software, deletion_protection: false, tags: {{place: here}}}}
keys:
  orders: {{instance: core, rotation: 90d, tags: {{team: payments}}}}
  signer: {{instance: core, spec: EC_P256, enabled: false, deletion_protection: false}}
  going: {{instance: core, deletion_protection: false}}
aliases: {{"{name}/orders": orders, "{name}/going": going}}
"""
SECOND = """\
kmsplan: 1
engine: {{alibaba: {{region: {region}, endpoint: "{endpoint}", protocol: http}}}}
instances:
  core: {{type: software, spec: 2000, deletion_protection: false}}
keys:
  orders: {{instance: core, rotation: 30d, description: changed, tags: {{owner: ada}}}}
  signer: {{instance: core, spec: EC_P256, deletion_protection: false, aliases: ["{name}/signer"]}}
aliases: {{"{name}/orders": signer}}
"""
READS = (
    "ListKeys",
    "ListAliases",
    "ListKmsInstances",
    "DescribeKey",
    "GetKeyPolicy",
    "GetKmsInstance",
    "ListTagResources",
)
LITTLE_PATIENCE = 0.8
"""Seconds, where an answer may come too late; elsewhere a machine that is busy is waited for."""
WAITED = 0.005
"""Seconds instead of the backoff's."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


@dataclass
class Story:
    """One configuration folder, applied over a proxy."""

    root: Path
    served: Served
    proxy: FaultProxy

    @property
    def name(self) -> str:
        """Unique among all stories, since alias names are."""
        return self.root.name

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.root / "state", entropy=os.urandom)

    def begin(self) -> Story:
        """Begin a state, since the KMS holds what other stories made."""
        with self.store.lock(owner="ada@host", command="state init") as lock, self.store.open(lock) as writing:
            writing.init(new_lineage(os.urandom))
            writing.save()
        return self

    def configuration(self, text: str) -> Configuration:
        written = text.format(region=self.served.region, endpoint=self.proxy.endpoint, name=self.name)
        (self.root / "kmsplan.yaml").write_text(written)
        return load(self.root, variables={}, variable_files=(), environ={})

    def provider(self, endpoint: str) -> AlibabaProvider:
        reached = replace(settings(self.served.engine(endpoint)), read_timeout=self.proxy.patience)
        return AlibabaProvider(
            reached, channel=self.served.channel(reached), entropy=os.urandom, sleep=lambda _: time.sleep(WAITED)
        )

    def apply(self, text: str) -> Applied:
        options = PlanOptions(now=datetime.now(UTC), allowances=Allowances(delete=int(text is SECOND), mass=True))
        return apply(
            self.store,
            Settings(owner="ada@host", command="kmsplan apply", parallelism=4),
            Surroundings(
                connect=lambda: self.provider(self.proxy.endpoint),
                decide=Decision(self.configuration(text), options, shown=None).decide,
                digest=lambda _: "digest",
                events=lambda _: None,
                waiting=lambda _: None,
                clock=lambda: datetime.now(UTC),
                entropy=os.urandom,
                sleep=lambda _: time.sleep(WAITED),
                stop=StopSignal(),
            ),
        )

    def drift(self, text: str) -> tuple[Drift, ...]:
        recorded, configuration = self.store.load(), self.configuration(text)
        return find_drift(recorded, self.observe(*wanted(recorded)), configuration.desired)

    def observe(self, *identities: str) -> Observed:
        provider = self.provider(self.proxy.endpoint)
        try:
            return provider.observe(identities)
        finally:
            provider.close()

    def holdings(self) -> Holdings:
        """What the KMS holds of this configuration, read past the proxy."""
        recorded, provider = self.store.load(), self.provider(self.served.endpoint)
        try:
            observed = provider.observe(wanted(recorded))
        finally:
            provider.close()
        found = [item for item in (*observed.objects.values(), *observed.others) if isinstance(item, Present)]
        owned = [(owner, item) for item in found if (owner := _owner(item)) and owner.lineage == recorded.lineage]
        addresses = {item.identity: Address(owner.address) for owner, item in owned}
        return Holdings(
            counts=Counter(owner.address for owner, _ in owned),
            objects={
                owner.address: (item.state, localise(item, addresses, REFERENCES[item.kind])) for owner, item in owned
            },
            aliases={
                item.identity.rpartition("/")[2]: addresses[str(item.attributes["key"])]
                for item in found
                if item.identity.startswith(f"alias/{self.name}/")
            },
        )


@dataclass(frozen=True)
class Holdings:
    """Free of ids: what two runs have in common."""

    counts: Counter[str]
    """By address in an owner tag, recorded or not."""
    objects: dict[str, Any]
    """State and attributes, by the same."""
    aliases: dict[str, str]


def _owner(present: Present) -> Owner | None:
    return Owner.parse(present.owner or "")


@pytest.fixture
def story(tmp_path: Path, served: Served) -> Iterator[Story]:
    with FaultProxy(served.endpoint) as proxy:
        yield Story(tmp_path, served, proxy).begin()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A story that was applied once, with a KMS of its own; only read, or refused."""
    for served in serve(tmp_path_factory.mktemp("alone")):
        with FaultProxy(served.endpoint) as proxy:
            story = Story(tmp_path_factory.mktemp("standing"), served, proxy).begin()
            require_done(story.apply(FIRST))
            yield story


@pytest.fixture
def read_only(standing: Story) -> Iterator[Story]:
    yield standing
    standing.proxy.plan = no_fault


@pytest.fixture(scope="module")
def undisturbed(served: Served, tmp_path_factory: pytest.TempPathFactory) -> tuple[Holdings, Holdings]:
    """What the two configurations come to without any fault."""
    with FaultProxy(served.endpoint) as proxy:
        story = Story(tmp_path_factory.mktemp("undisturbed"), served, proxy).begin()
        require_done(story.apply(FIRST))
        first = story.holdings()
        require_done(story.apply(SECOND))
        return first, story.holdings()


def require_done(applied: Applied) -> None:
    failed = [result for result in applied.outcome.results if result.status is not ResultStatus.DONE]
    assert not failed
    assert not applied.outcome.unsettled
    assert not applied.recorded.pending


def plan_of(fault: Fault) -> Plan:
    return first_attempts(fault, changes_only=fault in (Fault.LATE, Fault.SLOW))


@pytest.mark.parametrize("fault", list(Fault), ids=[fault.name for fault in Fault])
def test_a_fault_at_every_call_changes_nothing_of_the_result(
    story: Story, undisturbed: tuple[Holdings, Holdings], fault: Fault
) -> None:
    story.proxy.plan = plan_of(fault)
    if fault is Fault.LATE:
        story.proxy.patience = LITTLE_PATIENCE
    for text, expected in zip((FIRST, SECOND), undisturbed, strict=True):
        require_done(story.apply(text))
        story.proxy.settle()
        found = story.holdings()
        assert set(found.counts.values()) == {1}
        assert found == expected
    assert story.proxy.done[fault] > 10
    assert not story.drift(SECOND)


@pytest.mark.parametrize("seed", range(4))
def test_faults_at_random_change_nothing_of_the_result(
    story: Story, undisturbed: tuple[Holdings, Holdings], seed: int
) -> None:
    story.proxy.plan, story.proxy.patience = at_random(seed, 0.25), LITTLE_PATIENCE
    for text, expected in zip((FIRST, SECOND), undisturbed, strict=True):
        require_done(story.apply(text))
        story.proxy.settle()
        found = story.holdings()
        assert set(found.counts.values()) == {1}
        assert found == expected


def test_all_attempts_of_one_change_carry_one_nonce_until_it_is_answered(story: Story) -> None:
    story.proxy.plan = first_attempts(Fault.RESET_AFTER, changes_only=True)
    require_done(story.apply(FIRST))
    created = {content: nonces for content, nonces in story.proxy.nonces.items() if content.startswith("CreateKey ")}
    assert [len(nonces) for nonces in created.values()] == [1, 1, 1]
    assert story.proxy.passed["CreateKey"] == 3


def test_a_creation_that_arrives_after_its_repetition_is_not_carried_out_again(story: Story) -> None:
    story.proxy.plan = lambda action, attempt: Fault.LATE if action == "CreateKey" and attempt == 0 else None
    story.proxy.patience = LITTLE_PATIENCE
    require_done(story.apply(FIRST))
    story.proxy.settle()
    assert story.proxy.done[Fault.LATE] == 3
    assert story.proxy.passed["CreateKey"] >= 6  # a busy machine may answer too late of itself
    assert set(story.holdings().counts.values()) == {1}


def test_a_creation_whose_answers_are_all_lost_is_found_by_its_owner_tag(story: Story) -> None:
    story.proxy.plan = lambda action, _: Fault.RESET_AFTER if action in ("CreateKey", "CreateKmsInstance") else None
    require_done(story.apply(FIRST))
    assert set(story.holdings().counts.values()) == {1}
    assert story.proxy.passed["CreateKey"] == 3


def test_a_creation_that_cannot_be_looked_up_is_left_in_doubt_and_settled_by_the_next_run(story: Story) -> None:
    def plan(action: str, attempt: int) -> Fault | None:
        del attempt
        broken = story.proxy.passed["CreateKey"] > 0 and action == "ListKeys"
        return Fault.RESET_AFTER if action == "CreateKey" or broken else None

    story.proxy.plan = plan
    applied = story.apply(FIRST)
    assert {result.status for result in applied.outcome.results if result.address.startswith("key.")} == {
        ResultStatus.IN_DOUBT
    }
    assert len(applied.recorded.pending) == 3
    story.proxy.plan = no_fault
    require_done(story.apply(FIRST))
    assert set(story.holdings().counts.values()) == {1}
    assert story.proxy.passed["CreateKey"] == 3


@pytest.mark.parametrize("action", READS)
@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.FAILED_BEFORE, Fault.GATEWAY_BEFORE, Fault.NONSENSE_AFTER])
def test_what_cannot_be_read_is_never_reported_as_gone(read_only: Story, action: str, fault: Fault) -> None:
    read_only.proxy.plan = lambda asked, _: fault if asked == action else None
    with contextlib.suppress(KmsError):
        drift = read_only.drift(FIRST)
        assert drift
        assert {found.kind for found in drift} == {"unreadable"}


@pytest.mark.parametrize("action", READS)
def test_a_plan_over_a_network_that_fails_creates_nothing(read_only: Story, action: str) -> None:
    before, made = read_only.holdings().counts, read_only.proxy.passed["CreateKey"]
    read_only.proxy.plan = lambda asked, _: Fault.RESET_AFTER if asked == action else None
    with contextlib.suppress(KmsError):
        read_only.apply(FIRST)
    assert read_only.proxy.passed["CreateKey"] == made
    assert read_only.holdings().counts == before


def test_what_may_be_tried_again_is_tried_as_often_as_the_table_says(story: Story) -> None:
    story.proxy.plan = lambda action, _: Fault.THROTTLED if action == "ListKmsInstances" else None
    with pytest.raises(KmsError) as raised:
        story.observe()
    assert raised.value.code == "Rejected.Throttling"
    assert [number for request, number in story.proxy.came.items() if "ListKmsInstances" in request] == [TRIES]


def test_a_refusal_is_not_tried_again(story: Story) -> None:
    found = story.observe("key-aaaaaaaaaaaaaaaaaaaaa", "alias/nobody")
    assert list(found.objects.values()) == [ABSENT, ABSENT]
    asked = [number for request, number in story.proxy.came.items() if "nobody" in request or "key-aaaa" in request]
    assert asked == [1, 1]
