from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return SoftHsm.create(tmp_path, monkeypatch)


@pytest.fixture
def protection(softhsm: SoftHsm) -> Iterator[Pkcs11Protection]:
    backend = softhsm.protection()
    yield backend
    backend.close()
