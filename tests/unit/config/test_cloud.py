from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.config.cloud import in_cloud
from kmsplan.config.diagnostic import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.config.configuration import Configuration

    Load = Callable[..., Configuration]

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


def written(options: str) -> str:
    return f"engine: {{alibaba: {{region: cn-hangzhou, {options}}}}}\n"


@pytest.mark.parametrize("endpoint", ["localhost:8080", "127.0.0.1:8080", "127.9.9.9", "'[::1]:8080'"])
def test_plain_http_may_reach_this_machine(loaded: Load, endpoint: str) -> None:
    loaded(written(f"endpoint: {endpoint}, protocol: http"))


@pytest.mark.parametrize("endpoint", ["localhost.example.org", "127.example.org", "kms.example.org:80", "10.0.0.1"])
def test_plain_http_may_reach_no_other(loaded: Load, endpoint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(written(f"endpoint: {endpoint}, protocol: http"))
    assert [found.code for found in caught.value.diagnostics] == ["K423"]


def test_plain_http_needs_an_endpoint(loaded: Load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(written("protocol: http"))
    assert "Plain http" in caught.value.diagnostics[0].detail


@pytest.mark.parametrize(
    ("text", "words"), [(None, "cannot be read"), ("key", "holds no certificate"), (CERTIFICATE, "")]
)
def test_a_file_of_authorities_is_looked_into(loaded: Load, tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "authorities.pem"
    if text is not None:
        path.write_text(text)
    if not words:
        loaded(written(f"ca_file: {path}"))
        return
    with pytest.raises(ConfigurationError) as caught:
        loaded(written(f"ca_file: {path}"))
    assert words in caught.value.diagnostics[0].detail


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [(None, True), ("kms.eu-central-1.aliyuncs.com", True), ("kms.aliyuncs.com:443", True), ("localhost:8443", False)],
)
def test_the_cloud_is_told_by_its_endpoint(endpoint: str | None, *, expected: bool) -> None:
    assert in_cloud({} if endpoint is None else {"endpoint": endpoint}) is expected
