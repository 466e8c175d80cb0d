"""Runs a scenario's command once for every crash point and fault, and finds out what the next run makes of it."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tests.crash.forked import side_by_side
from tests.crash.holdings import Holdings, encrypt_witnesses, find_unopened, left_behind, recorded, take_stock
from tests.crash.tracer import Fault, Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.crash.forked import Place
    from tests.crash.scenario import Scenario
    from tests.crash.tracer import Point, Traced

PLAN: Final = ("plan", "--detailed-exitcode")


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to go wrong at one point."""

    number: int
    fault: Fault

    @classmethod
    def parse(cls, text: str) -> Trial:
        """Read NUMBER:FAULT."""
        number, _, fault = text.partition(":")
        return cls(int(number), Fault[fault])

    def __str__(self) -> str:
        return f"{self.number}:{self.fault.name}"


@dataclass(frozen=True, slots=True)
class Tried:
    """How that went."""

    trial: Trial
    point: Point | None
    """Where the fault was; None where the command ended before it came so far."""
    status: int | None
    """Exit code of the command, or a signal's number below 0."""
    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def recovered(self) -> bool:
        """Whether the next run brought about all that was wanted."""
        return not self.findings

    @property
    def findings(self) -> tuple[str, ...]:
        """Return what was wrong."""
        return (*self.lost, *self.doubled, *self.stuck, *self.left)


