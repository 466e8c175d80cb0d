from __future__ import annotations

import fcntl
import io
import itertools
import os
import pty
import struct
import termios
from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def decide(environ: dict[str, str], *, tty: bool, **flags: bool) -> Terminal:
    stream = _Tty() if tty else io.StringIO()
    return Terminal.of(environ, **{"no_color": False, **flags}, stdout=stream, stderr=stream)


@pytest.mark.parametrize(
    ("environ", "tty", "no_color", "color"),
    [
        ({}, True, False, True),
        ({}, False, False, False),
        ({"FORCE_COLOR": "1"}, False, False, True),
        ({"FORCE_COLOR": "0"}, True, False, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, False, True),
        ({"FORCE_COLOR": "1", "GITHUB_ACTIONS": "true"}, False, False, True),
        ({"CLICOLOR_FORCE": "1"}, False, False, True),
        ({"CLICOLOR_FORCE": "0"}, False, False, False),
        ({"CLICOLOR": "0"}, True, False, False),
        ({"CLICOLOR": "1"}, False, False, False),
        ({"CLICOLOR": "0", "FORCE_COLOR": "1"}, True, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False, False),
        ({"FORCE_COLOR": "1"}, True, True, False),
        ({"TERM": "dumb"}, True, False, False),
        ({"NO_COLOR": ""}, True, False, True),
        ({"NO_COLOR": "0"}, True, False, False),
        ({"CI": "true"}, True, False, False),
        ({"CI": "false"}, True, False, True),
        ({"GITLAB_CI": "true"}, True, False, False),
    ],
)
def test_colour_follows_the_stream_and_the_environment(
    environ: dict[str, str], *, tty: bool, no_color: bool, color: bool
) -> None:
    assert decide(environ, tty=tty, no_color=no_color).color is color
    assert decide(environ, tty=tty, no_color=no_color).error_color is color


VALUES: dict[str, tuple[str | None, ...]] = {
    "NO_COLOR": (None, "", "1"),
    "FORCE_COLOR": (None, "", "0", "1"),
    "CLICOLOR_FORCE": (None, "0", "1"),
    "CLICOLOR": (None, "0", "1"),
    "TERM": (None, "xterm", "dumb"),
    "CI": (None, "false", "true"),
}
RULES: tuple[tuple[Callable[[dict[str, str]], bool], bool], ...] = (
    (lambda said: said.get("NO_COLOR", "") != "", False),
    (lambda said: said.get("FORCE_COLOR") == "0", False),
    (lambda said: said.get("FORCE_COLOR") == "1", True),
    (lambda said: said.get("CLICOLOR_FORCE") == "1", True),
    (lambda said: said.get("CLICOLOR") == "0", False),
    (lambda said: said.get("TERM") == "dumb", False),
    (lambda said: said.get("CI") == "true", False),
)
"""The first one that speaks decides, else the stream does."""


@pytest.mark.parametrize("tty", [False, True])
def test_of_all_that_is_set_the_first_rule_that_speaks_decides(*, tty: bool) -> None:
    for values in itertools.product(*VALUES.values()):
        environ = {name: value for name, value in zip(VALUES, values, strict=True) if value is not None}
        expected = next((answer for speaks, answer in RULES if speaks(environ)), tty)
        assert decide(environ, tty=tty).color is expected, environ
        assert decide(environ, tty=tty, no_color=True).color is False, environ


@pytest.mark.parametrize(
    "name",
    [
        *("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "JENKINS_URL", "TEAMCITY_VERSION"),
        *("TF_IN_AUTOMATION", "KMSPLAN_IN_AUTOMATION"),
    ],
)
def test_automation_gets_no_progress_bar_no_hints_and_no_questions(name: str) -> None:
    terminal = decide({name: "1"}, tty=True)
    assert (terminal.progress, terminal.hints, terminal.interactive) == (False, False, False)
    terminal = decide({name: ""}, tty=True)
    assert (terminal.progress, terminal.hints, terminal.interactive) == (True, True, True)


def test_quiet_and_verbose_do_without_a_bar_and_quiet_without_hints() -> None:
    assert not decide({}, tty=True, quiet=True).progress
    assert not decide({}, tty=True, quiet=True).hints
    assert not decide({}, tty=True, verbose=True).progress
    assert decide({}, tty=True, verbose=True).hints


def test_a_dumb_terminal_gets_no_bar() -> None:
    assert not decide({"TERM": "dumb"}, tty=True).progress


@pytest.mark.parametrize(
    ("said", "columns"), [("20", 20), ("0", None), ("-5", None), ("wide", None), ("", None), ("٢٠", None)]
)
def test_columns_say_how_wide_text_may_be(said: str, columns: int | None) -> None:
    assert decide({"COLUMNS": said}, tty=False).columns == columns


def test_a_pipe_is_as_wide_as_it_needs_to_be() -> None:
    assert decide({}, tty=False).columns is None


def test_a_terminal_says_how_wide_it_is() -> None:
    control, device = pty.openpty()
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 33, 0, 0))
    with os.fdopen(device, "w") as stream:
        terminal = Terminal.of({}, no_color=False, stdout=stream, stderr=io.StringIO())
    os.close(control)
    assert (terminal.columns, terminal.error_columns) == (33, None)
