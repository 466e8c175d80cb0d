"""The commands as they are taught: --help, the manual page, docs/commands.md."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from markdown_it import MarkdownIt

from kmsplan.cli.commands_page import commands_page
from kmsplan.cli.example import EXAMPLES
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.main import cli, run
from kmsplan.cli.man import man_page
from kmsplan.cli.manual import Option, Page, pages

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"
PAGES = tuple(pages(cli))
LINES = sorted({line for lines in EXAMPLES.values() for line in lines})


def test_the_page_is_what_the_commands_say() -> None:
    made = commands_page(PAGES)
    if os.environ.get("KMSPLAN_UPDATE"):
        PAGE.write_text(made)
    assert PAGE.read_text() == made


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that examples name, where options want them to be there."""
    here = tmp_path / "here"
    for folder in (here, tmp_path / "payments"):
        folder.mkdir()
    for name in ("server.crt", "server.key", "terraform.tfstate"):
        (here / name).touch()
    monkeypatch.chdir(here)


def test_every_command_is_taught_with_an_example_of_its_own() -> None:
    paths = {page.path.partition(" ")[2] for page in PAGES}
    assert "engine access-key rotate" in paths
    assert paths - EXAMPLES.keys() == set()
    assert EXAMPLES.keys() - paths == set()
    strange = [
        (page.path, line)
        for page in PAGES
        for line in page.examples
        if not page.commands and parsed(line)[0] != page.path
    ]
    assert strange == []


def parsed(line: str) -> tuple[str, dict[str, object]]:
    """The command that a line would run, and what it would be given; nothing runs."""
    words = shlex.split(line)
    if ">" in words:
        words = words[: words.index(">")]
    if "|" in words:
        words = words[: words.index("|")]
    assert words[0] == "kmsplan"
    command: click.Command = cli
    context = cli.make_context("kmsplan", words[1:])
    while isinstance(command, click.Group):
        rest: Sequence[str] = [*getattr(context, "_protected_args", ()), *context.args]
        if not rest:
            break
        name, found, arguments = command.resolve_command(context, list(rest))
        assert found is not None
        command, context = found, found.make_context(name, arguments, parent=context)
    return context.command_path.partition(" ALIAS")[0], context.params


@pytest.mark.parametrize("line", LINES)
def test_every_example_is_a_command_line_that_kmsplan_takes(line: str) -> None:
    _, parameters = parsed(line)
    assert isinstance(parameters, dict)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_help_shows_the_examples(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*page.path.split()[1:], "--help"]) == 0
    printed = capsys.readouterr().out
    assert [line for line in page.examples if f"\n    {line}\n" not in printed] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_every_help_can_be_read_in_twenty_columns(
    page: Page, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert run([*page.path.split()[1:], "--help"]) == 0
    printed = "".join(capsys.readouterr().out.split())
    assert "".join(page.purpose.split()) in printed
    said = [option.help for option in page.options]
    assert [text for text in said if "".join(text.split()) not in printed] == []


def test_the_manual_page_has_every_command_and_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "kmsplan.1"
    path.write_text(man_page(PAGES))
    lint = subprocess.run(["mandoc", "-Tlint", path], capture_output=True, text=True, check=False)
    # A page that is made when it is wanted has no date of its own.
    assert [line for line in lint.stdout.splitlines() if "STYLE" not in line and "missing date" not in line] == []
    shown = subprocess.run(["mandoc", "-Tascii", path], capture_output=True, text=True, check=True).stdout
    plain = "".join(letter for letter in _without_overstrikes(shown))
    assert [page.path for page in PAGES if page.path not in plain] == []
    assert [code for code in ExitCode if f"\n       {code.value} " not in plain] == []


def _without_overstrikes(text: str) -> str:
    while "\b" in text:
        at = text.index("\b")
        text = text[: at - 1] + text[at + 1 :] if at else text[1:]
    return text


HOSTILE = Page(
    path="kmsplan hostile",
    usage="[OPTIONS]",
    purpose=".so /etc/passwd",
    details=("'br \\n(.x <b>bold</b> *strong* a_b_c [x](y)",),
    options=(Option(names="--a|b", help="| <i> |"),),
    examples=("'kmsplan .x",),
    commands=(),
)


def test_no_text_is_taken_for_a_macro() -> None:
    page = man_page((PAGES[0], HOSTILE))
    assert "\n\\&.so /etc/passwd\n" in page
    assert "\n\\&'br \\en(.x" in page


def test_no_text_is_taken_for_markup() -> None:
    html = MarkdownIt("commonmark").enable("table").render(commands_page((HOSTILE,)))
    assert "&lt;b&gt;bold&lt;/b&gt; *strong* a_b_c [x](y)" in html
    assert "<td><code>--a|b</code></td>" in html
