"""What every test starts from: a clean environment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.ending import failing_alone, forget_failure

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from tests.objects import ObjectServer
    from tests.postgres import PostgresServer
    from tests.softhsm import SoftHsm

_LEAKY = (
    "KMSPLAN_VAR",
    "KMSPLAN_STATE",
    "KMSPLAN_IN",
    "TF_",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "COLUMNS",
    "CI",
    "HSM_PIN",
    "SOFTHSM2_CONF",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "ALIBABA_CLOUD",
    "AWS_",
)


# A busy machine is no defect; whatever else a pipeline's profile says stays.
settings.register_profile(
    "unhurried",
    parent=settings(),
    deadline=None,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.too_slow],
)
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """No variable of the person or pipeline that runs the tests changes what they see.

    Before anything is imported: the SDK reads some of them then. Its search for credentials ends on this machine; the
    metadata service that it would ask last is a network's.
    """
    for name in list(os.environ):
        if name.startswith(_LEAKY):
            del os.environ[name]
    os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Let no test fail because of a process that another one left when it failed."""
    with failing_alone():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Nor because of a socket, which it would otherwise be told of as pytest lets go of the other's traceback."""
    told = yield
    if hasattr(sys, "last_value"):
        forget_failure()
    return told


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """A token of SoftHSM2 of the test's own."""
    from tests.softhsm import SoftHsm  # noqa: PLC0415 - most tests need no HSM

    return SoftHsm.create(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for all tests of this process that ask for it."""
    from tests.postgres import PostgresServer  # noqa: PLC0415 - most tests need no database server

    server = PostgresServer.create()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def objects() -> Iterator[ObjectServer]:
    """An object server, for all tests of this process that ask for it."""
    from tests.objects import ObjectServer, descriptions_read_once  # noqa: PLC0415 - as above

    server = ObjectServer.create()
    with descriptions_read_once():
        yield server
    server.close()
