"""A sample of what tests/crash/run does; docs/crashes.md says how to see all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def _sweep(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.run", "--jobs", "1", *options],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _sums(table: str) -> list[int]:
    """Return what the last line counts: tried, recovered, lost, doubled, stuck, left."""
    return [int(cell) for cell in table.splitlines()[-1].split("|")[4:-1]]


@pytest.mark.parametrize(("scenario", "points"), [("create", 8), ("change", 10), ("import", 3)])
def test_a_crash_or_fault_anywhere_is_mended_by_the_next_run(scenario: str, points: int) -> None:
    tried, recovered, *wrong = _sums(_sweep("--only", scenario, "--points", str(points)))
    assert points - 2 < tried == recovered
    assert wrong == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("scenarios", "points"),
    [
        (("release", "forced release"), 3),
        (("succession",), 4),
        (("backup", "restore", "restore in place"), 3),
        (("seal", "unseal", "new root key", "new keyring key"), 2),
        (("state restore", "older state", "state rebuild"), 2),
    ],
    ids=["what goes", "what is taken back", "what is restored", "what seals", "what is recorded"],
)
def test_a_crash_of_what_keeps_an_engine_over_the_years_is_mended_by_the_next_run(
    scenarios: tuple[str, ...], points: int
) -> None:
    tried, recovered, *wrong = _sums(_sweep(*(f"--only={name}" for name in scenarios), "--points", str(points)))
    assert 0 < tried == recovered
    assert wrong == [0, 0, 0, 0]


@pytest.mark.hsm
def test_an_instance_whose_forced_release_dies_goes_with_its_keys_and_wrapping_keys_and_no_others() -> None:
    trials = ("--trial", "70:KILL", "--trial", "110:WORKER")
    tried, recovered, *wrong = _sums(_sweep("--only", "hardware forced release", *trials))
    assert tried == recovered == 2
    assert wrong == [0, 0, 0, 0]


@pytest.mark.hsm
def test_a_root_key_that_dies_on_its_way_into_an_hsm_leaves_no_key_there_that_nobody_takes() -> None:
    tried, recovered, *wrong = _sums(_sweep("--only", "root key into an HSM", "--trial", "250:KILL"))
    assert tried == recovered == 1
    assert wrong == [0, 0, 0, 0]


@pytest.mark.hsm
def test_a_crash_of_kmsplan_or_of_its_hsm_worker_leaves_every_hardware_key_once() -> None:
    tried, recovered, *wrong = _sums(_sweep("--only", "hardware change", "--points", "4"))
    assert 2 < tried == recovered
    assert wrong == [0, 0, 0, 0]


@pytest.mark.hsm
def test_a_power_cut_after_keys_were_made_in_a_token_takes_neither_state_nor_engine_and_orphans_none() -> None:
    tried, recovered, *wrong = _sums(_sweep("--only", "hardware create", "--trial", "620:POWER"))
    assert tried == recovered == 1
    assert wrong == [0, 0, 0, 0]


def test_a_database_server_that_is_killed_loses_no_key() -> None:
    tried, recovered, *wrong = _sums(_sweep("--only", "database create", "--trial", "60:SERVER", "--trial", "90:CUT"))
    assert 0 < tried == recovered
    assert wrong == [0, 0, 0, 0]


def test_a_run_that_dies_over_the_journal_of_a_shared_state_leaves_no_half_of_it() -> None:
    tried, recovered, *wrong = _sums(_sweep("--only", "shared state", "--trial", "30:KILL"))
    assert tried == recovered == 1
    assert wrong == [0, 0, 0, 0]


def test_a_served_engine_that_dies_over_a_change_or_fails_to_write_it_is_asked_again() -> None:
    trials = ("--trial", "150:WORKER", "--trial", "200:EIO")
    tried, recovered, *wrong = _sums(_sweep("--only", "serving", *trials))
    assert tried == recovered == 2
    assert wrong == [0, 0, 0, 0]


def test_what_a_served_engine_has_answered_is_in_its_trail_once_whatever_befalls_its_spool() -> None:
    trials = ("--trial", "87:POWER", "--trial", "136:TORN", "--trial", "220:EIO")
    tried, recovered, *wrong = _sums(_sweep("--only", "answering", *trials))
    assert tried == recovered == 3
    assert wrong == [0, 0, 0, 0]


def test_what_a_power_cut_leaves_is_mended_by_the_next_run() -> None:
    trials = [f"--trial={number}:{fault}" for number in (90, 200) for fault in ("POWER", "HOLLOW")]
    tried, recovered, *wrong = _sums(_sweep("--only", "change", *trials))
    assert tried == recovered == 4
    assert wrong == [0, 0, 0, 0]


def test_a_soak_draws_its_faults_and_ends_when_its_time_is_over() -> None:
    table = _sweep("--only", "change", "--soak", "0.01", "--seed", "7", "--points", "4")
    tried, recovered, *wrong = _sums(table)
    assert 2 < tried == recovered
    assert wrong == [0, 0, 0, 0]
