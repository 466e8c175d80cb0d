from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engines import FakeHsm, Lab, new_instance
from tests.xks import KeyManager, ScriptedProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.service import Engine
    from tests.postgres import PostgresServer


@pytest.fixture
def hsm() -> FakeHsm:
    """The HSM of the lab; modules with another kind of HSM have their own."""
    return FakeHsm()


@pytest.fixture
def lab(tmp_path: Path, hsm: FakeHsm) -> Iterator[Lab]:
    """A place with a new engine in it."""
    place = Lab(tmp_path / "engine", hsm=hsm)
    place.create()
    yield place
    place.close()


@pytest.fixture(params=["sqlite", "postgres"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A place with a new engine in it, in either database."""
    secret = None
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        secret = server.secret(server.new_schema())
    place = Lab(tmp_path / "engine", postgres=secret)
    place.create()
    yield place
    place.close()


@pytest.fixture
def engine(lab: Lab) -> Engine:
    """The engine, open for writing."""
    return lab.open()


@pytest.fixture
def instance(engine: Engine) -> str:
    """A software instance."""
    return new_instance(engine)


@pytest.fixture
def vault(engine: Engine) -> str:
    """A hardware instance on the lab's HSM."""
    return new_instance(engine, "hardware")


@pytest.fixture
def manager() -> KeyManager:
    """Somebody else's key manager, with two keys."""
    return KeyManager("theirs", "other")


@pytest.fixture
def proxy(manager: KeyManager) -> Iterator[ScriptedProxy]:
    """Its proxy."""
    proxy = ScriptedProxy(scripts=[manager])
    yield proxy
    proxy.close()
