"""The page on policy: what it tells people to run is run, in its order, and ends as the page says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
LAST_DAY = "2027-01-31"


def test_every_command_of_the_page_ends_as_it_says(project: Project) -> None:
    project.environ["PATH"] = f"{Path(KMSPLAN).parent}:/usr/bin:/bin"
    (project.root / "policy").mkdir()
    month = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    for kind, text in BLOCKS:
        if kind == "yaml":
            name = text.partition("\n")[0].removeprefix("# ")
            (project.root / name).write_text(text.replace(LAST_DAY, month))
            continue
        done = project.shell(text)
        said = done.stdout + done.stderr
        code, _, message = re.findall(r"# exit (\d+)(: )(.*)", text)[0] if kind == "refused" else (0, "", "")
        assert done.returncode == int(code), text + said
        assert message in said
    assert '"rule":"R101"' in (project.root / "policy.json").read_text()


def test_blocks_are_of_the_kinds_that_are_used() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "yaml", "refused"}
    assert PAGE.count("```") == 2 * len(BLOCKS)
    assert PAGE.count(LAST_DAY) == 1
