"""`kmsplan engine xks-proxy`: the embedded engine's keys, offered to another KMS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kmsplan.cli import kms
from kmsplan.cli.failure import UserError
from kmsplan.cli.options import Variables, variable_options
from kmsplan.cli.session import Session, entropy, now, pass_session
from kmsplan.cli.tls import encryption, tls_options
from kmsplan.kms.external import API_PATH, is_external_key, is_loopback, path_problem

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping

    from kmsplan.engine.service import Engine
    from kmsplan.engine.xks.health import Health
    from kmsplan.engine.xks.signature import Credential
    from kmsplan.kms.secret import SecretBytes

FILE: Final = click.Path(path_type=Path, dir_okay=False)
_ENV: Final = "KMSPLAN_XKS_CREDENTIAL"


def _check_path(context: click.Context, parameter: click.Parameter, path: str) -> str:
    del context, parameter
    problem = path_problem(path)
    if problem:
        raise click.BadParameter(problem)
    return path


PATH = click.option(
    "--path", default=API_PATH, show_default=True, callback=_check_path, help="The path of the API, with any prefix."
)


@click.command("xks-credential")
@click.argument("file", type=FILE)
@PATH
@pass_session
def xks_credential(session: Session, file: Path, path: str) -> None:
    """Make an access key for an XKS proxy and write it to FILE (mode 0600).

    The file holds the secret in clear, in the form that `xks-proxy` and the consoles of other clouds read.
    """
    import os  # noqa: PLC0415

    from kmsplan.engine.xks.credential import generate, written  # noqa: PLC0415

    credential = generate(entropy)
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as opened:
            opened.write(written(credential, path))
    except OSError as error:
        raise UserError(
            f"{file} cannot be written: {error.strerror}", "Name a new file in a folder that you can write."
        ) from error
    session.say(credential.access_key_id)


@click.command("xks-proxy")
@click.option(
    "--key",
    "names",
    multiple=True,
    required=True,
    metavar="[NAME=]KEY",
    help="An AES-256 key (id, alias or ARN) to offer, under NAME, else under its id; repeatable.",
)
@click.option("--listen", default="127.0.0.1:8443", show_default=True, metavar="HOST:PORT", help="Port 0 takes any.")
@click.option(
    "--credential-file",
    "credentials",
    multiple=True,
    type=FILE,
    help=f"An access key that may call, as xks-credential writes it; two while one is exchanged.  [default: ${_ENV}]",
)
@PATH
@click.option("--region", help="The one region that may call.  [default: any]")
@click.option(
    "--health-key",
    "tested",
    multiple=True,
    metavar="KEY",
    help="Try this key for the health check, not an offered one.",
)
@tls_options
@click.option(
    "--client-name",
    metavar="NAME",
    help="Of those, take only clients whose certificate is for NAME (common name, or a DNS name).",
)
@variable_options
@pass_session
def xks_proxy(
    session: Session,
    names: tuple[str, ...],
    listen: str,
    credentials: tuple[Path, ...],
    path: str,
    region: str | None,
    tested: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    client_name: str | None,
    variables: Variables,
) -> None:
    """Offer AES-256 keys of the engine to another KMS (AWS XKS proxy API 1.0.3).

    Prints `listening on URL` once calls are answered, and a line of JSON for each on standard error.
    """
    if client_name is not None and client_ca is None:
        raise click.UsageError("--client-name needs --client-ca")
    secrets = _secrets(session, credentials)
    tls = encryption(tls_cert, tls_key, client_ca)
    host, port = _address(listen, secured=tls is not None)
    with kms.opened(session, variables) as engine:
        offered = _offered(engine, names)
        health = _health(engine, (*offered.values(), *(_usable(engine, name) for name in tested)))
        _serve(session, engine, offered, secrets, health, path, region, _listener(host, port), tls, client_name)


def _serve(
    session: Session,
    engine: Engine,
    offered: Mapping[str, str],
    secrets: Mapping[str, SecretBytes],
    health: Health,
    path: str,
    region: str | None,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    client: str | None,
) -> None:
    import asyncio  # noqa: PLC0415 - as all of this: only a server needs it
    import time  # noqa: PLC0415

    from kmsplan import __version__  # noqa: PLC0415
    from kmsplan.engine.xks.proxy import Proxy  # noqa: PLC0415
    from kmsplan.server.log import Log, Style  # noqa: PLC0415
    from kmsplan.server.xks import ProxySite, serve  # noqa: PLC0415

    proxy = Proxy(engine, offered, secrets, health=health, path=path, clock=now, region=region, version=__version__)
    health.check()  # so that the first caller does not wait for it
    host, port = listener.getsockname()[:2]
    url = f"{'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}{path}"
    log = Log(Style.JSON, 2, time.time)
    try:
        asyncio.run(
            serve(ProxySite(proxy, log, client=client), listener, tls, lambda: session.say(f"listening on {url}"))
        )
    finally:
        log.close()


def _secrets(session: Session, files: tuple[Path, ...]) -> dict[str, SecretBytes]:
    """Return the secrets of the access keys that may call, by their ids."""
    from kmsplan.engine.xks.credential import CredentialError, read  # noqa: PLC0415
    from kmsplan.kms.ownfile import open_to_others  # noqa: PLC0415
    from kmsplan.kms.secret import SecretBytes  # noqa: PLC0415

    found: list[Credential] = []
    sources: dict[str, SecretBytes] = {}
    problems: dict[str, str] = {}
    for file in files:
        try:
            with file.open("rb") as opened:
                problem = open_to_others(opened)
                sources[str(file)] = SecretBytes(opened.read())
            if problem is not None:
                problems[str(file)] = problem
        except OSError as error:
            raise UserError(
                f"{file} cannot be read: {error.strerror}", "Make it: kmsplan engine xks-credential."
            ) from error
    if not files and session.environ.get(_ENV):
        sources[f"${_ENV}"] = SecretBytes(session.environ[_ENV].encode())
    for source, content in sources.items():
        try:
            found.append(read(content))
        except CredentialError as error:
            raise UserError(
                f"{source} holds no access key: {error}", "Make one: kmsplan engine xks-credential FILE."
            ) from None
    for place, problem in problems.items():
        raise UserError(
            f"{place} {problem}, who may have a copy of the access key in it",
            f"Make another (kmsplan engine xks-credential), or, if nobody else was here: chmod 600 {place}.",
        )
    if not found:
        raise UserError(
            "nobody may call: no access key is given",
            f"Make one with kmsplan engine xks-credential FILE, and give --credential-file FILE or set {_ENV}.",
        )
    return _by_id(found)


def _by_id(found: list[Credential]) -> dict[str, SecretBytes]:
    """Return the secrets by their ids, of which each has one."""
    secrets = {credential.access_key_id: credential.secret for credential in found}
    for credential in found:
        if not secrets[credential.access_key_id].matches(credential.secret):
            raise UserError(
                f"two secrets are given for the access key {credential.access_key_id}",
                "Each has an id of its own: make another one with kmsplan engine xks-credential FILE.",
            )
    return secrets


def _offered(engine: Engine, names: tuple[str, ...]) -> dict[str, str]:
    """Return the ids of the keys to offer, by the names under which they are offered."""
    offered: dict[str, str] = {}
    for text in names:
        name, equals, key = text.rpartition("=")
        key_id = _usable(engine, key)
        name = name if equals else key_id
        if not is_external_key(name):
            raise UserError(
                f"no key can be offered as {name!r}", "A name has up to 128 letters, digits, '.', '_' and '-'."
            )
        if name in offered:
            raise UserError(f"two keys are offered as {name!r}", "Give them different names: --key NAME=KEY.")
        offered[name] = key_id
    return offered


def _usable(engine: Engine, name: str) -> str:
    """Return the id of a key that can be offered."""
    from kmsplan.engine.keystore.instance import HIDDEN  # noqa: PLC0415 - as the engine

    key_id = engine.resolve(name)
    row = engine.describe([key_id]).keys[0]
    if row["spec"] != "Aliyun_AES_256" or row["usage"] != "ENCRYPT/DECRYPT":
        raise UserError(f"{name} is {row['spec']}, for {row['usage']}", "The API knows AES-256 keys that encrypt only.")
    if row["instance_id"] in HIDDEN:
        raise UserError(
            f"{name} is in no instance, so that it encrypts for cloud services alone",
            "Offer a key of an instance: default keys are for nobody else.",
        )
    return key_id


def _health(engine: Engine, keys: tuple[str, ...]) -> Health:
    """Return the health check; of each instance the last key is tried."""
    import time  # noqa: PLC0415

    from kmsplan import __version__  # noqa: PLC0415
    from kmsplan.engine.caller import Caller  # noqa: PLC0415
    from kmsplan.engine.xks.health import Health  # noqa: PLC0415

    homes = {row["key_id"]: row["instance_id"] for row in engine.describe(keys).keys}
    tried = {homes[key]: key for key in keys}
    acting = engine.acting(Caller(actor="xks-proxy/health"))
    return Health(acting, tried, f"kmsplan {__version__}", time.monotonic)


def _address(listen: str, *, secured: bool) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        raise click.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    host = host.strip("[]") or "127.0.0.1"
    if not secured and not is_loopback(host):
        raise UserError(
            f"without TLS, plaintext would cross the network to and from {host}",
            "Give --tls-cert and --tls-key, or listen on 127.0.0.1.",
        )
    return host, int(port)


def _listener(host: str, port: int) -> socket.socket:
    import socket  # noqa: PLC0415

    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except OSError as error:
        raise UserError(f"{host}:{port} cannot be listened on: {error.strerror}", "Choose another --listen.") from error
