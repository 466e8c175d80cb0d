"""What the supervisor gets ready for its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore.folder import make_folder
from kmsplan.kms.error import ERRORS
from kmsplan.server.action.table import ROWS
from kmsplan.server.limits import Limits
from kmsplan.server.log import Style
from kmsplan.server.metrics import Metrics
from kmsplan.server.nonce import FILE, Nonces
from kmsplan.server.refusal import Refusal
from kmsplan.server.site import NO_ACTION
from kmsplan.server.worker import Serving

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.service import Engine

CODES: Final = tuple(sorted({*ERRORS, *(refusal.code for refusal in Refusal)}))


def prepare(
    bound: socket.socket,
    admin: socket.socket | None,
    *,
    tls: ssl.SSLContext | None,
    open_engine: Callable[[], Engine],
    folder: Path,
    style: str,
    workers: int,
    limits: Limits | None = None,
) -> Serving:
    """Make what workers share, and what would better fail now than in each of them.

    Raises:
        OSError: the file of nonces cannot be made in the engine's folder.
    """
    make_folder(folder)  # the keystore may be in a database, and the machine be new to it
    nonces = folder / FILE
    Nonces(nonces).close()
    return Serving(
        bound=bound,
        admin=admin,
        tls=tls,
        open_engine=open_engine,
        nonces=nonces,
        metrics=Metrics((NO_ACTION, *sorted(ROWS)), CODES, workers),
        limits=limits or Limits(),
        style=Style(style),
        workers=workers,
    )
