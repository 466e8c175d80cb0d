"""A test that fails is the only one."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.ending import end, failing_alone

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


def started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(SLEEPS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_what_a_failing_test_started_ends_with_it_and_nothing_else() -> None:
    before, during = started(), []

    def fails() -> None:
        with failing_alone():
            during.append(started())
            during[0].stdin.write(b"unsent")  # type: ignore[union-attr]
            pytest.fail("as a test does")

    with ExitStack() as ends:
        ends.callback(end, before)
        with pytest.raises(pytest.fail.Exception, match="as a test does"):
            fails()
        (process,) = during
        assert (process.returncode, before.poll()) == (-9, None)
        assert all(pipe.closed for pipe in (process.stdin, process.stdout, process.stderr) if pipe)


def test_what_a_passing_test_started_goes_on() -> None:
    with ExitStack() as ends:
        with failing_alone():
            process = started()
            ends.callback(end, process)
        assert process.poll() is None
