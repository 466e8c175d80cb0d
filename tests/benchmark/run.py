"""Prints the benchmark table: what was measured, the peer beside it, the ratio, and what is wanted."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmark.process import Sample, measure, repeat
from tests.benchmark.workload import write_kmsplan, write_terraform

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmark.load import Load

KMSPLAN = str(Path(sys.executable).with_name("kmsplan"))
TERRAFORM = shutil.which("terraform")
ENVIRON = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("KMSPLAN_", "TF_", "PYTHON"))},
    "TF_CLI_CONFIG_FILE": os.devnull,
    "CHECKPOINT_DISABLE": "1",
    "TF_IN_AUTOMATION": "1",
    "NO_COLOR": "1",
}


PARTS: Final = (
    "start",
    "terraform",
    "apply",
    "plans",
    "adopt",
    "inventory",
    "policy",
    "html",
    "serving",
    "postgres",
    "hardware",
    "stored",
    "stores",
    "records",
    "journal",
    "reports",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    work: str
    figure: str
    peer: str
    ratio: str
    wanted: str


def _figure(sample: Sample) -> str:
    return f"{sample.wall:.2f} s wall, {sample.cpu:.2f} s CPU, {sample.peak:.0f} MB"


def _kmsplan(folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> Sample:
    return measure([KMSPLAN, *arguments], folder, ENVIRON, codes)


def _terraform(folder: Path, *arguments: str) -> Sample:
    return measure([str(TERRAFORM), *arguments, "-input=false", "-no-color"], folder, ENVIRON)


class Folders:
    """Temporary folders that hold one workload each; everything is removed at the end."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._applied: dict[int, tuple[Path, Sample]] = {}

    def applied(self, count: int) -> tuple[Path, Sample]:
        """Return a folder with `count` keys and aliases applied from nothing, and what that took."""
        if count not in self._applied:
            folder = self._root / f"kmsplan-{count}"
            folder.mkdir()
            write_kmsplan(folder, count)
            self._applied[count] = folder, _kmsplan(folder, "apply", "--auto-approve")
        return self._applied[count]

    def terraform(self, count: int) -> tuple[Path, Sample]:
        """Return a Terraform folder with the same applied."""
        folder = self._root / f"terraform-{count}"
        folder.mkdir()
        write_terraform(folder, count)
        measure([str(TERRAFORM), "init", "-input=false", "-no-color"], folder, ENVIRON)
        return folder, _terraform(folder, "apply", "-auto-approve")


def against_terraform(folders: Folders, times: int) -> list[Row]:
    """Apply 1,000 keys and aliases from nothing, then plan without changes; Terraform does the same."""
    folder, applied = folders.applied(1000)
    plan = repeat(times, lambda: _kmsplan(folder, "plan", "--detailed-exitcode"))
    if TERRAFORM is None:
        none = "terraform is not on PATH"
        return [
            Row("apply 1,000 keys + aliases", _figure(applied), none, "-", "50x"),
            Row("no-change plan, 1,000 keys + aliases", _figure(plan), none, "-", "15x, a third of its memory"),
        ]
    peer_folder, peer_applied = folders.terraform(1000)
    peer_plan = repeat(times, lambda: _terraform(peer_folder, "plan", "-detailed-exitcode"))
    return [
        Row(
            "apply 1,000 keys + aliases",
            _figure(applied),
            _figure(peer_applied),
            f"{peer_applied.wall / applied.wall:.0f}x",
            "50x",
        ),
        Row(
            "no-change plan, 1,000 keys + aliases",
            _figure(plan),
            _figure(peer_plan),
            f"{peer_plan.wall / plan.wall:.0f}x, {plan.peak / peer_plan.peak:.2f} of its memory",
            "15x, 0.33 of its memory",
        ),
    ]


def large_plans(folders: Folders, times: int, *, big: bool) -> list[Row]:
    """Plan 10,000 (and 100,000) keys and aliases without changes."""
    plan = repeat(times, lambda: _kmsplan(folders.applied(10_000)[0], "plan", "--detailed-exitcode"))
    rows = [Row("no-change plan, 10,000 keys + aliases", _figure(plan), "-", "-", "2.5 s CPU, 400 MB")]
    if big:
        huge = _kmsplan(folders.applied(100_000)[0], "plan", "--detailed-exitcode")
        ratio = f"{huge.cpu / plan.cpu:.1f}x of 10,000 (CPU)"
        rows.append(Row("no-change plan, 100,000 keys + aliases", _figure(huge), "-", ratio, "11x at most"))
    return rows


