from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from kmsplan.config.configuration import Configuration
from kmsplan.config.diagnostic import ConfigurationError
from kmsplan.config.load import load

Load = Callable[..., Configuration]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Write a configuration and load it."""

    def write_and_load(
        text: str,
        *,
        variables: Mapping[str, str] | None = None,
        variable_files: Sequence[Path] = (),
        environ: Mapping[str, str] | None = None,
    ) -> Configuration:
        (tmp_path / "kmsplan.yaml").write_text("kmsplan: 1\n" + text)
        return load(tmp_path, variables=variables or {}, variable_files=variable_files, environ=environ or {})

    return write_and_load


@pytest.fixture
def codes(loaded: Load) -> Callable[..., list[str]]:
    """Return the codes of what is wrong with a configuration."""

    def diagnose(text: str, **given: object) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            loaded(text, **given)
        return [found.code for found in caught.value.diagnostics]

    return diagnose
