"""Certificates and keys of a server: what is taken, and what is said of what is not."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from kmsplan.server import tls
from tests.certificates import authority, certificate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_key_of_its_owner_alone_is_taken(tmp_path: Path, mode: int) -> None:
    issued = certificate(tmp_path, "server")
    issued.key.chmod(mode)
    made = tls.context(issued.certificate, issued.key, None)
    assert (made.minimum_version, made.verify_mode) == (ssl.TLSVersion.TLSv1_2, ssl.CERT_NONE)


def test_clients_have_to_show_a_certificate_where_authorities_are_named(tmp_path: Path) -> None:
    root = authority(tmp_path)
    issued = certificate(tmp_path, "server", root)
    assert tls.context(issued.certificate, issued.key, root.certificate).verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_use_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    issued = certificate(tmp_path, "server")
    issued.key.chmod(mode)
    with pytest.raises(tls.TlsFileError, match=rf"key is open to others than its owner \(mode {mode:04o}\)") as caught:
        tls.context(issued.certificate, issued.key, None)
    assert caught.value.remedy == f"Close it: chmod 600 {issued.key}"


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    issued = certificate(tmp_path, "server")
    issued.key.unlink()
    with pytest.raises(tls.TlsFileError, match=r"server\.key cannot be read: No such file"):
        tls.context(issued.certificate, issued.key, None)
