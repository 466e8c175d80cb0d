"""Lets kmsplan be killed, or something fail, at every point where it matters, and shows what the next run makes of it.

Exit code 1 where anything was lost, doubled, stuck or left behind.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.crash.forked import import_everything
from tests.crash.hastened import hasten
from tests.crash.report import Counts, count, story, table
from tests.crash.site import Site
from tests.crash.stories import SCENARIOS
from tests.crash.sweep import Sweep, Trial, Tried

if TYPE_CHECKING:
    from tests.crash.scenario import Scenario

_ROUND: Final = 16
"""Trials of one scenario in a row, in a soak."""


def main() -> int:
    """Run the command."""
    options = _parser().parse_args()
    import_everything()
    hasten()
    folder = Path(options.folder or tempfile.mkdtemp(prefix="kmsplan-crash-")).resolve()
    scenarios = [one for one in SCENARIOS if not options.only or one.name in options.only]
    counts: Counts = {}
    failed = 0
    for name, tried in _soak(scenarios, folder, options) if options.soak else _sweep(scenarios, folder, options):
        count(counts, name, tried)
        if not tried.recovered:
            failed += 1
            _say(story(name, tried))
    _say(table(counts))
    if failed:
        _say(f"\n{failed} went wrong; their folders are in {folder}")
    elif options.folder is None:
        shutil.rmtree(folder)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests/crash/run", description=__doc__)
    quick = [one.name for one in SCENARIOS if type(one.site) is Site]
    slow = [one.name for one in SCENARIOS if one.name not in quick]
    named = f"of: {', '.join(quick)}; slow ones, with a token, a database or a server: {', '.join(slow)}"
    parser.add_argument("--only", action="append", metavar="SCENARIO", choices=[*quick, *slow], help=named)
    parser.add_argument("--points", type=int, metavar="MAX", help="so many points of each, evenly, with one fault each")
    parser.add_argument("--trial", action="append", type=Trial.parse, metavar="NUMBER:FAULT", help="this one alone")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="random scenarios, points and faults for so long")
    parser.add_argument("--seed", type=int, default=None, help="of the soak's dice  [default: the clock]")
    parser.add_argument("--jobs", type=int, default=2, help="side by side  [default: 2]")
    parser.add_argument("--folder", type=Path, help="where to work; what goes wrong is kept there")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _sweep(scenarios: Iterable[Scenario], folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, Tried]]:
    for scenario in scenarios:
        started = time.monotonic()
        with Sweep(scenario, folder / scenario.name.replace(" ", "-")) as sweep:
            trials = options.trial or sweep.trials(options.points)
            for tried in sweep.carry_out(trials, options.jobs):
                yield scenario.name, tried
        seconds = time.monotonic() - started
        _say(f"{scenario.name}: {len(sweep.points)} crash points, {len(trials)} trials in {seconds:.0f} s")


def _soak(scenarios: list[Scenario], folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, Tried]]:
    """Draw scenarios and trials until the time is over."""
    seed = time.time_ns() if options.seed is None else options.seed
    _say(f"seed {seed}")
    dice, end = random.Random(seed), time.monotonic() + options.soak * 60  # noqa: S311 - to be repeated
    number = 0
    while time.monotonic() < end:
        number += 1
        scenario = dice.choice(scenarios)
        with Sweep(scenario, folder / str(number), parallelism=dice.choice([1, 4])) as sweep:
            trials = dice.sample(sweep.trials(None), options.points or _ROUND)
            for tried in sweep.carry_out(trials, options.jobs):
                yield scenario.name, tried
        shutil.rmtree(folder / str(number) / "prepared")


if __name__ == "__main__":
    sys.exit(main())
