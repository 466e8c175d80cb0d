"""From a configuration to the store that it names: one table, each row imported when it is used."""

from __future__ import annotations

import dataclasses
import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.config.configuration import Configuration, SecretReference
    from kmsplan.kms.secret import SecretBytes
    from kmsplan.state.cipher import Codec
    from kmsplan.state.protocol import Store
    from kmsplan.state.shared.remote import Remote
    from kmsplan.state.shared.server import Addresses

_Secrets: TypeAlias = "dict[str, SecretBytes]"


def open_store(configuration: Configuration, environ: Mapping[str, str], entropy: Callable[[int], bytes]) -> Store:
    """Return the store of the state.

    Args:
        configuration: names it.
        environ: where secrets and Terraform's variables may be.
        entropy: randomness, for encryption.

    Raises:
        ConfigurationError: a secret that it needs is not there.
        StateAccessError: what a secret or a variable of the environment says cannot be used.
    """
    from kmsplan.state.local import LocalStore  # noqa: PLC0415 - each command opens one store at most

    codec = _codec(configuration.encryption, environ, entropy)
    settings = configuration.shared
    if settings is None:
        return LocalStore(configuration.state_path, codec=codec)
    from kmsplan.config.secret import resolve  # noqa: PLC0415
    from kmsplan.state.shared.store import SharedStore  # noqa: PLC0415

    secrets = {name: resolve(reference, environ) for name, reference in settings.secrets.items()}
    remote = _REMOTES[settings.kind](settings.options, secrets, environ)
    # A folder of its own for each state: one configuration names another with other variables.
    path = configuration.state_path / hashlib.sha256(remote.name.encode()).hexdigest()[:16]
    return SharedStore(remote, path, lease=settings.options["lease"], codec=codec)


def _codec(key: SecretReference | None, environ: Mapping[str, str], entropy: Callable[[int], bytes]) -> Codec:
    """Return what a state is kept through: plain, or encrypted with a key, which is read now and once.

    Raises:
        ConfigurationError: the key is not there, or is none.
    """
    from kmsplan.state.cipher import PLAIN, Cipher  # noqa: PLC0415 - as above

    if key is None:
        return PLAIN
    from kmsplan.config.encryption import state_key  # noqa: PLC0415

    return Cipher(state_key(key, environ), entropy)


def _postgres(options: Mapping[str, Any], secrets: _Secrets, environ: Mapping[str, str]) -> Remote:
    from kmsplan.state.shared.postgres import PostgresRemote  # noqa: PLC0415 - the extra `postgres`

    del environ
    return PostgresRemote(secrets["url"], options["name"], options["lease"])


def _http(options: Mapping[str, Any], secrets: _Secrets, environ: Mapping[str, str]) -> Remote:
    from kmsplan import __version__  # noqa: PLC0415 - as above
    from kmsplan.kms.secret import SecretBytes  # noqa: PLC0415
    from kmsplan.state.shared.client import Client  # noqa: PLC0415
    from kmsplan.state.shared.http import HttpRemote  # noqa: PLC0415

    addresses = _addresses(options, environ)
    password, variable = secrets.get("password"), environ.get("TF_HTTP_PASSWORD")
    if password is None and variable is not None:
        password = SecretBytes(variable.encode())
    client = Client(
        secure=addresses.address.startswith("https:"),
        username=options.get("username", environ.get("TF_HTTP_USERNAME")),
        password=password,
        ca_file=options.get("ca_file"),
    )
    return HttpRemote(addresses, client, __version__)


def _addresses(options: Mapping[str, Any], environ: Mapping[str, str]) -> Addresses:
    """Return where and how the server is asked: as written, else as Terraform's variables say.

    Raises:
        StateAccessError: neither says where it is, or a variable says something that cannot be used.
    """
    from kmsplan.config.stores import ADDRESSES, address_problem  # noqa: PLC0415
    from kmsplan.state.error import StateAccessError  # noqa: PLC0415
    from kmsplan.state.shared.server import Addresses  # noqa: PLC0415

    names = [field.name for field in dataclasses.fields(Addresses)]
    variables = {name: environ[f"TF_HTTP_{name.upper()}"] for name in names if environ.get(f"TF_HTTP_{name.upper()}")}
    for name in sorted(ADDRESSES & variables.keys()):
        if problem := address_problem(variables[name]):
            raise StateAccessError(f"the variable TF_HTTP_{name.upper()} {problem}", "Set it anew, or unset it.")
    found = {**variables, **{name: options[name] for name in names if name in options}}
    if "address" not in found:
        raise StateAccessError(
            "nothing says where the state server is",
            "Write state: {http: {address: URL}}, or set the variable TF_HTTP_ADDRESS.",
        )
    found.setdefault("lock_address", found["address"])
    found.setdefault("unlock_address", found["lock_address"])
    return Addresses(**found)


def _s3(options: Mapping[str, Any], secrets: _Secrets, environ: Mapping[str, str]) -> Remote:
    from kmsplan.state.shared.s3 import S3Remote  # noqa: PLC0415 - the extra `s3`

    del secrets, environ
    return S3Remote(options)


_Make: TypeAlias = "Callable[[Mapping[str, Any], _Secrets, Mapping[str, str]], Remote]"
_REMOTES: Final[Mapping[str, _Make]] = MappingProxyType({"postgres": _postgres, "http": _http, "s3": _s3})