def large_apply(folders: Folders) -> list[Row]:
    """Apply ten times as many keys: the time may grow tenfold, not more."""
    small, large = folders.applied(1000)[1], folders.applied(10_000)[1]
    ratio = f"{large.wall / small.wall:.1f}x of 1,000 (wall)"
    return [Row("apply 10,000 keys + aliases", _figure(large), "-", ratio, "11x at most")]


def adopting(folders: Folders) -> list[Row]:
    """Write the configuration that adopts 10,000 keys and aliases, and read it back."""
    folder = folders.applied(10_000)[0]
    lineage = json.loads((folder / "state" / "kmsplan.state.json").read_bytes())["lineage"]
    written = _kmsplan(folder, "import", "--all", "--out", "adopted", "--adopt-owned", lineage)
    plan = _kmsplan(folder / "adopted", "plan")
    return [
        Row("import --all, 10,000 keys + aliases", _figure(written), "-", "-", "20 s"),
        Row("plan that adopts them", _figure(plan), "-", "-", "-"),
    ]


def inventories(folders: Folders, times: int) -> list[Row]:
    """List 10,000 keys, and what falls due of them, in every form; `drift` reads the same and reports nothing."""
    folder = folders.applied(10_000)[0]
    read = repeat(times, lambda: _kmsplan(folder, "drift"))
    rows = [Row("drift, 10,000 keys + aliases", _figure(read), "-", "-", "-")]
    commands: list[tuple[str, ...]] = [
        *(("inventory", "--format", form) for form in ("text", "json", "csv", "cyclonedx")),
        *(("due", "--within", "366d", "--format", form) for form in ("text", "json", "icalendar")),
    ]
    for command in commands:
        sample = repeat(times, lambda command=command: _kmsplan(folder, *command, codes=(0, 2)))  # type: ignore[misc]
        beyond = f"{sample.cpu - read.cpu:+.2f} s CPU, {sample.peak - read.peak:+.0f} MB beyond reading"
        rows.append(
            Row(f"{' '.join(command)}, 10,000 keys", _figure(sample), "-", beyond, "2 s, 300 MB beyond reading")
        )
    return rows


def policies(folders: Folders, times: int) -> list[Row]:
    """Judge 10,000 keys and aliases by 23 rules, over a plan; `plan` reads and plans the same and judges nothing."""
    folder = folders.applied(10_000)[0]
    plan = repeat(times, lambda: _kmsplan(folder, "plan"))
    check = ("policy", "check", "--pack", "baseline", "--pack", "strict")
    rows = []
    for view in ((), ("--observed",), ("--json",)):
        sample = repeat(times, lambda view=view: _kmsplan(folder, *check, *view, codes=(4,)))  # type: ignore[misc]
        beyond = f"{sample.cpu - plan.cpu:+.2f} s CPU, {sample.peak - plan.peak:+.0f} MB beyond the plan"
        name = " ".join(("policy check", *view))
        rows.append(Row(f"{name}, 23 rules, 10,000 keys + aliases", _figure(sample), "-", beyond, "2 s, 300 MB"))
    return rows


def pages(root: Path, times: int) -> list[Row]:
    """Make HTML reports, and open them in Chromium."""
    from tests.benchmark import pages as page  # noqa: PLC0415 - needs a browser

    plain, whole = page.made(root, KMSPLAN, ENVIRON, times)
    beyond = f"{whole.cpu - plain.cpu:+.2f} s CPU, {whole.peak - plain.peak:+.0f} MB beyond the plan"
    rows = [
        Row("plan as text, 10,000 new keys + aliases", _figure(plain), "-", "-", "-"),
        Row("the same and an HTML report", _figure(whole), "-", beyond, "2 s, 300 MB beyond the plan"),
    ]
    for one in (page.opened(root, 10_000), page.opened(root, 100_000)):
        figure = f"opens in {one.opened:.1f} s ({one.size:.0f} MB), first filter in {one.filtered:.2f} s"
        rows.append(Row(f"HTML report of {one.changes:,} changes in Chromium", figure, "-", "-", "3 s"))
    return rows


