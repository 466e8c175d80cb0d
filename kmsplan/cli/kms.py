"""From a configuration to the KMS that it names: opened for reading, or for changes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kmsplan.cli.failure import UserError
from kmsplan.cli.keymanager import KeyManagers
from kmsplan.cli.session import entropy, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.cli.options import Variables
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration, SecretReference
    from kmsplan.engine.protection.protocol import Protection
    from kmsplan.engine.sealing import Seal
    from kmsplan.engine.service import Engine
    from kmsplan.kms.secret import SecretBytes
    from kmsplan.provider.alibaba.settings import Settings as CloudSettings
    from kmsplan.provider.importing import Importing
    from kmsplan.provider.protocol import Provider, Reader


def actor() -> str:
    """Return who is running this, for locks and the audit trail."""
    import getpass  # noqa: PLC0415 - only what writes needs a name
    import socket  # noqa: PLC0415

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def engine_path(configuration: Configuration) -> Path:
    """Return the embedded engine's folder.

    Raises:
        UserError: the configuration names another provider.
    """
    settings = configuration.engine
    if settings.provider != "embedded" or settings.path is None:
        raise UserError(
            f"this command is for embedded engines, and the configuration names engine: {{{settings.provider}: ...}}",
            "Run it in the folder whose configuration has engine: {embedded: ...}, or name that folder with -C.",
        )
    return settings.path


def engine_place(session: Session, configuration: Configuration) -> str:
    """Return where the embedded engine keeps its keys, for messages."""
    from kmsplan.engine.service import place_of  # noqa: PLC0415

    return place_of(engine_path(configuration), postgres(session, configuration))


def exists(session: Session, configuration: Configuration) -> bool:
    """Return whether the embedded engine has been made.

    Raises:
        KeystoreError: its database cannot be asked.
    """
    from kmsplan.engine.service import is_engine  # noqa: PLC0415

    return is_engine(engine_path(configuration), postgres(session, configuration))


def postgres(session: Session, configuration: Configuration) -> SecretBytes | None:
    """Return the connection string of the database that holds the keystore; None where a file does."""
    from kmsplan.config.secret import resolve  # noqa: PLC0415

    found = configuration.engine.postgres
    return resolve(found, session.environ) if found else None


def seal(session: Session, configuration: Configuration) -> Seal:
    """Return how the engine's root key is sealed. The passphrase is read when it is needed, not before."""
    from kmsplan.config.secret import resolve  # noqa: PLC0415
    from kmsplan.engine.sealing import FileSeal, PassphraseSeal, default_key_file  # noqa: PLC0415

    settings, reference = configuration.engine, configuration.engine.seal
    if settings.seal_kind == "passphrase" and reference is not None:
        return PassphraseSeal(lambda: resolve(reference, session.environ))
    if settings.seal_kind == "file" and reference is not None:
        from pathlib import Path  # noqa: PLC0415

        return FileSeal(Path(reference.name))
    if settings.seal_kind == "hsm" and reference is not None:
        return hsm_seal(**settings.options["hsm"], pin=lambda: resolve(reference, session.environ))
    return FileSeal(default_key_file(engine_path(configuration)))


def hsm_seal(module: str, token: str, pin: Callable[[], SecretBytes]) -> Seal:
    """Return a seal whose key is in an HSM."""
    from kmsplan.engine.hsmseal import HsmSeal  # noqa: PLC0415
    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection  # noqa: PLC0415

    return HsmSeal(module, token, lambda: Pkcs11Protection(module, token, pin))


def open_engine(
    session: Session,
    configuration: Configuration,
    *,
    read_only: bool,
    keys: bool = True,
    entropy: Callable[[int], bytes] = entropy,
) -> Engine:
    """Open the engine that the configuration names.

    Args:
        session: the command's.
        configuration: names it.
        read_only: change nothing on disk.
        keys: whether its keys are to be used, which takes what seals it.
        entropy: source of randomness.

    Raises:
        EngineError: it does not exist, or cannot be opened.
    """
    from kmsplan.engine.service import Engine  # noqa: PLC0415

    return Engine.open(
        engine_path(configuration),
        seal=seal(session, configuration) if keys and not read_only else None,
        hardware=_hardware(session, configuration),
        external=KeyManagers(session, configuration),
        clock=now,
        entropy=entropy,
        actor="reader" if read_only else actor(),
        read_only=read_only,
        postgres=postgres(session, configuration),
    )


@contextmanager
def opened(session: Session, variables: Variables, *, read_only: bool = False) -> Iterator[Engine]:
    """Lend the engine that the configuration names, which must exist.

    Raises:
        UserError: it does not.
        EngineError: it cannot be opened.
    """
    configuration = session.configuration(variables)
    if not exists(session, configuration):
        raise UserError(
            f"there is no engine in {engine_place(session, configuration)} yet",
            "The first kmsplan apply makes it; kmsplan engine init makes an empty one.",
        )
    engine = open_engine(session, configuration, read_only=read_only)
    try:
        yield engine
    finally:
        engine.close()


