"""How connections are encrypted: certificates, keys, and what is wrong with their files."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kmsplan.kms.ownfile import open_to_others

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REMEDY: Final = (
    "--tls-cert and --client-ca take certificates in PEM, --tls-key the private key of the first certificate."
)


class TlsFileError(Exception):
    """A file cannot be used.

    Args:
        summary: which one, and why.
        remedy: what to do.
    """

    def __init__(self, summary: str, remedy: str = _REMEDY) -> None:
        self.remedy = remedy
        super().__init__(summary)


def context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """Return how connections are encrypted: TLS 1.2 or newer; with `client_ca`, clients have to show a certificate.

    Raises:
        TlsFileError: a file cannot be read, does not hold what it should, or is a key that others can read.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    with _named(certificate, "holds no certificate in PEM"):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    with _named(key, "holds no private key in PEM, or another certificate's"):
        _require_own(key)
        made.load_cert_chain(certificate, key, lambda: _no_passphrase(key))
    if client_ca is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        with _named(client_ca, "holds no certificate in PEM"):
            made.load_verify_locations(client_ca)
    return made


def _require_own(key: Path) -> None:
    """Check that nobody else can read the key: whoever has a copy can take the server's place.

    Raises:
        TlsFileError: others can.
        OSError: the file cannot be opened.
    """
    with key.open("rb") as file:
        problem = open_to_others(file)
    if problem is not None:
        raise TlsFileError(f"the key file {key} {problem}", f"Close it: chmod 600 {key}")


@contextmanager
def _named(file: Path, otherwise: str) -> Iterator[None]:
    """Name the file in what goes wrong with it, which OpenSSL does not.

    Args:
        file: the file.
        otherwise: what is wrong where it can be read.

    Raises:
        TlsFileError: something is wrong.
    """
    try:
        yield
    except ssl.SSLError as error:
        raise TlsFileError(f"{file} {otherwise}") from error
    except OSError as error:
        raise TlsFileError(f"{file} cannot be read: {error.strerror}") from error


def _no_passphrase(key: Path) -> str:
    """Refuse an encrypted key: OpenSSL would ask on the terminal, and nobody answers that for a service."""
    raise TlsFileError(f"{key} is encrypted with a passphrase; a server starts without anybody who knows it")
