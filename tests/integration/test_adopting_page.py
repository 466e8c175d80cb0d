"""The page on adopting: what it tells people to run is run, in its order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

PAGE = (Path(__file__).parents[2] / "docs" / "adopting.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.hsm
def test_every_command_of_the_page_works_in_its_order(token: Project) -> None:
    project = token
    project.environ["PATH"] = f"{Path(KMSPLAN).parent}:/usr/bin:/bin"
    said = ""
    for kind, text in BLOCKS:
        if kind == "yaml":
            (project.root / text.partition("\n")[0].removeprefix("# ")).write_text(text)
            continue
        done = project.shell(text)
        assert done.returncode == 0, text + done.stdout + done.stderr
        said += done.stdout
    assert said.count("Plan: 0 to add, 0 to change, 0 to destroy.\nAlso: 3 to adopt.") == 2  # by plan and by apply
    assert said.count("Also: 4 to adopt.") == 1
    assert "~ rotation" in said
    assert 'hsm_object          = "0a02"' in said
    assert "it stands for object 0a02, which is in the token already" in said
    assert said.count("No changes.") == PAGE.count("--detailed-exitcode") == 5


def test_blocks_are_of_the_two_kinds_that_are_used() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "yaml"}
    assert PAGE.count("```") == 2 * len(BLOCKS)
