from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engines import Lab
from tests.furnished import key_file, restore_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.sealing import FileSeal
    from kmsplan.engine.service import Engine
    from kmsplan.kms.secret import SecretBytes
    from tests.postgres import PostgresServer


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Callable[[str], SecretBytes | None]:
    """Return the connection string of a new database of a kind; None for SQLite."""

    def made(kind: str) -> SecretBytes | None:
        if kind == "sqlite":
            return None
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.secret(server.new_schema())

    return made


@pytest.fixture
def lock(tmp_path: Path) -> FileSeal:
    """What backups are locked with."""
    return key_file(tmp_path)


@pytest.fixture
def elsewhere(lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """Another machine, so to speak: another folder, the same HSM and the same time."""
    place = Lab(tmp_path / "elsewhere", hsm=lab.hsm, clock=lab.clock)
    yield place
    place.close()


@pytest.fixture
def restored(elsewhere: Lab, lock: FileSeal) -> Callable[[Path], Engine]:
    """Restores a backup elsewhere, and opens the engine there."""

    def done(path: Path) -> Engine:
        restore_to(elsewhere, path, lock)
        return elsewhere.open()

    return done
