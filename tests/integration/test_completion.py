"""Completion as somebody at a prompt has it: in the shells themselves."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.main import COMMANDS
from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project


def asked(project: Project, line: str, **environ: str) -> tuple[list[str], str]:
    """What kmsplan answers to the script of bash, and what it prints on standard error."""
    words = line.split(" ")
    done = subprocess.run(
        [KMSPLAN],
        cwd=project.root,
        env={
            **project.environment(),
            **environ,
            "_KMSPLAN_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [found.partition(",")[2] for found in done.stdout.splitlines() if found]
    return answers, done.stderr


def suggested(project: Project, line: str) -> list[str]:
    answer, printed = asked(project, line)
    assert printed == ""
    return answer


def test_commands_and_options_are_suggested(project: Project) -> None:
    assert set(COMMANDS) <= set(suggested(project, "kmsplan "))
    assert "access-key" in suggested(project, "kmsplan engine ")
    assert suggested(project, "kmsplan plan --detailed") == ["--detailed-exitcode"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kmsplan plan --target key.", ["key.late", "key.orders", "key.signer"]),
        ("kmsplan apply --exclude alias.", ["alias.orders"]),
        ("kmsplan apply --allow-in-use key.", ["key.orders", "key.signer"]),
        ("kmsplan state show key.o", ["key.orders"]),
        ("kmsplan state rm key.orders key.s", ["key.signer"]),
        ("kmsplan state mv key.s", ["key.signer"]),
        ("kmsplan import ", ["key.late"]),
        ("kmsplan engine encrypt alias/", ["alias/orders"]),
        ("kmsplan engine call Disable", ["DisableKey"]),
        ("kmsplan plan --report jun", ["junit="]),
        ("kmsplan plan --format js", ["json"]),
        ("kmsplan schema ev", ["event"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_addresses_and_words_are_suggested(applied: Project, line: str, expected: list[str]) -> None:
    with (applied.root / "kmsplan.yaml").open("a") as file:
        file.write("  late: {instance: core}\n")
    assert suggested(applied, line) == expected


def test_another_folder_is_looked_at_where_one_is_named(applied: Project, tmp_path: Path) -> None:
    elsewhere = type(applied)(tmp_path / "elsewhere")
    elsewhere.root.mkdir()
    assert suggested(elsewhere, "kmsplan -C .. state show key.o") == ["key.orders"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}"])
def test_what_is_broken_suggests_nothing_and_says_nothing(applied: Project, content: bytes) -> None:
    (applied.root / "state" / "kmsplan.state.json").write_bytes(content)
    assert suggested(applied, "kmsplan state show key.o") == []


def _processor_seconds(project: Project, line: str) -> tuple[float, list[str]]:
    """What the process takes, which other tests on the machine do not lengthen much, and what it suggests."""
    before = os.times()
    found = suggested(project, line)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system, found


def test_it_takes_no_longer_than_typing_does(project: Project) -> None:
    alone, _ = _processor_seconds(project, "kmsplan plan --target key.k999")
    records = {f"key.k{number}": {"identity": f"key-{number}", "attributes": {}} for number in range(10_000)}
    (project.root / "state").mkdir()
    (project.root / "state" / "kmsplan.state.json").write_text(json.dumps({"records": records}))
    keys = "".join(f"  k{number}: {{instance: core}}\n" for number in range(10_000))
    project.write(f"kmsplan: 1\nkeys:\n{keys}")
    seconds, found = _processor_seconds(project, "kmsplan plan --target key.k999")
    assert found == ["key.k999", *(f"key.k999{n}" for n in range(10))]
    assert seconds - alone < 1  # 0.04 s


def test_bash_completes(applied: Project) -> None:
    script = """
source <(kmsplan completion bash)
COMP_WORDS=(kmsplan state show key.o) COMP_CWORD=3
_kmsplan_completion kmsplan
printf '%s\\n' "${COMPREPLY[@]}"
"""
    assert run_shell(applied, ["bash", "--norc", "-c", script]) == ["key.orders"]


def test_fish_completes(applied: Project) -> None:
    script = "kmsplan completion fish | source; complete --do-complete 'kmsplan state show key.o'"
    assert run_shell(applied, ["fish", "--no-config", "-c", script]) == ["key.orders"]


def run_shell(project: Project, command: list[str]) -> list[str]:
    path = f"{Path(KMSPLAN).parent}:{os.environ['PATH']}"
    environment = {**project.environment(), "PATH": path, "HOME": str(project.root)}
    done = subprocess.run(
        command, cwd=project.root, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_zsh_completes_at_its_prompt(applied: Project) -> None:
    """It completes only for somebody who types."""
    (applied.root / ".zshrc").write_text(
        f"PATH={Path(KMSPLAN).parent}:$PATH PS1='ready> '\n"
        "autoload -Uz compinit; compinit -u -d zcompdump; source <(kmsplan completion zsh)\n"
    )
    environment = {**applied.environment(), "HOME": str(applied.root), "TERM": "dumb"}
    environment.pop("ZDOTDIR", None)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(applied.root)
        os.execvpe("zsh", ["zsh", "-o", "NO_GLOBAL_RCS", "-i"], environment)  # noqa: S606 - it needs a terminal of its own
    try:
        read_until(terminal, "ready> ")
        os.write(terminal, b"kmsplan state show key.o\t")
        read_until(terminal, "key.orders")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def read_until(terminal: int, wanted: str) -> None:
    """Wait until something is on the screen."""
    seen, end = "", time.monotonic() + 60
    while wanted not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
