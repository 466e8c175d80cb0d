"""The guide to destroying and replacing: what it tells people to run is run, and what it tells them to see is seen."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

PAGE = (Path(__file__).parents[2] / "docs" / "destroying.md").read_text()
BLOCKS = re.findall(r"^ *```(\w+)\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)


def test_every_command_of_the_page_works_in_its_order(project: Project) -> None:
    project.environ["PATH"] = f"{Path(KMSPLAN).parent}:/usr/bin:/bin"
    for kind, block in BLOCKS:
        text = textwrap.dedent(block)
        if kind == "yaml":
            project.write(text)
            continue
        done = project.shell(text)
        assert done.returncode == 0, text + done.stdout + done.stderr
    records = project.state()["records"]
    assert {address: record["status"] for address, record in records.items() if address.startswith("key.")} == {
        "key.orders": "ready",
        "key.orders~1": "retired",
        "key.experiment": "ready",
        "key.mistake": "ready",
    }


def test_blocks_are_of_the_two_kinds_that_are_used() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "yaml"}
    assert PAGE.count("```") == 2 * len(BLOCKS)
