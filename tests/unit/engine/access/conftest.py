from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engines import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.service import Engine


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A place with a new engine in it."""
    place = Lab(tmp_path / "engine")
    place.create()
    yield place
    place.close()


@pytest.fixture
def engine(lab: Lab) -> Engine:
    """The engine, open for writing."""
    return lab.open()
