"""The options by which a server is given its certificate, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kmsplan.cli.failure import UserError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_OPTIONS: Final = (
    click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM)."),
    click.option("--tls-key", type=_FILE, help="Its private key (PEM), which its owner alone may read."),
    click.option("--client-ca", type=_FILE, help="Take only clients with a certificate of these authorities (PEM)."),
)


def tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--tls-cert`, `--tls-key` and `--client-ca`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def encryption(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext | None:
    """Return how connections are encrypted, if they are.

    Raises:
        UsageError, UserError: the options or their files do not go together, or a file cannot be used.
    """
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if certificate is None or key is None:
        if client_ca is not None:
            raise click.UsageError("--client-ca needs --tls-cert and --tls-key")
        return None
    from kmsplan.server import tls  # noqa: PLC0415 - imports OpenSSL

    try:
        return tls.context(certificate, key, client_ca)
    except tls.TlsFileError as error:
        raise UserError(str(error), error.remedy) from error
