"""`kmsplan fmt`: files in their canonical form, and nothing else done to them."""

from __future__ import annotations

import codecs
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.exitcode import ExitCode
from tests.pages import run_page
from tests.project import BASIC

if TYPE_CHECKING:
    from tests.project import Project

ROOT = Path(__file__).parents[2]
UNTIDY = "kmsplan:  1\n\n\n\ninstances:\n    core: {type: software} # ours\n"
TIDY = "kmsplan: 1\n\ninstances:\n  core: {type: software}  # ours\n"


def test_the_page_is_true(project: Project) -> None:
    run_page(ROOT / "docs" / "formatting.md", project)


def test_files_are_written_and_those_that_changed_are_named(project: Project) -> None:
    project.write(UNTIDY)
    project.write("env:   prod\n", "prod.vars.yaml")
    project.write("keys: {}\n", "tidy.yml")
    assert project.run("fmt").out.split() == ["kmsplan.yaml", "prod.vars.yaml"]
    assert (project.root / "kmsplan.yaml").read_text() == TIDY
    assert (project.root / "prod.vars.yaml").read_text() == "env: prod\n"
    assert project.run("fmt").out == ""
    assert project.run("fmt", "--check").text == ""


def test_a_check_writes_nothing_and_ends_with_its_own_exit_code(project: Project) -> None:
    project.write(UNTIDY)
    answer = project.run("fmt", "--check", code=ExitCode.FORMAT)
    assert answer.out == "kmsplan.yaml\n"
    assert project.run("--quiet", "fmt", "--check", code=ExitCode.FORMAT).text == "kmsplan.yaml\n"
    assert (project.root / "kmsplan.yaml").read_text() == UNTIDY


def test_a_diff_is_a_patch_that_does_the_same(project: Project) -> None:
    project.write(UNTIDY)
    patch = project.run("fmt", "--check", "--diff", code=ExitCode.FORMAT).out
    project.write(patch, "fmt.patch")
    assert project.shell("git apply -p0 fmt.patch").returncode == 0
    assert (project.root / "kmsplan.yaml").read_text() == TIDY


def test_with_a_diff_files_are_written_too(project: Project) -> None:
    project.write(UNTIDY)
    assert "+kmsplan: 1" in project.run("fmt", "--diff").out.splitlines()
    assert (project.root / "kmsplan.yaml").read_text() == TIDY


def test_a_diff_shows_no_literal_secret(project: Project) -> None:
    project.write('vault:   {pin: "4711-0815"}\nurl:   postgres://me:4711-0815@db/x\n# passphrase: 4711-0815\n')
    answer = project.run("fmt", "--diff")
    assert "4711-0815" not in answer.text
    assert "+vault: {pin: (not shown)}" in answer.out
    assert (project.root / "kmsplan.yaml").read_text().count("4711-0815") == 3


def test_standard_input_is_printed_in_canonical_form(project: Project) -> None:
    assert project.run("fmt", "-", stdin=UNTIDY).out == TIDY
    assert project.run("fmt", "-", stdin=TIDY).out == TIDY
    assert project.run("fmt", "--check", "-", stdin=UNTIDY, code=ExitCode.FORMAT).out == "<stdin>\n"
    assert "-kmsplan:  1" in project.run("fmt", "--diff", "-", stdin=UNTIDY).out
    wrong = project.run("fmt", "-", stdin="a: [}", code=ExitCode.ERROR)
    assert wrong.out == ""
    assert "on <stdin> line 1, column 5" in wrong.err


def test_standard_input_stands_alone(project: Project) -> None:
    assert "takes no other PATH" in project.run("fmt", "-", "kmsplan.yaml", code=ExitCode.ERROR).err


