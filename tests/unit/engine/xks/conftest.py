from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.xks.signature import Credential
from kmsplan.kms.secret import SecretBytes
from tests.xks import ScriptedProxy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def credential() -> Credential:
    return Credential(access_key_id="AKIDEXAMPLE234567ABC", secret=SecretBytes(b"a-secret-of-256-bits"))


@pytest.fixture
def scripted() -> Iterator[ScriptedProxy]:
    proxy = ScriptedProxy()
    yield proxy
    proxy.close()
