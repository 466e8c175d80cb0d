"""The guide for operators: what it tells people to run is run, and what it says of the status is what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.project import KMSPLAN, Project
from tests.unit.engine.test_status import FACTS

if TYPE_CHECKING:
    from tests.postgres import PostgresServer

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def _write(root: Path, configuration: str) -> None:
    """Write a configuration where its first line says."""
    path = root / configuration.partition("\n")[0].removeprefix("# ")
    path.parent.mkdir(exist_ok=True)
    path.write_text(configuration)


@pytest.mark.hsm
def test_every_command_of_the_page_works_in_its_order(token: Project, postgres: PostgresServer) -> None:
    token.environ |= {
        "BACKUP_PASSPHRASE": "correct-horse-battery-staple",
        "ENGINE_PASSPHRASE": "tr0ub4dor",
        "DATABASE": postgres.url(postgres.new_schema()),
        "PATH": f"{Path(KMSPLAN).parent}:/usr/bin:/bin",
    }
    decrypted = 0
    for kind, text in BLOCKS:
        if kind == "yaml":
            _write(token.root, text)
            continue
        done = token.shell(text)
        assert done.returncode == 0, text + done.stdout + done.stderr
        decrypted += done.stdout.count("card 4711")
    assert decrypted == PAGE.count("engine decrypt --in") == 5


def test_blocks_are_of_the_two_kinds_that_are_used() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "yaml"}
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_every_fact_of_the_status_is_explained() -> None:
    watched = PAGE.partition("## What to watch")[2].partition("## When something fails")[0]
    assert set(re.findall(r"`([a-z_]+)`", watched)) >= set(FACTS)
