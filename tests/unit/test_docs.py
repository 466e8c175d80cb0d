from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "state" / "README.md",
    ROOT / "examples" / "README.md",
    *(ROOT / "docs").glob("*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`(?:\$ )?kmsplan ([a-z]+)", page.read_text()))
    assert named - set(COMMANDS) == set()


def test_the_readme_lists_every_exit_code() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [code for code in ExitCode if not re.search(rf"\| {code.value} \|", readme)] == []


def test_no_file_names_a_path_of_one_machine_or_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pattern = re.compile(r"(?<![\w.])/(?:home|root|work)/|pypi\.(?:org)|pythonhosted|registry\.npm|deb\.debian")
    found = [
        name
        for name in listed
        if name != "tests/unit/test_docs.py"
        and (ROOT / name).is_file()
        and pattern.search((ROOT / name).read_text(errors="replace"))
    ]
    assert found == []
