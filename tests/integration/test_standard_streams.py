"""What a process is started with: streams that are closed or lead to a full disk, and a folder that is gone."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.project import BASIC, KMSPLAN, Project

if TYPE_CHECKING:
    from pathlib import Path

CLOSED = {"output": ">&-", "error": "2>&-", "input": "<&-", "all": ">&- 2>&- <&-"}


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("streams"))
    project.write(BASIC)
    project.apply()
    return project


def redirected(project: Project, arguments: str, redirections: str) -> subprocess.CompletedProcess[str]:
    """Run a command with its streams as a shell's redirections make them, buffered as they are by default."""
    environment = {name: value for name, value in project.environment().items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["sh", "-c", f"{KMSPLAN} {arguments} {redirections}"],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("redirections", CLOSED.values(), ids=CLOSED)
def test_a_closed_stream_is_one_that_nobody_reads(redirections: str, applied: Project) -> None:
    done = redirected(applied, "plan --detailed-exitcode", redirections)
    assert done.returncode == 0
    assert done.stderr == ""
    refused = redirected(applied, "state history 17", redirections)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


def test_nothing_that_is_opened_gets_the_number_of_a_closed_stream(applied: Project) -> None:
    probe = (
        "from kmsplan.cli import standard; import os; standard.prepare();"
        "print([os.path.realpath(f'/proc/self/fd/{n}') for n in range(3)], file=open('opened', 'w'))"
    )
    python = KMSPLAN.replace("kmsplan", "python")
    subprocess.run(["sh", "-c", f'{python} -c "$1" <&- >&- 2>&-', "sh", probe], cwd=applied.root, check=True)
    assert (applied.root / "opened").read_text() == f"{['/dev/null'] * 3}\n"


@pytest.mark.parametrize("arguments", ["version", "plan", "show --json", "--help", "apply --auto-approve"])
def test_a_full_disk_under_standard_output_is_an_error_that_says_so(arguments: str, applied: Project) -> None:
    done = redirected(applied, arguments, ">/dev/full")
    assert (done.returncode, done.stderr) == (1, "Error: standard output: No space left on device\n")


def test_a_full_disk_under_both_still_gives_the_exit_code(applied: Project) -> None:
    assert redirected(applied, "plan", ">/dev/full 2>/dev/full").returncode == 1
    assert redirected(applied, "state history 17", "2>/dev/full").returncode == 1


def test_a_secret_that_could_not_be_printed_is_told_with_the_way_to_another(applied: Project) -> None:
    done = redirected(applied, "engine access-key create --role user", ">/dev/full")
    (made,) = applied.run("engine", "access-key", "list", "--json").json()["access_keys"]
    assert done.returncode == 1
    assert f"{made['access_key_id']} was made, and its secret" in done.stderr
    assert f"kmsplan engine access-key rotate {made['access_key_id']}" in done.stderr
    assert "LTAI" in applied.run("engine", "access-key", "rotate", made["access_key_id"]).out


def test_an_apply_that_could_not_print_its_end_says_on_standard_error_how_it_went(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(BASIC)
    project.run("plan", "-o", "first.plan")
    done = redirected(project, "apply first.plan --report junit=apply.xml", ">/dev/full")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "Apply complete! Resources: 4 added, 0 changed, 0 destroyed.\nError: standard output: No space left on device\n"
    )
    assert (tmp_path / "apply.xml").exists()
    broken = "{type: hardware, hsm: {module: /nowhere.so, token: t, pin: {env: PIN}}}"
    project.write(BASIC.replace("keys:", f"  broken: {broken}\nkeys:"))
    project.environ["PIN"] = "4711"
    project.run("plan", "-o", "second.plan")
    failed = redirected(project, "apply second.plan", ">/dev/full")
    assert failed.returncode == 1
    assert "Apply incomplete" in failed.stderr
    assert "standard output" not in failed.stderr


def test_an_apply_whose_output_ends_in_the_middle_goes_on_to_its_end(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        "kmsplan: 1\ninstances:\n  core: {type: software}\nkeys:\n"
        + "".join(f"  k{number}: {{instance: core}}\n" for number in range(40))
    )
    with subprocess.Popen(
        [KMSPLAN, "apply", "--auto-approve"],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as apply:
        assert apply.stdout is not None
        assert apply.stderr is not None
        while ": created" not in apply.stdout.readline():
            pass
        apply.stdout.close()
        assert "Traceback" not in apply.stderr.read()
    assert apply.returncode == 1
    assert "No changes" in project.run("plan").out


def test_a_folder_that_was_deleted_meanwhile_is_told(applied: Project) -> None:
    done = subprocess.run(
        ["sh", "-c", f"mkdir gone && cd gone && rmdir ../gone && {KMSPLAN} plan"],
        cwd=applied.root,
        env=applied.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (
        done.stderr == "Error: the folder that this was started in is gone\nChange to another one, and run it there.\n"
    )
