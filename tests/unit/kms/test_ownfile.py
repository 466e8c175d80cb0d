from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.ownfile import open_to_others

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_an_owners_file_is_fine(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with path.open("rb") as file:
        assert open_to_others(file) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o601, 0o644])
def test_a_file_that_anybody_else_can_use_is_named_with_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with path.open("rb") as file:
        assert open_to_others(file) == f"is open to others than its owner (mode {mode:04o})"