def report_forms(root: Path, times: int) -> list[Row]:
    """Render a plan of 10,000 changes in every form; JSON is what the others are measured by."""
    from tests.benchmark.reports import compare  # noqa: PLC0415 - beside what it is used for

    found = compare(root, ENVIRON, 10_000, times)
    return [
        Row(
            f"plan of 10,000 changes as {one.form}",
            f"{one.seconds:.2f} s, {one.size / 1e6:.2f} MB, {one.beyond:.0f} MB of memory beyond the plan",
            "-",
            "-" if one is found[0] else f"{one.seconds / found[0].seconds:.1f}x of json",
            "2 s, 300 MB",
        )
        for one in found
    ]


def starting(folder: Path, times: int) -> list[Row]:
    """Start-up: the fastest command, and validating the quickstart."""
    quickstart = Path(__file__).parents[2] / "examples" / "quickstart"
    version = repeat(times * 3, lambda: _kmsplan(folder, "version"))
    validate = repeat(times * 3, lambda: _kmsplan(folder, "-C", str(quickstart), "validate"))
    python = repeat(times * 3, lambda: measure([sys.executable, "-c", "pass"], folder, ENVIRON))
    return [
        Row(
            "version",
            _figure(version),
            _figure(python),
            f"{version.cpu / python.cpu:.1f}x of an empty Python",
            "0.12 s CPU",
        ),
        Row("validate the quickstart", _figure(validate), "-", "-", "0.25 s CPU"),
    ]


def against_openbao(root: Path, times: int) -> list[Row]:
    """Serve the wire API under load; OpenBao's transit engine does the same on the same cores, in turn."""
    from tests.benchmark.serving import compare  # noqa: PLC0415 - its peer is installed for it alone

    lines, alone = compare(root, KMSPLAN, ENVIRON, times)
    rows = [Row(line.name, _rate(line.ours), _rate(line.peer), f"{line.ratio:.1f}x", WANTED) for line in lines]
    return [*rows, Row("served alone", alone, "-", "-", "an unloaded call under 3 ms")]


def on_postgres(root: Path, times: int) -> list[Row]:
    """Do the same with the keystore in PostgreSQL."""
    from tests.benchmark.serving import compare_on_postgres  # noqa: PLC0415 - as above; makes a database server

    lines = compare_on_postgres(root, KMSPLAN, ENVIRON, times)
    return [Row(line.name, _rate(line.ours), _rate(line.peer), f"{line.ratio:.1f}x", "-") for line in lines]


def hardware_keys(root: Path, times: int) -> list[Row]:
    """Use keys in a token, raw and through the engine's backend."""
    from tests.benchmark import hardware  # noqa: PLC0415 - needs the extra `hsm`

    lines = hardware.compare(root, hardware.make_token(root / "token", ENVIRON), times)
    return [
        Row(
            f"hardware key: {line.name}",
            f"{line.backend:,.0f}/s",
            f"raw PKCS#11: {line.raw:,.0f}/s in one process, {line.raw_most:,.0f}/s in two",
            f"{line.ratio:.2f} of one process",
            "0.8",
        )
        for line in lines
    ]


def stored_keys(root: Path, *, big: bool) -> list[Row]:
    """Serve an engine that holds few keys, and one that holds many."""
    from tests.benchmark.lasting import size  # noqa: PLC0415 - beside what it is used for

    few, many = (size(root, KMSPLAN, ENVIRON, count) for count in (100, 100_000 if big else 10_000))
    return [
        Row(
            f"serve {one.keys:,} more keys",
            f"listens after {one.start:.2f} s; Encrypt {one.unloaded:.2f} ms, DescribeKey {one.describe:.2f} ms",
            "-",
            "-"
            if one is few
            else f"{one.unloaded / few.unloaded:.2f}x, {one.describe / few.describe:.2f}x of few keys",
            "start under 3 s, calls as fast as with 100",
        )
        for one in (few, many)
    ]


