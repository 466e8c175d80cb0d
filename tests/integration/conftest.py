"""Projects in the states that stories start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.project import BASIC, SOFTHSM, Project, init_token

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty folder."""
    return Project(tmp_path)


@pytest.fixture
def basic(project: Project) -> Project:
    """Two keys and an alias, declared and not applied."""
    project.write(BASIC)
    return project


@pytest.fixture
def applied(basic: Project) -> Project:
    """Two keys and an alias, applied."""
    basic.apply()
    return basic


@pytest.fixture
def token(project: Project) -> Project:
    """A folder with a SoftHSM2 token of its own: label `test`, PIN in HSM_PIN."""
    assert SOFTHSM.exists(), "install softhsm2: apt-get install softhsm2 (tests/run does)"
    tokens = project.root / "tokens"
    tokens.mkdir()
    configuration = project.root / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    project.environ |= {"SOFTHSM2_CONF": str(configuration), "HSM_PIN": "4711-0815"}
    init_token(project, "test")
    return project
