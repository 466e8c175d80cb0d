"""A model KMS and a state folder that outlive processes, and the ways in which one of these ends."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from kmsplan.apply.outcome import exit_code
from kmsplan.apply.run import Applied, Settings, Surroundings, apply
from kmsplan.apply.settle import wanted
from kmsplan.apply.stop import StopSignal
from kmsplan.kms.error import KmsError
from kmsplan.resource.address import Address, kind_of
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.step import Status
from kmsplan.state import durable
from kmsplan.state.local import LocalStore
from kmsplan.state.writer import JournalWriter
from tests.fake import plans
from tests.fake.kms import Fault, ModelKms

if TYPE_CHECKING:
    import pytest

    from kmsplan.kms.operation import Operation

Desired = Mapping[Address, Mapping[str, Any]]
AES, RSA = "Aliyun_AES_256", "RSA_2048"


class Died(BaseException):
    """The process ends here."""


@st.composite
def desired(draw: st.DrawFn) -> Desired:
    """An instance, one to three keys, and some of two aliases."""
    objects: dict[str, Any] = {"instance__core": plans.core(spec=draw(st.sampled_from([1000, 2000])))}
    names = ["a", *draw(st.lists(st.sampled_from("bc"), unique=True, max_size=2))]
    for name in names:
        # Only a key that is never dropped may ask for new material, and only an enabled one for rotation: the planner
        # refuses the rest, rightly.
        spec = draw(st.sampled_from([AES, RSA])) if name == "a" else AES
        enabled = draw(st.booleans())
        objects[f"key__{name}"] = plans.key(
            spec=spec,
            on_replace="succeed",
            enabled=enabled,
            description=draw(st.sampled_from(["", "x"])),
            rotation=draw(st.sampled_from([None, 2_592_000])) if spec == AES and enabled else None,
            tags=draw(st.dictionaries(st.sampled_from(["t", "u"]), st.sampled_from(["1", "2"]), max_size=2)),
        )
    for name in draw(st.lists(st.sampled_from("xy"), unique=True, max_size=2)):
        objects[f"alias__{name}"] = {"key": f"key.{draw(st.sampled_from(names))}"}
    return plans.desired(**objects)


@dataclass
class World:
    """A KMS and a state folder that outlive processes."""

    folder: Path
    kms: ModelKms = field(default_factory=ModelKms)
    parallelism: int = 1

    def apply(self, objects: Desired, *, revert: bool = False) -> Applied:
        """Apply in a new process: everything is read from disk."""
        stop = StopSignal()
        return apply(
            LocalStore(self.folder / "state"),
            Settings(owner="ada@host", command="kmsplan apply", parallelism=self.parallelism, revert=revert),
            Surroundings(
                connect=lambda: self.kms,
                decide=lambda _, recorded, observed: plans.plan_for(objects, recorded, observed),
                digest=lambda _: "",
                events=lambda _: None,
                waiting=lambda _: None,
                clock=lambda: datetime.now(UTC),
                entropy=os.urandom,
                sleep=lambda _: None,
                stop=stop,
            ),
        )

    def check(self, objects: Desired) -> None:
        """What is desired is there, once, recorded as it is, and nothing is left to do."""
        recorded = LocalStore(self.folder / "state").load()
        observed = self.kms.observe(wanted(recorded))
        plan = plans.plan_for(objects, recorded, observed)
        assert plan.empty, plan.changes
        assert recorded.pending == ()
        records = recorded.records
        live = {address for address, record in records.items() if record.status is Status.READY}
        assert live == set(objects)
        assert {record.identity for record in records.values()} == set(self.kms.objects)
        assert len({record.identity for record in records.values()}) == len(records)
        for address in live:
            assert records[address].attributes == objects[address]
            present, kind = self.kms.objects[records[address].identity], KINDS[kind_of(address)]
            references = {name for name in kind.compared if name in ("key", "instance")}
            for name in set(kind.compared) - references:
                assert present.attributes[name] == objects[address][name], (address, name)
            for name in references:
                assert present.attributes[name] == records[objects[address][name]].identity


def settled_down(world: World, objects: Desired) -> None:
    """Apply until nothing is left; a first apply after trouble may only get part of the way."""
    for _ in range(3):
        applied = world.apply(objects)
        if applied.plan is not None and applied.plan.empty:
            break
    assert exit_code(applied.outcome) == 0
    world.check(objects)


faults = st.sampled_from(
    [
        None,
        None,
        ("Rejected.Throttling", False),
        ("InternalFailure", False),
        ("InternalFailure", True),
        ("Forbidden.NoPermission", False),
        (None, False),
        (None, True),
    ]
)


def fault_of(kind: tuple[str | None, bool] | None) -> Fault | None:
    if kind is None:
        return None
    code, happens = kind
    return Fault(KmsError(code) if code else RuntimeError("worker died"), happens)


def dying(point: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Let the process die at the `point`-th place where it can: around every call of the KMS and every flush."""
    places = itertools.count()
    died = [False]

    def place() -> None:
        if next(places) == point:
            died[0] = True
        if died[0]:
            raise Died

    execute, write, save = ModelKms.execute, JournalWriter._write, os.replace

    def dying_execute(self: ModelKms, operation: Operation, intent: Callable[[], None]) -> Any:
        place()
        answer = execute(self, operation, intent)
        place()
        return answer

    def dying_write(self: JournalWriter, bodies: list[bytes]) -> None:
        place()
        write(self, bodies)
        place()

    def dying_replace(*arguments: Any) -> None:
        place()
        save(*arguments)
        place()

    monkeypatch.setattr(ModelKms, "execute", dying_execute)
    monkeypatch.setattr(JournalWriter, "_write", dying_write)
    monkeypatch.setattr(os, "replace", dying_replace)
    return lambda: died[0]


def failing(point: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full from the `point`-th write on: half of it arrives, and an error comes."""
    places, write_all = itertools.count(), durable.write_all

    def failing_write(descriptor: int, content: bytes) -> None:
        if next(places) < point:
            write_all(descriptor, content)
            return
        os.write(descriptor, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "write_all", failing_write)
