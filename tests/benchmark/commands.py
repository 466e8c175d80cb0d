"""Parts of the benchmark that time commands, each a whole process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmark.bench import ENVIRON, KMSPLAN, TERRAFORM, Row, figure
from tests.benchmark.process import measure, repeat

if TYPE_CHECKING:
    from tests.benchmark.bench import Bench


def starting(bench: Bench) -> list[Row]:
    """Start-up: the fastest command, and validating the quickstart."""
    quickstart = Path(__file__).parents[2] / "examples" / "quickstart"
    version = repeat(bench.times * 3, lambda: bench.kmsplan(bench.root, "version"))
    validate = repeat(bench.times * 3, lambda: bench.kmsplan(bench.root, "-C", str(quickstart), "validate"))
    python = repeat(bench.times * 3, lambda: measure([sys.executable, "-c", "pass"], bench.root, ENVIRON))
    return [
        Row(
            "version",
            figure(version),
            figure(python),
            f"{version.cpu / python.cpu:.1f}x of an empty Python",
            "0.12 s CPU",
        ),
        Row("validate the quickstart", figure(validate), "-", "-", "0.25 s CPU"),
    ]


def against_terraform(bench: Bench) -> list[Row]:
    """Apply 1,000 keys and aliases from nothing, then plan without changes; Terraform does the same."""
    folder, applied = bench.applied(1000)
    plan = repeat(bench.times, lambda: bench.kmsplan(folder, "plan", "--detailed-exitcode"))
    if TERRAFORM is None:
        none = "terraform is not on PATH"
        return [
            Row("apply 1,000 keys + aliases", figure(applied), none, "-", "50x"),
            Row("no-change plan, 1,000 keys + aliases", figure(plan), none, "-", "15x, a third of its memory"),
        ]
    peer_folder, peer_applied = bench.terraform_applied(1000)
    peer_plan = repeat(bench.times, lambda: bench.terraform(peer_folder, "plan", "-detailed-exitcode"))
    return [
        Row(
            "apply 1,000 keys + aliases",
            figure(applied),
            figure(peer_applied),
            f"{peer_applied.wall / applied.wall:.0f}x",
            "50x",
        ),
        Row(
            "no-change plan, 1,000 keys + aliases",
            figure(plan),
            figure(peer_plan),
            f"{peer_plan.wall / plan.wall:.0f}x, {plan.peak / peer_plan.peak:.2f} of its memory",
            "15x, 0.33 of its memory",
        ),
    ]


def large_plans(bench: Bench) -> list[Row]:
    """Plan 10,000 (and 100,000) keys and aliases without changes."""
    plan = repeat(bench.times, lambda: bench.kmsplan(bench.applied(10_000)[0], "plan", "--detailed-exitcode"))
    rows = [Row("no-change plan, 10,000 keys + aliases", figure(plan), "-", "-", "2.5 s CPU, 400 MB")]
    if bench.big:
        huge = bench.kmsplan(bench.applied(100_000)[0], "plan", "--detailed-exitcode")
        ratio = f"{huge.cpu / plan.cpu:.1f}x of 10,000 (CPU)"
        rows.append(Row("no-change plan, 100,000 keys + aliases", figure(huge), "-", ratio, "11x at most"))
    return rows


def large_apply(bench: Bench) -> list[Row]:
    """Apply ten times as many keys: the time may grow tenfold, not more."""
    small, large = bench.applied(1000)[1], bench.applied(10_000)[1]
    ratio = f"{large.wall / small.wall:.1f}x of 1,000 (wall)"
    return [Row("apply 10,000 keys + aliases", figure(large), "-", ratio, "11x at most")]


def adopting(bench: Bench) -> list[Row]:
    """Write the configuration that adopts 10,000 keys and aliases, and read it back."""
    folder = bench.applied(10_000)[0]
    lineage = json.loads((folder / "state" / "kmsplan.state.json").read_bytes())["lineage"]
    written = bench.kmsplan(folder, "import", "--all", "--out", "adopted", "--adopt-owned", lineage)
    plan = bench.kmsplan(folder / "adopted", "plan")
    return [
        Row("import --all, 10,000 keys + aliases", figure(written), "-", "-", "20 s"),
        Row("plan that adopts them", figure(plan), "-", "-", "-"),
    ]


def inventories(bench: Bench) -> list[Row]:
    """List 10,000 keys, and what falls due of them, in every form; `drift` reads the same and reports nothing."""
    folder = bench.applied(10_000)[0]
    read = repeat(bench.times, lambda: bench.kmsplan(folder, "drift"))
    rows = [Row("drift, 10,000 keys + aliases", figure(read), "-", "-", "-")]
    commands: list[tuple[str, ...]] = [
        *(("inventory", "--format", form) for form in ("text", "json", "csv", "cyclonedx")),
        *(("due", "--within", "366d", "--format", form) for form in ("text", "json", "icalendar")),
    ]
    for command in commands:
        sample = repeat(bench.times, lambda command=command: bench.kmsplan(folder, *command, codes=(0, 2)))  # type: ignore[misc]
        beyond = f"{sample.cpu - read.cpu:+.2f} s CPU, {sample.peak - read.peak:+.0f} MB beyond reading"
        rows.append(Row(f"{' '.join(command)}, 10,000 keys", figure(sample), "-", beyond, "2 s, 300 MB beyond reading"))
    return rows


def policies(bench: Bench) -> list[Row]:
    """Judge 10,000 keys and aliases by 23 rules, over a plan; `plan` reads and plans the same and judges nothing."""
    folder = bench.applied(10_000)[0]
    plan = repeat(bench.times, lambda: bench.kmsplan(folder, "plan"))
    check = ("policy", "check", "--pack", "baseline", "--pack", "strict")
    rows = []
    for view in ((), ("--observed",), ("--json",)):
        sample = repeat(bench.times, lambda view=view: bench.kmsplan(folder, *check, *view, codes=(4,)))  # type: ignore[misc]
        beyond = f"{sample.cpu - plan.cpu:+.2f} s CPU, {sample.peak - plan.peak:+.0f} MB beyond the plan"
        name = " ".join(("policy check", *view))
        rows.append(Row(f"{name}, 23 rules, 10,000 keys + aliases", figure(sample), "-", beyond, "2 s, 300 MB"))
    return rows


def pages(bench: Bench) -> list[Row]:
    """Make HTML reports, and open them in Chromium."""
    from tests.benchmark import pages as page  # noqa: PLC0415 - needs a browser

    plain, whole = page.made(bench.root, KMSPLAN, ENVIRON, bench.times)
    beyond = f"{whole.cpu - plain.cpu:+.2f} s CPU, {whole.peak - plain.peak:+.0f} MB beyond the plan"
    rows = [
        Row("plan as text, 10,000 new keys + aliases", figure(plain), "-", "-", "-"),
        Row("the same and an HTML report", figure(whole), "-", beyond, "2 s, 300 MB beyond the plan"),
    ]
    for one in (page.opened(bench.root, 10_000), page.opened(bench.root, 100_000)):
        told = f"opens in {one.opened:.1f} s ({one.size:.0f} MB), first filter in {one.filtered:.2f} s"
        rows.append(Row(f"HTML report of {one.changes:,} changes in Chromium", told, "-", "-", "3 s"))
    return rows


def report_forms(bench: Bench) -> list[Row]:
    """Render a plan of 10,000 changes in every form; JSON is what the others are measured by."""
    from tests.benchmark.reports import compare  # noqa: PLC0415 - beside what it is used for

    found = compare(bench.root, ENVIRON, 10_000, bench.times)
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


def recorded(bench: Bench) -> list[Row]:
    """Look at a state of 100,000 records."""
    from tests.benchmark.recorded import COMMANDS  # noqa: PLC0415 - beside what it is used for

    folder = bench.root / "records"
    subprocess.run([sys.executable, "-m", "tests.benchmark.recorded", str(folder), "100000"], check=True)
    return [
        Row(
            f"`{' '.join(command)}`, 100,000 records",
            figure(repeat(bench.times, lambda command=command: bench.kmsplan(folder, *command))),  # type: ignore[misc]
            "-",
            "-",
            "2 s",
        )
        for command in COMMANDS
    ]


def state_stores(bench: Bench) -> list[Row]:
    """Apply 1,000 keys and aliases with the state in a folder, and in PostgreSQL, in turn."""
    from tests.benchmark.stores import compare  # noqa: PLC0415 - makes a database server

    local, postgres = compare(bench.root, KMSPLAN, ENVIRON, bench.times)
    ratio = f"{postgres.wall / local.wall:.2f}x of a folder (wall)"
    return [
        Row("apply 1,000 keys + aliases, state in a folder", figure(local), "-", "-", "-"),
        Row("apply 1,000 keys + aliases, state in PostgreSQL", figure(postgres), "-", ratio, "1.5x at most"),
    ]


def journal_cost(bench: Bench) -> list[Row]:
    """Apply 10,000 keys and aliases with a state on disk, and with one in memory alone."""
    from tests.benchmark.journal import compare  # noqa: PLC0415 - beside what it is used for

    kept, remembered = compare(bench.root, 10_000, bench.times)
    told = f"{kept:.1f} s on disk, {remembered:.1f} s in memory alone"
    cost = f"{(kept - remembered) / kept:.2f} of the apply"
    return [Row("journal, lock and snapshot, 10,000 keys", told, "-", cost, "0.15 at most")]
