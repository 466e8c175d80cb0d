from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmsplan.config.cloud import in_cloud
from kmsplan.config.diagnostic import ConfigurationError
from tests.certificates import authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.config.configuration import Configuration

    Load = Callable[..., Configuration]

DAMAGED = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


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


def test_a_file_of_authorities_may_hold_several(loaded: Load, tmp_path: Path) -> None:
    path = tmp_path / "authorities.pem"
    (tmp_path / "other").mkdir()
    path.write_bytes(b"".join(authority(folder).certificate.read_bytes() for folder in (tmp_path, tmp_path / "other")))
    loaded(written(f"ca_file: {path}"))


@pytest.mark.parametrize(
    ("text", "words"), [(None, "cannot be read"), ("key", "holds no certificate"), (DAMAGED, "damaged or cut off")]
)
def test_a_file_of_authorities_is_looked_into(loaded: Load, tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "authorities.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        loaded(written(f"ca_file: {path}"))
    assert words in caught.value.diagnostics[0].detail


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("endpoint: 'kms.example.org:0'", "1 to 65535"),
        ("endpoint: 'kms.example.org:99999'", "1 to 65535"),
        ("timeouts: {read: 0s}", "`read` lies between 1s and 3600s"),
        ("timeouts: {connect: 999999999d}", "`connect` lies between 1s and 3600s"),
    ],
)
def test_numbers_that_no_connection_can_have_are_found_beforehand(loaded: Load, options: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(written(options))
    assert words in caught.value.diagnostics[0].detail


@pytest.mark.parametrize("options", ["endpoint: 'kms.example.org:65535'", "timeouts: {connect: 1s, read: 1h}"])
def test_the_limits_themselves_are_taken(loaded: Load, options: str) -> None:
    loaded(written(options))


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [(None, True), ("kms.eu-central-1.aliyuncs.com", True), ("kms.aliyuncs.com:443", True), ("localhost:8443", False)],
)
def test_the_cloud_is_told_by_its_endpoint(endpoint: str | None, *, expected: bool) -> None:
    assert in_cloud({} if endpoint is None else {"endpoint": endpoint}) is expected
