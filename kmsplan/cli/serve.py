"""`kmsplan engine serve`: the engine's wire API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli import kms
from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.failure import UserError, report
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.session import Session, pass_session
from kmsplan.cli.tls import encryption, tls_options

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from kmsplan.engine.service import Engine

_MOST: Final = 64
"""Worker processes that an engine's folder has room for (`server.nonce.REGIONS`)."""
_WORKERS: Final = 32
"""Started at most without being told to: another server can be started on the folder before this one ends."""


@click.command()
@click.option(
    "--listen", default="127.0.0.1:8443", metavar="HOST:PORT", help="Where to listen; port 0 takes a free one."
)
@tls_options
@click.option(
    "--workers",
    type=click.IntRange(1, _MOST),
    help=f"Worker processes.  [default: one per processor, and {_WORKERS} at most]",
)
@click.option("--admin-listen", metavar="HOST:PORT", help="/healthz, /readyz and /metrics there, and not with the API.")
@click.option(
    "--log", type=click.Choice(["json", "text", "off"]), default="json", help="A line for each request.  [json]"
)
@variable_options
@pass_session
def serve(
    session: Session,
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    workers: int | None,
    admin_listen: str | None,
    log: str,
    variables: Variables,
) -> ExitCode:
    """Serve the engine over the API of Alibaba Cloud KMS, until Ctrl-C or SIGTERM.

    Clients sign their requests with access keys: see kmsplan engine access-key. What is in flight when the server is
    told to stop is still answered.
    """
    import os  # noqa: PLC0415
    import ssl  # noqa: PLC0415

    from kmsplan.engine.keystore.folder import make_folder  # noqa: PLC0415
    from kmsplan.server import listener  # noqa: PLC0415
    from kmsplan.server.serving import prepare  # noqa: PLC0415
    from kmsplan.server.supervisor import Supervisor  # noqa: PLC0415

    tls = encryption(tls_cert, tls_key, client_ca)
    configuration = session.configuration(variables, warned=True)
    if not kms.exists(session, configuration):
        raise UserError(
            f"there is no engine in {kms.engine_place(session, configuration)} yet",
            "The first kmsplan apply makes it; kmsplan engine init makes an empty one.",
        )

    def open_engine() -> Engine:
        # OpenSSL's generator: the kernel's gives up the interpreter's lock for each few bytes, which costs a third of
        # the throughput.
        return kms.open_engine(session, configuration, read_only=False, entropy=ssl.RAND_bytes)

    bound = _bind(listen, "--listen")
    admin = None if admin_listen is None else _bind(admin_listen, "--admin-listen")
    count = workers or min(len(os.sched_getaffinity(0)), _WORKERS)
    folder = kms.engine_path(configuration)
    try:
        make_folder(folder)  # the keystore may be in a database, and the machine be new to it
    except OSError as error:
        raise UserError(
            f"the engine's folder {folder} cannot be made ({error.strerror or error})",
            "The keystore is in a database; what belongs to this machine is in that folder. Make it, or have it made "
            "by whoever owns the folder above.",
        ) from error

    serving = prepare(bound, admin, tls=tls, open_engine=open_engine, folder=folder, style=log, workers=count)

    def announce() -> None:
        if admin is not None:
            session.note(f"health and metrics on {listener.url(admin, tls=False)}")
        session.say(f"listening on {listener.url(bound, tls=tls is not None)}")

    supervisor = Supervisor(serving, count, lambda error: report(error, debug=session.debug))
    return ExitCode(supervisor.run(announce))


def _bind(address: str, option: str) -> socket.socket:
    from kmsplan.server import listener  # noqa: PLC0415

    try:
        return listener.bind(listener.parse(address))
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from error
    except OSError as error:
        raise UserError(
            f"cannot listen on {address}: {error.strerror or error}", f"Name another address with {option}."
        ) from error