def create_engine(session: Session, configuration: Configuration) -> None:
    """Make the engine and say once where its root key is."""
    from kmsplan.engine.sealing import FileSeal  # noqa: PLC0415
    from kmsplan.engine.service import Engine  # noqa: PLC0415

    path, chosen = engine_path(configuration), seal(session, configuration)
    Engine.create(path, chosen, clock=now, entropy=entropy, postgres=postgres(session, configuration))
    session.note(f"Made a new engine in {engine_place(session, configuration)}.")
    if isinstance(chosen, FileSeal):
        session.note(
            f"Its root key is sealed with {chosen.path} (mode 0600). Keep a copy of that file in another place: "
            "without it every key is lost."
        )


def reader(session: Session, configuration: Configuration) -> Reader:
    """Open the KMS for reading; nothing that it returns can change anything."""
    from kmsplan.cli.watching import Watching  # noqa: PLC0415

    watch = Watching(session)
    if configuration.engine.provider == "alibaba":
        from kmsplan.provider.alibaba.provider import AlibabaReader  # noqa: PLC0415 - the SDK takes 0.3 s

        return AlibabaReader(_cloud(configuration), entropy=entropy, watch=watch)
    from kmsplan.provider.embedded import EmbeddedReader, EmptyReader  # noqa: PLC0415

    _require_pins(session, configuration)
    if not exists(session, configuration):
        return EmptyReader()
    return EmbeddedReader(open_engine(session, configuration, read_only=True), watch)


def importing(session: Session, configuration: Configuration) -> Importing:
    """Return what finds and wraps the material of keys that are imported."""
    from kmsplan.config.material import Materials  # noqa: PLC0415
    from kmsplan.provider.importing import Importing  # noqa: PLC0415

    def wrap(algorithm: str, public_key: bytes, material: SecretBytes) -> bytes:
        from kmsplan.engine import wrapping  # noqa: PLC0415 - imports cryptography; few runs import anything

        return wrapping.wrap(algorithm, public_key, material)

    return Importing(Materials(configuration, session.environ).find, wrap)


def provider(session: Session, configuration: Configuration, importing: Importing) -> Provider:
    """Open the KMS for changes and carry out what is due; an embedded engine is made when it is first needed."""
    from kmsplan.cli.watching import Watching  # noqa: PLC0415

    watch = Watching(session)
    if configuration.engine.provider == "alibaba":
        from kmsplan.provider.alibaba.provider import AlibabaProvider  # noqa: PLC0415 - the SDK takes 0.3 s

        return AlibabaProvider(_cloud(configuration), importing=importing, entropy=entropy, watch=watch)
    from kmsplan.provider.embedded import EmbeddedProvider  # noqa: PLC0415

    def make() -> Engine:
        create_engine(session, configuration)
        return open_engine(session, configuration, read_only=False)

    _require_pins(session, configuration)
    if not exists(session, configuration):
        return EmbeddedProvider(None, make, importing, watch)
    engine = open_engine(session, configuration, read_only=False)
    engine.tick()
    return EmbeddedProvider(engine, make, importing, watch)


def _cloud(configuration: Configuration) -> CloudSettings:
    from kmsplan.provider.alibaba.settings import settings  # noqa: PLC0415

    return settings(configuration.engine.options)


def _hardware(session: Session, configuration: Configuration) -> _Hardware:
    return _Hardware(session, _pins(configuration))


def _require_pins(session: Session, configuration: Configuration) -> None:
    """Look that every PIN and access key can be found, before anything begins that would need one halfway.

    Raises:
        ConfigurationError: a variable is not set, or a file cannot be read.
    """
    from kmsplan.config.secret import resolve  # noqa: PLC0415

    keys = (access_key.secret for access_key in configuration.proxies.values())
    for reference in (*configuration.pins.values(), *keys):
        resolve(reference, session.environ)


def _pins(configuration: Configuration) -> dict[tuple[str, str], SecretReference]:
    pins = {}
    for address, reference in configuration.pins.items():
        declared = configuration.desired.get(address)
        hsm = declared.attributes["hsm"] if declared else None
        if hsm:
            pins[hsm["module"], hsm["token"]] = reference
    return pins


class _Hardware:
    """Opens a token with the PIN that the configuration refers to."""

    def __init__(self, session: Session, pins: dict[tuple[str, str], SecretReference]) -> None:
        self._session = session
        self._pins = pins

    def __call__(self, module: str, token: str) -> Protection:
        from kmsplan.engine.protection.pkcs11 import Pkcs11Protection  # noqa: PLC0415

        return Pkcs11Protection(module, token, lambda: self._pin(module, token))

    def _pin(self, module: str, token: str) -> SecretBytes:
        from kmsplan.cli.needed import needed  # noqa: PLC0415
        from kmsplan.engine.protection.protocol import ProtectionUnavailableError  # noqa: PLC0415

        reference = self._pins.get((module, token))
        if reference is None:
            raise ProtectionUnavailableError(
                f"no PIN is configured for token {token!r} of {module}. Declare its instance under `instances` with "
                "`hsm: {module, token, pin}`"
            )
        return needed(reference, self._session.environ)
