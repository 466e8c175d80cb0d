"""The page on reviewing: what it tells people to run is run, and what it says is refused is refused as it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

PAGE = (Path(__file__).parents[2] / "docs" / "reviewing.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
REFUSAL = re.compile(r"# exit (\d+): (.+)")


def test_every_command_of_the_page_ends_as_it_says(project: Project) -> None:
    project.environ["PATH"] = f"{Path(KMSPLAN).parent}:/usr/bin:/bin"
    refused = 0
    for kind, text in BLOCKS:
        if kind == "yaml":
            project.write(text, text.partition("\n")[0].removeprefix("# "))
            continue
        code, words = REFUSAL.findall(text)[0] if kind == "refused" else ("0", "")
        done = project.shell(text)
        assert done.returncode == int(code), text + done.stdout + done.stderr
        assert words in done.stderr
        refused += kind == "refused"
    assert refused == 4


def test_blocks_are_of_the_kinds_that_are_used() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "yaml", "refused"}
