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


_BOTH = ("software", pytest.param("pkcs11", marks=pytest.mark.hsm))


@pytest.fixture(scope="module", params=_BOTH)
def protection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Protection]:
    """A backend for the tests of a module: each uses references that no other has."""
    yield from _protection(request.param, tmp_path_factory.mktemp("token"))


@pytest.fixture(params=_BOTH)
def unused(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Protection]:
    """A backend that holds nothing yet."""
    yield from _protection(request.param, tmp_path)


def _protection(kind: str, folder: Path) -> Iterator[Protection]:
    with pytest.MonkeyPatch.context() as environment:
        backend: Protection = (
            SoftwareProtection(os.urandom) if kind == "software" else SoftHsm.create(folder, environment).protection()
        )
        yield backend
        backend.close()
