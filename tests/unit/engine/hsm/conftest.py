from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
    from tests.softhsm import SoftHsm


@pytest.fixture
def protection(softhsm: SoftHsm) -> Iterator[Pkcs11Protection]:
    backend = softhsm.protection()
    yield backend
    backend.close()
