from __future__ import annotations

import io

import pytest

from kmsplan.cli.terminal import Terminal


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def decide(environ: dict[str, str], *, tty: bool, no_color: bool = False) -> Terminal:
    stream = _Tty() if tty else io.StringIO()
    return Terminal.of(environ, no_color=no_color, stdout=stream, stderr=stream)


@pytest.mark.parametrize(
    ("environ", "tty", "no_color", "color"),
    [
        ({}, True, False, True),
        ({}, False, False, False),
        ({"FORCE_COLOR": "1"}, False, False, True),
        ({"CLICOLOR_FORCE": "1"}, False, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False, False),
        ({"FORCE_COLOR": "1"}, True, True, False),
        ({"TERM": "dumb"}, True, False, False),
        ({"NO_COLOR": ""}, True, False, True),
    ],
)
def test_colour_follows_the_stream_and_the_environment(
    environ: dict[str, str], *, tty: bool, no_color: bool, color: bool
) -> None:
    assert decide(environ, tty=tty, no_color=no_color).color is color


@pytest.mark.parametrize("name", ["CI", "TF_IN_AUTOMATION", "KMSPLAN_IN_AUTOMATION"])
def test_automation_gets_no_progress_bar_and_no_hints(name: str) -> None:
    terminal = decide({name: "1"}, tty=True)
    assert (terminal.progress, terminal.hints) == (False, False)
    assert decide({}, tty=True).progress
