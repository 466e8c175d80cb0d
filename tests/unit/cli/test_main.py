from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Never

import click
import pytest

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import report
from kmsplan.cli.main import COMMANDS, cli, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"kmsplan {name}" in printed
    assert len(printed.splitlines()) > 3


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in COMMANDS if f"  {name} " not in printed] == []


def test_a_near_miss_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plna"]) == 1
    assert "Did you mean 'plan'?" in capsys.readouterr().err


def test_who_presses_ctrl_c_twice_is_told_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(**_: object) -> Never:
        raise KeyboardInterrupt

    def told(error: BaseException, *, debug: bool) -> int:
        signal.raise_signal(signal.SIGINT)
        return report(error, debug=debug)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(cli, "main", pressed)
    monkeypatch.setattr("kmsplan.cli.failure.report", told)
    assert run(["plan"]) == ExitCode.CANCELLED
    assert capsys.readouterr().err == "Error: cancelled\n"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("arguments", [["plan", "--nope"], ["engine", "nope"], ["apply", "--parallelism", "0"]])
def test_wrong_usage_is_exit_code_1_because_2_means_changes(arguments: list[str]) -> None:
    assert run(arguments) == 1


_PROBE = """
import sys
before = set(sys.modules)  # whoever measures coverage imports modules of its own
from kmsplan.cli.main import run
assert run(sys.argv[2:]) == 0
print(sorted(set(sys.argv[1].split(",")) & (set(sys.modules) - before)))
"""


def imported(candidates: str, *arguments: str) -> str:
    """Run a command in a process of its own; return which of the candidate modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, candidates, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.splitlines()[-1]


def test_version_imports_nothing_that_it_does_not_need() -> None:
    assert imported("yaml,orjson,cryptography,jsonschema,jsonschema_rs,rich,sqlite3,pkcs11", "version") == "[]"


def test_planning_imports_neither_cryptography_nor_what_only_errors_need(tmp_path: Path) -> None:
    (tmp_path / "kmsplan.yaml").write_text("kmsplan: 1\ninstances: {core: {type: software}}\n")
    assert run(["-C", str(tmp_path), "apply", "--auto-approve"]) == 0
    assert imported("cryptography,jsonschema,deepdiff,rich,pkcs11", "-C", str(tmp_path), "plan") == "[]"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below a group, and the groups themselves."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def test_every_command_and_every_option_of_it_has_a_help_text() -> None:
    found = dict(commands(cli, "kmsplan"))
    assert "kmsplan engine access-key rotate" in found
    assert [path for path, command in found.items() if len((command.help or "").split()) < 3] == []
    options = [
        f"{path} --{option.name}"
        for path, command in found.items()
        for option in command.params
        if isinstance(option, click.Option) and not (option.help or "").strip("[]: ")
    ]
    assert options == []


def test_no_help_is_wider_than_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for path, _ in commands(cli, "kmsplan"):
        assert run([*path.split()[1:], "--help"]) == 0
        assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100


def test_every_address_can_be_completed() -> None:
    found = dict(commands(cli, "kmsplan"))
    without = [
        f"{path} {option.name}"
        for path, command in found.items()
        for option in command.params
        if "ADDRESS" in (option.metavar or (option.name or "").upper()) and option._custom_shell_complete is None
    ]
    assert without == []
