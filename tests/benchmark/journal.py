"""What journal, lock and snapshot cost: an apply with them, and one that remembers in memory alone."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Never

from kmsplan.apply.outcome import exit_code
from kmsplan.apply.run import Settings, Surroundings, apply
from kmsplan.apply.stop import StopSignal
from kmsplan.cli.applying import Decision
from kmsplan.config.load import load
from kmsplan.engine.sealing import FileSeal, default_key_file
from kmsplan.engine.service import Engine
from kmsplan.plan.plan import PlanOptions
from kmsplan.provider.embedded import EmbeddedProvider
from kmsplan.provider.importing import Importing
from kmsplan.state.entry import BeginEntry, EndEntry, Ending, RecordEntry
from kmsplan.state.folding import Folding
from kmsplan.state.local import LocalStore
from kmsplan.state.record import NO_STATE, Recorded
from tests.benchmark.workload import write_kmsplan

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.resource.address import Address
    from kmsplan.resource.step import Effect
    from kmsplan.state.protocol import Store
    from kmsplan.state.record import Pending


class Memory:
    """Store, lock, writing and journal in one, on no disk; what a crash would do to it is why nobody uses it."""

    fence = 1
    written = 0
    recorded: Any = NO_STATE

    def __init__(self) -> None:
        self._sequence = 0
        self._folding = Folding(Recorded(lineage="0" * 32, serial=0, environment=""))

    def lock(self, **_: Any) -> AbstractContextManager[Memory]:
        """Take nothing."""
        return nullcontext(self)

    def open(self, _: Any) -> AbstractContextManager[Memory]:
        """Open nothing."""
        return nullcontext(self)

    @property
    def journal(self) -> _Journal:
        """Where entries are folded in."""
        return _Journal(self)

    def init(self, lineage: str) -> None:
        """Begin."""
        self._folding = Folding(Recorded(lineage=lineage, serial=0, environment=""))

    def save(self, *, finished: bool = True) -> Recorded:
        """Return what is recorded."""
        del finished
        return self._folding.recorded()

    def stamp(self) -> dict[str, Any]:
        """Return what every entry carries."""
        self._sequence += 1
        return {"sequence": self._sequence, "run": "0", "fence": 1, "time": datetime.now(UTC)}

    @property
    def folding(self) -> Folding:
        """The state so far."""
        return self._folding


class _Journal:
    """The journal of a state in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def run(self, **_: Any) -> None:
        """Nobody asks who it was."""

    def begin(self, **given: Any) -> Pending:
        """Take a begin."""
        entry = BeginEntry(**self._memory.stamp(), **given)
        self._memory.folding.add(entry)
        return self._memory.folding.pending(entry.sequence)

    def end(self, begin: int, ending: Ending, **given: Any) -> None:
        """Take an end."""
        given = {"identity": None, "code": None, "message": None, **given}
        self._memory.folding.add(EndEntry(**self._memory.stamp(), begin=begin, ending=ending, **given))

    def record(self, address: Address, effect: Effect, **given: Any) -> None:
        """Take a record."""
        given = {"identity": None, "moved_from": None, **given}
        self._memory.folding.add(RecordEntry(**self._memory.stamp(), address=address, effect=effect, **given))

    def flush(self, sequence: int | None = None) -> None:
        """Nothing is on its way."""

    def recorded(self) -> Recorded:
        """Return the state so far."""
        return self._memory.folding.recorded()


def compare(root: Path, count: int, times: int) -> tuple[float, float]:
    """Return the seconds of an apply of `count` keys with a state on disk and without one: the fastest of each."""
    kept, remembered = [], []
    for turn in range(times):
        folder = root / f"journal-{turn}"
        kept.append(_apply(folder / "kept", count, LocalStore(folder / "kept" / "state")))
        remembered.append(_apply(folder / "remembered", count, Memory()))  # type: ignore[arg-type]
    return min(kept), min(remembered)


def _apply(folder: Path, count: int, store: Store) -> float:
    folder.mkdir(parents=True)
    write_kmsplan(folder, count)
    configuration = load(folder, variables={}, variable_files=(), environ={})
    path = folder / "engine"
    seal = FileSeal(default_key_file(path))
    Engine.create(path, seal, clock=_now, entropy=os.urandom)
    engine = Engine.open(path, seal=seal, hardware=_none, clock=_now, entropy=os.urandom, actor="benchmark")
    provider = EmbeddedProvider(engine, lambda: engine, Importing(_none, _none))
    around = Surroundings(
        connect=lambda: provider,
        decide=Decision(configuration, PlanOptions(now=_now()), shown=None).decide,
        digest=lambda _: "digest",
        events=lambda _: None,
        waiting=lambda _: None,
        clock=_now,
        entropy=os.urandom,
        sleep=time.sleep,
        stop=StopSignal(),
    )
    begun = time.monotonic()
    applied = apply(store, Settings(owner="benchmark", command="apply", parallelism=10), around)
    taken = time.monotonic() - begun
    if exit_code(applied.outcome):
        raise SystemExit(f"the apply failed: {applied.outcome}")
    return taken


def _now() -> datetime:
    return datetime.now(UTC)


def _none(*_: Any) -> Never:
    raise SystemExit("nothing here is imported, and nothing is in an HSM")
