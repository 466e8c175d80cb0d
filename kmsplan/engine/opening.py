"""Opening an engine and closing it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kmsplan.engine import sealnote
from kmsplan.engine.audit import Trail, draft
from kmsplan.engine.core import Core, Identity, World
from kmsplan.engine.dataplane.allowance import Allowances
from kmsplan.engine.dataplane.targets import Targets
from kmsplan.engine.error import KeystoreCorruptError, KeystoreError, KeystoreReadOnlyError
from kmsplan.engine.handles import Handles
from kmsplan.engine.keystore import setting, trail
from kmsplan.engine.keystore.drafts import clear_drafts
from kmsplan.engine.keystore.folder import make_folder
from kmsplan.engine.keystore.store import Keystore, database

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.sealing import Seal
    from kmsplan.kms.secret import SecretBytes


def open_core(folder: Path, world: World, seal: Seal | None, *, postgres: SecretBytes | None, read_only: bool) -> Core:
    """Open an engine; see `Engine.open`."""
    keystore = Keystore(database(folder, postgres, read_only=read_only))
    try:
        identity = _identity(keystore)
    except BaseException:
        keystore.close()
        raise
    core = Core(
        folder=folder,
        identity=identity,
        world=world,
        store=keystore,
        trail=Trail(folder, identity.engine_id),
        handles=Handles(world.clock),
        targets=Targets(),
        allowances=Allowances(),
    )
    if not read_only:
        try:
            _make_ready(core, seal, postgres=postgres is not None)
        except BaseException:
            close_core(core)
            raise
    return core


def _identity(keystore: Keystore) -> Identity:
    with keystore.read() as db:
        settings = setting.load_all(db)
    try:
        return Identity(**{name: settings[name].decode() for name in ("engine_id", "region", "account")})
    except (KeyError, UnicodeDecodeError) as error:
        raise KeystoreCorruptError(
            f"the keystore {keystore.name} does not say which engine it is ({error}). Restore the engine's folder from "
            "its newest backup"
        ) from error


def _make_ready(core: Core, seal: Seal | None, *, postgres: bool) -> None:
    """Get ready for writing, and for cryptography unless the engine is sealed."""
    try:
        make_folder(core.folder)  # the database may be another machine's, and the folder not be there yet
        clear_drafts(core.folder)
        sealnote.settle(core.folder, lambda: _sealed_how(core))
        core.presence = core.store.presence(core.world.entropy)
    except OSError as error:
        raise KeystoreReadOnlyError(
            f"the engine in {core.folder} cannot be opened for writing ({error}). Check the owner and mode of its "
            "folder, and that the file system is not mounted read-only"
        ) from error
    core.store.start(core.trail.conclude, draft)
    if postgres:
        _join(core)
    core.given = seal  # also of a sealed engine, which another process may unseal
    if seal is not None and not is_sealed(core):
        from kmsplan.engine.unsealing import open_keyring  # noqa: PLC0415 - imports cryptography; planning does not

        open_keyring(core, seal)


def _join(core: Core) -> None:
    """Keep the newest checkpoint from now on where this machine has none yet: the engine was made on another."""
    from kmsplan.engine import checkpoint  # noqa: PLC0415 - a file in the folder has its checkpoint beside it

    if (core.folder / checkpoint.FILE).exists():
        return
    with core.store.look() as db:
        newest = trail.newest_checkpoint(db)
    if newest is not None:
        checkpoint.write(core.folder, checkpoint.Checkpoint(*newest))


def _sealed_how(core: Core) -> bytes | None:
    from kmsplan.engine.unsealing import SEAL  # noqa: PLC0415 - as above

    with core.store.look() as db:
        return setting.load(db, SEAL)


def is_sealed(core: Core) -> bool:
    """Return whether the engine was sealed for every process."""
    with core.store.read() as db:
        return setting.load(db, setting.SEALED) is not None


def close_core(core: Core) -> None:
    """Sign the audit trail's newest entry, and give everything back."""
    try:
        if core.presence is not None and core.keyring is not None:
            with suppress(KeystoreError):  # the entries are on disk; the next close signs them
                core.store.write(_want_checkpoint)
    finally:
        core.seal()
        core.close_protections()
        core.store.close()
        if core.presence is not None:
            core.presence.close()
            core.presence = None


def _want_checkpoint(transaction: Transaction) -> None:
    transaction.wants_checkpoint = True