@dataclass
class Sweep:
    """A scenario with its folder, and how it goes without faults."""

    scenario: Scenario
    folder: Path
    parallelism: int = 1
    points: list[Point] = field(default_factory=list)
    _witnesses: dict[str, bytes] = field(default_factory=dict)
    _identities: dict[str, str] = field(default_factory=dict)
    """By address, as recorded before the command."""
    _wanted: list[Holdings] = field(default_factory=list)
    """One of these; of a scenario that is turned, the first after all of the command, the other after none of it."""
    _plan: int = 0

    @property
    def _prepared(self) -> Path:
        return self.folder / "prepared"

    @property
    def _command(self) -> tuple[str, ...]:
        parts = self.scenario.interrupted(self.parallelism)
        for address, identity in self._identities.items():
            parts = tuple(part.replace(f"<{address}>", identity) for part in parts)
        return parts

    def __enter__(self) -> Self:
        self.scenario.site.open()
        try:
            self._prepare()
        except BaseException:
            self.scenario.site.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.scenario.site.close()

    def _prepare(self) -> None:
        """Make the folder, and find the crash points."""
        self.folder.mkdir(parents=True)
        self.scenario.found(self._prepared, self._look)
        place = self.scenario.copy(self._prepared, self.folder / "wanted")
        traced = _traced(Tracer(place.root), self.scenario.site.program(place, self._command))
        self.scenario.site.settle(place.root)
        assert traced.status == 0, place.said()
        self.points = traced.points
        self._want(place)
        if self.scenario.turned:
            self._want(self.scenario.copy(self._prepared, self.folder / "nothing"))

    def _look(self, place: Place) -> None:
        self._witnesses = place.ask(encrypt_witnesses)
        self._identities = place.ask(lambda: {str(name): one.identity for name, one in recorded().records.items()})

    def _want(self, place: Place) -> None:
        """Take what a folder comes to for what is wanted."""
        for step in self.scenario.then:
            self.scenario.carry_out(place, step)
        self._wanted.append(self._stock(place))
        self._plan = place.run(*PLAN).code
        wrongs = self._wrongs(place)
        assert not any(wrongs), wrongs

    def _stock(self, place: Place) -> Holdings:
        return place.ask(lambda: take_stock(self._witnesses, tokens=self.scenario.site.tokens))

    def _wrongs(self, place: Place) -> tuple[list[str], list[str], list[str]]:
        return place.ask(lambda: self.scenario.site.wrongs(place.root))

    def trials(self, most: int | None) -> list[Trial]:
        """Return every fault at every point; or so many of these, evenly over the points, one fault each."""
        faults = {point.number: [one for one in point.faults if self._possible(one)] for point in self.points}
        if most is None:
            return [Trial(number, fault) for number, possible in faults.items() for fault in possible]
        count = min(most, len(faults))
        chosen = [self.points[turn * len(faults) // count].number for turn in range(count)]
        return [Trial(number, faults[number][turn % len(faults[number])]) for turn, number in enumerate(chosen)]

    def _possible(self, fault: Fault) -> bool:
        return fault not in self.scenario.site.spares

    def carry_out(self, trials: Sequence[Trial], processes: int) -> Iterator[Tried]:
        """Carry out trials side by side; what came of each, in no order. Where a server is killed, none is beside."""
        alone = [trial for trial in trials if trial.fault is Fault.SERVER or self.scenario.site.alone]
        yield from side_by_side([trial for trial in trials if trial not in alone], self._carry_out_one, processes)
        yield from side_by_side(alone, self._carry_out_one, 1)

    def _carry_out_one(self, trial: Trial) -> Tried:
        scenario, root = self.scenario, self.folder / f"{trial.number}-{trial.fault.name}"
        place = scenario.copy(self._prepared, root)
        tracer = Tracer(root, trial.fault, trial.number, lambda: scenario.site.kill(root), scenario.site.elsewhere)
        traced = _traced(tracer, scenario.site.program(place, self._command))
        scenario.site.settle(root)
        if trial.fault is Fault.SERVER and traced.hit is not None:
            scenario.site.revive(root)
        tried = Tried(trial, traced.hit, traced.status)
        if traced.status is None:
            return replace(tried, stuck=("it does not end",))
        if "Traceback" in place.said():
            return replace(tried, stuck=(place.said(),))
        tried = self._judge(tried, place)
        if tried.recovered:
            scenario.remove(place)
        elif scenario.site.alone:
            scenario.site.kill(root)
        return tried

    def _judge(self, tried: Tried, place: Place) -> Tried:
        """Run the command once more, and compare."""
        stuck = self._opening(place)
        meanwhile = self._meanwhile(place)
        stuck += self._again(place)
        plan = place.run(*PLAN)
        if plan.code != self._plan:
            stuck.append(f"the plan after it ended with {plan.code}: {plan.text}")
        try:
            held, wrongs = self._stock(place), self._wrongs(place)
            unopened = place.ask(lambda: find_unopened(meanwhile)) if meanwhile else []
        except RuntimeError as error:
            return replace(tried, stuck=(*stuck, str(error)))
        # Of several that may come of it, the nearest.
        found = min((compare(wanted, held) for wanted in self._wanted), key=lambda wrong: sum(map(len, wrong)))
        lost, doubled, differs = (a + b for a, b in zip(found, wrongs, strict=True))
        return replace(
            tried,
            lost=(*lost, *unopened),
            doubled=tuple(doubled),
            stuck=(*stuck, *differs, *self._opening(place)),
            left=tuple(left_behind(place.root, self.scenario.hidden)),
        )

    def _again(self, place: Place) -> list[str]:
        """Do what somebody would, after the interruption; return what went wrong."""
        if not self.scenario.turned:
            again = place.run(*self._command)
            if again.code != 0 and not any(refusal in again.text for refusal in self.scenario.refusals):
                return [f"the next run ended with {again.code}: {again.text}"]
        try:
            for step in self.scenario.then:
                self.scenario.carry_out(place, step)
        except AssertionError as error:
            return [str(error)]
        return []

    def _opening(self, place: Place) -> list[str]:
        """Return what is wrong with what opens the engine: one of its seals does, and no other."""
        if not self.scenario.seals:
            return []
        with self._copied(place) as copy:
            found = self.scenario.opening(copy)
        return [] if sum(found) == 1 else [f"{sum(found)} of {len(found)} seals open the engine"]

    def _meanwhile(self, place: Place) -> dict[str, bytes]:
        """Let all keys encrypt something where the command was interrupted, if it is going to be taken back."""
        if not self.scenario.turned:
            return {}
        with self._copied(place) as copy:
            return copy.ask(encrypt_witnesses)

    @contextmanager
    def _copied(self, place: Place) -> Iterator[Place]:
        """Lend a copy of a folder, so that the folder itself stays as it is."""
        copy = self.scenario.copy(place.root, place.root.with_name(f"{place.root.name}-copy"))
        yield copy
        self.scenario.remove(copy)


def _traced(tracer: Tracer, program: Callable[[], int]) -> Traced:
    """Run a program under the tracer, in a process that has no other children."""
    (traced,) = side_by_side([None], lambda _: tracer.run(program), 1)
    return traced


def compare(wanted: Holdings, held: Holdings) -> tuple[list[str], list[str], list[str]]:
    """Return what was lost, what is there too often, and what else differs."""
    lost = [f"{identity} is recorded, and cannot be used" for identity in held.missing]
    doubled = [f"{identity} is recorded nowhere" for identity in held.unrecorded if identity not in wanted.unrecorded]
    differs = list(held.unsettled)
    for address in {**wanted.objects, **held.objects}:
        expected, found = wanted.objects.get(address, []), held.objects.get(address, [])
        if len(found) < len(expected):
            lost.append(f"{address}: {len(found)} of {len(expected)} objects")
        elif len(found) > len(expected):
            doubled.append(f"{address}: {len(found)} objects, not {len(expected)}")
        elif found != expected:
            differs.append(f"{address} is {found}, not {expected}")
    lost += [f"{text}, not {other}" for text, other in zip(held.opened, wanted.opened, strict=True) if text != other]
    differs += [f"{name}: {held_}, not {wanted_}" for name, held_, wanted_ in _others(wanted, held) if held_ != wanted_]
    in_token = Counter(held.in_token)
    in_token.subtract(wanted.in_token)
    doubled += [f"{count} x {kind} more in the token" for kind, count in in_token.items() if count > 0]
    lost += [f"{-count} x {kind} less in the token" for kind, count in in_token.items() if count < 0]
    return lost, doubled, differs


def _others(wanted: Holdings, held: Holdings) -> Iterator[tuple[str, object, object]]:
    yield "aliases", held.aliases, wanted.aliases
    yield "records", held.records, wanted.records
