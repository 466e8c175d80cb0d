"""What every test starts from: a clean environment."""

from __future__ import annotations

import os

import pytest

_LEAKY = (
    "KMSPLAN_VAR",
    "KMSPLAN_STATE",
    "KMSPLAN_IN",
    "TF_",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CI",
    "HSM_PIN",
    "SOFTHSM2_CONF",
    "HTTP_PROXY",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the person or pipeline that runs the tests changes what they see."""
    for name in list(os.environ):
        if name.startswith(_LEAKY):
            monkeypatch.delenv(name)
