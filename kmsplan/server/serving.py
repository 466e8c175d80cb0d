"""What the supervisor gets ready for its workers."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore.nonce import FILE
from kmsplan.engine.pace import Pace
from kmsplan.kms.error import ERRORS
from kmsplan.server import descriptor
from kmsplan.server.action.table import ROWS
from kmsplan.server.limits import Limits
from kmsplan.server.log import Style
from kmsplan.server.metrics import Metrics
from kmsplan.server.nonce import Nonces
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
        KeystoreError: the file of nonces cannot be made in the engine's folder.
    """
    descriptor.provide((limits or Limits()).connections)
    nonces = folder / FILE
    with closing(Nonces(nonces)) as book:
        outwait(book.floor)
    return Serving(
        bound=bound,
        admin=admin,
        tls=tls,
        open_engine=open_engine,
        nonces=nonces,
        pace=Pace(),
        metrics=Metrics((NO_ACTION, *sorted(ROWS)), CODES, workers),
        limits=limits or Limits(),
        style=Style(style),
        workers=workers,
    )


def outwait(
    floor: int, *, clock: Callable[[], float] = time.time, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Wait for the end of the second in which nonces were forgotten, because what clients sign in it is refused.

    So after a restart of the machine, or a restore, a server is ready up to a second later, and refuses nobody whose
    clock is right.

    Args:
        floor: that second, since 1970. One that is over, or from which a clock was set back since, is not waited for.
        clock: seconds since 1970.
        sleep: waits for as many seconds.
    """
    left = floor + 1 - clock()
    if 0 < left <= 1:
        sleep(left)
