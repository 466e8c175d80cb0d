from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from kmsplan.engine.access.rate import SECOND, SLOTS, Limit, Rates, limit_of
from kmsplan.engine.error import KeystoreError
from kmsplan.engine.keystore.instance import CONNECTED, InstanceRow
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyType


@dataclass
class Clock:
    now: int = 1000 * SECOND

    def __call__(self) -> int:
        return self.now


def instance(key_type: KeyType, spec: int) -> InstanceRow:
    return InstanceRow(
        instance_id="kst-a",
        type=key_type.value,
        spec=spec,
        key_quota=1000,
        module=None,
        token=None,
        deletion_protection=0,
        status=CONNECTED,
        versions=0,
    )


def outcome(rates: Rates, limit: Limit) -> str:
    try:
        rates.take(limit)
    except KmsError as error:
        return error.code
    return "passed"


def taken(rates: Rates, limit: Limit, tries: int) -> int:
    """Return how many of some requests pass; the others are throttled."""
    outcomes = Counter(outcome(rates, limit) for _ in range(tries))
    assert outcomes.keys() <= {"passed", "Rejected.Throttling"}
    return outcomes["passed"]


@pytest.mark.parametrize(
    ("key_type", "spec", "symmetric", "asymmetric"),
    [
        (KeyType.SOFTWARE, 200, 200, 30),
        (KeyType.SOFTWARE, 1000, 1000, 150),
        (KeyType.SOFTWARE, 2000, 2000, 300),
        (KeyType.SOFTWARE, 4000, 4000, 600),
        (KeyType.HARDWARE, 8000, 8000, 1200),
        (KeyType.EXTERNAL, 4000, 1000, 150),
        (KeyType.DEFAULT_CMK, 1000, 1000, 150),
        (KeyType.SERVICE_KEY, 1000, 1000, 150),
    ],
)
def test_a_spec_says_how_many_requests_a_second(key_type: KeyType, spec: int, symmetric: int, asymmetric: int) -> None:
    row = instance(key_type, spec)
    assert limit_of(row, symmetric=True).rate == symmetric
    assert limit_of(row, symmetric=False).rate == asymmetric
    assert limit_of(row, symmetric=True).bucket != limit_of(row, symmetric=False).bucket


def test_a_second_of_requests_passes_and_not_one_more(tmp_path: Path) -> None:
    clock, limit = Clock(), Limit("kst-a", 1000)
    rates = Rates(tmp_path / "rates", clock=clock)
    assert taken(rates, limit, 1500) == 1000
    clock.now += SECOND // 10
    assert taken(rates, limit, 1500) == 100
    clock.now += 60 * SECOND
    assert taken(rates, limit, 1500) == 1000
    rates.close()


def test_buckets_do_not_draw_on_each_other(tmp_path: Path) -> None:
    clock = Clock()
    rates = Rates(tmp_path / "rates", clock=clock)
    assert taken(rates, Limit("kst-a", 200), 300) == 200
    assert taken(rates, Limit("kst-b", 200), 300) == 200
    rates.close()


def test_processes_share_what_an_instance_may(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom kmsplan.engine.access.rate import Limit, Rates\n"
        "from kmsplan.kms.error import KmsError\n"
        "rates, passed = Rates(Path(sys.argv[1]), clock=lambda: 10**12), 0\n"
        "for _ in range(1500):\n    try:\n        rates.take(Limit('kst-a', 2000)); passed += 1\n"
        "    except KmsError:\n        pass\nprint(passed)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "rates")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate()[0]) for process in running) == 2000


def test_machines_divide_what_an_instance_may(tmp_path: Path) -> None:
    rates = Rates(tmp_path / "rates", clock=Clock(), nodes=lambda: 4)
    assert taken(rates, Limit("kst-a", 1000), 1000) == 250
    rates.close()


def test_machines_are_counted_every_ten_seconds(tmp_path: Path) -> None:
    clock, counts = Clock(), [1, 4]
    rates = Rates(tmp_path / "rates", clock=clock, nodes=lambda: counts.pop(0))
    found = []
    for _ in range(11):
        found.append(taken(rates, Limit("kst-a", 1000), 1001))
        clock.now += SECOND
    assert found == [1000] * 10 + [250]
    rates.close()


def test_a_database_that_counts_nobody_lets_this_machine_go_on(tmp_path: Path) -> None:
    rates = Rates(tmp_path / "rates", clock=Clock(), nodes=lambda: 0)
    assert taken(rates, Limit("kst-a", 1000), 1001) == 1000
    rates.close()


def test_a_resized_instance_has_its_new_rate_at_once(tmp_path: Path) -> None:
    clock = Clock()
    rates = Rates(tmp_path / "rates", clock=clock)
    assert taken(rates, Limit("kst-a", 1000), 2000) == 1000
    clock.now += SECOND
    assert taken(rates, Limit("kst-a", 4000), 5000) == 4000
    rates.close()


def test_a_disk_that_becomes_full_later_refuses_no_request(tmp_path: Path) -> None:
    rates = Rates(tmp_path / "rates", clock=Clock())
    assert (tmp_path / "rates").stat().st_blocks * 512 >= SLOTS * 64
    rates.close()


def test_a_file_that_cannot_be_made_is_named_with_what_to_do() -> None:
    with pytest.raises(KeystoreError, match=r"requests cannot be counted in /dev/full .*and the space on its disk"):
        Rates(Path("/dev/full"))


def test_a_clock_that_began_anew_locks_nobody_out(tmp_path: Path) -> None:
    clock, limit = Clock(10**9 * SECOND), Limit("kst-a", 1000)
    rates = Rates(tmp_path / "rates", clock=clock)
    assert taken(rates, limit, 1000) == 1000
    clock.now = 10 * SECOND
    assert taken(rates, limit, 1000) == 1000
    rates.close()


def test_a_file_that_was_cut_off_is_an_empty_one(tmp_path: Path) -> None:
    path, limit = tmp_path / "rates", Limit("kst-a", 1000)
    rates = Rates(path, clock=Clock())
    assert taken(rates, limit, 1000) == 1000
    os.truncate(path, 0)
    assert taken(rates, limit, 2000) == 1000
    rates.close()


def test_more_buckets_than_slots_share_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmsplan.engine.access.rate.SLOTS", 4)
    rates = Rates(tmp_path / "rates", clock=Clock())
    assert taken(rates, Limit("kst-0", 200), 200) == 200
    for number in range(1, 20):
        assert taken(rates, Limit(f"kst-{number}", 200), 1) in (0, 1)
    assert (tmp_path / "rates").stat().st_size <= 4 * 64
    rates.close()


def test_the_file_is_the_owners_and_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "rates"
    rates = Rates(path)
    rates.take(Limit("kst-a-name-that-would-show", 1000))
    rates.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"kst-" not in path.read_bytes()
