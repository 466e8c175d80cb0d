"""The protection backends that the contract suites run against."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.protection.software import SoftwareProtection
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.protection.protocol import Protection


@pytest.fixture(params=["software", pytest.param("pkcs11", marks=pytest.mark.hsm)])
def protection(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Protection]:
    if request.param == "software":
        backend: Protection = SoftwareProtection(os.urandom)
    else:
        backend = SoftHsm.create(tmp_path, monkeypatch).protection()
    yield backend
    backend.close()