def recorded(root: Path, times: int) -> list[Row]:
    """Look at a state of 100,000 records."""
    from tests.benchmark.recorded import COMMANDS  # noqa: PLC0415 - beside what it is used for

    folder = root / "records"
    subprocess.run([sys.executable, "-m", "tests.benchmark.recorded", str(folder), "100000"], check=True)
    return [
        Row(
            f"`{' '.join(command)}`, 100,000 records",
            _figure(repeat(times, lambda command=command: _kmsplan(folder, *command))),  # type: ignore[misc]
            "-",
            "-",
            "2 s",
        )
        for command in COMMANDS
    ]


def state_stores(root: Path, times: int) -> list[Row]:
    """Apply 1,000 keys and aliases with the state in a folder, and in PostgreSQL, in turn."""
    from tests.benchmark.stores import compare  # noqa: PLC0415 - makes a database server

    local, postgres = compare(root, KMSPLAN, ENVIRON, times)
    ratio = f"{postgres.wall / local.wall:.2f}x of a folder (wall)"
    return [
        Row("apply 1,000 keys + aliases, state in a folder", _figure(local), "-", "-", "-"),
        Row("apply 1,000 keys + aliases, state in PostgreSQL", _figure(postgres), "-", ratio, "1.5x at most"),
    ]


def journal_cost(root: Path, times: int) -> list[Row]:
    """Apply 10,000 keys and aliases with a state on disk, and with one in memory alone."""
    from tests.benchmark.journal import compare  # noqa: PLC0415 - beside what it is used for

    kept, remembered = compare(root, 10_000, times)
    figure = f"{kept:.1f} s on disk, {remembered:.1f} s in memory alone"
    cost = f"{(kept - remembered) / kept:.2f} of the apply"
    return [Row("journal, lock and snapshot, 10,000 keys", figure, "-", cost, "0.15 at most")]


def soaked(root: Path, minutes: float) -> list[Row]:
    """Load a served engine for minutes."""
    from tests.benchmark.lasting import soak  # noqa: PLC0415 - beside what it is used for

    found = soak(root, KMSPLAN, ENVIRON, minutes)
    figure = f"{found.early:.0f} MiB after a tenth of it, {found.late:.0f} MiB at its end"
    return [
        Row(
            f"{found.requests:,} requests in {found.minutes:.0f} minutes",
            figure,
            "-",
            f"{found.late / found.early:.2f}x",
            "flat",
        )
    ]


WANTED: Final = "2x, and a lower p99"


def _rate(load: Load) -> str:
    return f"{load.rate:,.0f}/s, p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms"


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--big", action="store_true", help="also 100,000 keys")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="also memory under lasting load")
    options = parser.parse_args()
    wanted = options.only.split(",")
    root = Path(tempfile.mkdtemp(prefix="kmsplan-benchmark-"))
    try:
        folders = Folders(root)
        parts: dict[str, Callable[[], list[Row]]] = {
            "start": lambda: starting(root, options.repeat),
            "terraform": lambda: against_terraform(folders, options.repeat),
            "apply": lambda: large_apply(folders),
            "serving": lambda: against_openbao(root, options.repeat),
            "postgres": lambda: on_postgres(root, options.repeat),
            "hardware": lambda: hardware_keys(root, options.repeat),
            "stored": lambda: stored_keys(root, big=options.big),
            "stores": lambda: state_stores(root, options.repeat),
            "soak": lambda: soaked(root, options.soak),
            "plans": lambda: large_plans(folders, options.repeat, big=options.big),
            "adopt": lambda: adopting(folders),
            "inventory": lambda: inventories(folders, options.repeat),
            "policy": lambda: policies(folders, options.repeat),
            "html": lambda: pages(root, options.repeat),
            "reports": lambda: report_forms(root, options.repeat),
            "records": lambda: recorded(root, options.repeat),
            "journal": lambda: journal_cost(root, options.repeat),
        }
        wanted += ["soak"] if options.soak else []
        rows = [row for name, part in parts.items() if name in wanted for row in part()]
    finally:
        shutil.rmtree(root, ignore_errors=True)
    sys.stdout.write("| work | kmsplan | peer | ratio | wanted |\n|---|---|---|---|---|\n")
    for row in rows:
        sys.stdout.write(f"| {row.work} | {row.figure} | {row.peer} | {row.ratio} | {row.wanted} |\n")


if __name__ == "__main__":
    main()
