"""The page on drift: what it tells people to run is run, and ends as it says; its tables are the code's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kmsplan.drift.report import Verdict
from kmsplan.plan.schema import KINDS_OF_DRIFT
from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

PAGE = (Path(__file__).parents[2] / "docs" / "drift.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ENDING = re.compile(r"^(.*)\n# exit (\d)(?:: (.+))?$", re.MULTILINE)


def commands(block: str) -> list[tuple[str, int, str]]:
    """Return each command with the exit code and the words that the page says it ends with."""
    ended = {line: (int(code), words) for line, code, words in ENDING.findall(block)}
    return [(line, *ended.get(line, (0, ""))) for line in block.splitlines() if not line.startswith("#")]


def test_every_command_of_the_page_ends_as_it_says(project: Project) -> None:
    project.environ["PATH"] = f"{Path(KMSPLAN).parent}:/usr/bin:/bin"
    ended = set[int]()
    for kind, text in BLOCKS:
        if kind == "yaml":
            project.write(text, text.partition("\n")[0].removeprefix("# "))
            continue
        for command, code, words in commands(text):
            done = project.shell(command)
            assert done.returncode == code, command + done.stdout + done.stderr
            assert words in done.stderr
            ended.add(code)
    assert ended == {0, 1, 2}


def test_the_page_tells_every_kind_and_every_verdict() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [*KINDS_OF_DRIFT, *Verdict]
