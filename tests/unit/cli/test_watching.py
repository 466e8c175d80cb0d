from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kmsplan.cli.session import Session
from kmsplan.cli.terminal import Terminal
from kmsplan.cli.watching import Watching

if TYPE_CHECKING:
    import pytest


def watching(*, verbose: bool) -> Watching:
    terminal = Terminal(color=False, error_color=False, progress=False, interactive=True, hints=True, verbose=verbose)
    return Watching(Session(directory=Path(), terminal=terminal, debug=False))


def test_with_verbose_a_reading_is_timed_and_what_is_tried_again_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    watch = watching(verbose=True)
    with watch.reading():
        watch.progress(1, 2)
        watch.retried("ListKeys", "Throttling\x1b", 0.25)
    tried, took = (line.partition("] ")[2] for line in capsys.readouterr().err.splitlines())
    assert tried == "KMS: ListKeys failed with Throttling\\x1b; again in 0.2 s"
    assert took.startswith("Reading the KMS: took 0.")


def test_without_it_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    watch = watching(verbose=False)
    with watch.reading():
        watch.progress(1, 2)
        watch.retried("ListKeys", "Throttling", 0.25)
    watch.progress(2, 2)  # a thread that comes late
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
