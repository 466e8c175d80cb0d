"""The engine's folder, which a power cut does not take away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.keystore import folder
from kmsplan.engine.keystore.folder import make_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_name_of_a_new_engine_is_flushed_with_each_folder_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(folder, "flush_folder", flushed.append)
    make_folder(tmp_path / "state" / "engine")
    assert set(flushed) == {tmp_path, tmp_path / "state"}