def test_paths_are_files_and_folders_each_taken_once(project: Project) -> None:
    (project.root / "keys").mkdir()
    for name in ("keys/a.yaml", "keys/.hidden.yaml", "b.yaml", "c.yaml"):
        project.write(UNTIDY, name)
    (project.root / "keys" / "linked.yaml").symlink_to("a.yaml")
    assert project.run("fmt", "keys", "b.yaml", "./b.yaml").out.split() == ["keys/a.yaml", "b.yaml"]
    assert (project.root / "keys" / "a.yaml").read_text() == TIDY
    assert (project.root / "keys" / "linked.yaml").is_symlink()
    assert (project.root / "keys" / ".hidden.yaml").read_text() == UNTIDY
    assert (project.root / "c.yaml").read_text() == UNTIDY


def test_the_folder_is_that_of_the_configuration(project: Project) -> None:
    (project.root / "keys").mkdir()
    project.write(UNTIDY, "keys/a.yaml")
    assert project.run("-C", "keys", "fmt").out == "keys/a.yaml\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kmsplan:  1\nkeys:\n  a: [}\n", "line 3, column 7"),
        ("kmsplan:  1\nkmsplan: 1\n", "line 2, column 1"),
        ("kmsplan:  1\nkeys: &a {}\n", "line 2, column 7"),
    ],
    ids=["syntax", "duplicate", "anchor"],
)
def test_where_one_file_cannot_be_read_none_is_written(project: Project, text: str, said: str) -> None:
    project.write(text)
    project.write(UNTIDY, "another.yaml")
    answer = project.run("fmt", code=ExitCode.ERROR)
    assert f"on kmsplan.yaml {said}" in answer.err
    assert answer.out == ""
    assert (project.root / "kmsplan.yaml").read_text() == text
    assert (project.root / "another.yaml").read_text() == UNTIDY


def test_what_is_not_there_is_an_error_that_says_so(project: Project) -> None:
    assert "K102" in project.run("fmt", "nowhere.yaml", code=ExitCode.ERROR).err
    assert "K101" in project.run("fmt", code=ExitCode.ERROR).err


def test_mode_line_ends_and_byte_order_mark_stay(project: Project) -> None:
    path = project.root / "kmsplan.yaml"
    path.write_bytes(codecs.BOM_UTF8 + UNTIDY.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    project.run("fmt")
    assert path.read_bytes() == codecs.BOM_UTF8 + TIDY.replace("\n", "\r\n").encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_a_file_name_holds_does_not_steer_the_terminal(project: Project) -> None:
    project.write(UNTIDY, "\x1b[2J.yaml")
    answer = project.run("fmt", "--diff")
    assert "\x1b" not in answer.text
    project.write(UNTIDY, "\x1b[2J.yaml")
    assert "\x1b" not in project.run("fmt").text


EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if list(path.glob("*.yaml")))


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_in_canonical_form(project: Project, folder: Path) -> None:
    assert project.run("fmt", "--check", "--diff", str(folder)).text == ""


def test_what_kmsplan_writes_itself_is_in_canonical_form(applied: Project) -> None:
    applied.run("-C", "first", "init")
    applied.run("import", "--all", "--out", "adopted")
    applied.run("fmt", "--check", "--diff", "first", "adopted")


def test_what_it_takes_over_from_terraform_is_in_canonical_form(project: Project) -> None:
    folder = ROOT / "tests" / "case" / "terraform" / "written"
    assert project.run("fmt", "--check", "--diff", str(folder)).text == ""


def test_a_drift_that_is_accepted_leaves_files_in_canonical_form(applied: Project) -> None:
    applied.write(BASIC)
    applied.call(
        "UntagResources", "ResourceType=key", f"ResourceId={applied.identity('key.orders')}", 'TagKey=["team"]'
    )
    applied.call("DisableKey", f"KeyId={applied.identity('key.orders')}")
    applied.run("drift", "--accept", "--auto-approve")
    text = (applied.root / "kmsplan.yaml").read_text()
    assert re.search(r"enabled: false", text)
    applied.run("fmt", "--check", "--diff")
