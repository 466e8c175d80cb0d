"""Restoring an engine from a backup, in either database; it appears whole and checked, or not at all.

The restored engine is the one that was backed up: the same id, keys, access keys and audit trail, which goes on with an
entry about the restore. Its root key is sealed anew, by the seal that the place it is restored to has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.engine import moment
from kmsplan.engine.audit import OK, Request, Trail
from kmsplan.engine.backup import container, content, making
from kmsplan.engine.caller import Caller
from kmsplan.engine.error import EngineExistsError, KeystoreReadOnlyError
from kmsplan.engine.keystore import setting, store
from kmsplan.engine.keystore.folder import make_folder
from kmsplan.engine.keystore.writer import Transaction
from kmsplan.engine.sealing import open_root, seal_root
from kmsplan.engine.unsealing import SEAL, keyring_under
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from kmsplan.engine.backup.checking import Report
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.sealing import Seal


def restore(
    path: Path,
    folder: Path,
    *,
    lock: Seal,
    seal: Seal,
    clock: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    actor: str,
    postgres: SecretBytes | None = None,
) -> Report:
    """Restore an engine.

    Args:
        path: the backup.
        folder: the engine's; it must hold none.
        lock: what the backup is locked with.
        seal: seals the root key from now on. Where an HSM seals it, that stays so, and this opens it there.
        clock: UTC now.
        entropy: as many random bytes as asked for.
        actor: who restores, for the audit trail.
        postgres: connection string of the database for the keystore; None for a file in the folder.

    Raises:
        EngineExistsError: there is an engine.
        BackupError, AuditError, MaterialCorruptError: the backup is damaged, or the lock does not open it.
        SealingError, KeystoreError: the engine cannot be made.
    """
    place = store.database(folder, postgres)
    if place.exists():
        raise EngineExistsError(
            f"{place.name} already holds an engine; nothing was changed. Restore into another place"
        )
    request = Request(
        action="RestoreEngine",
        resource=None,
        time=moment.text(clock()),
        request_id=entropy(16).hex(),
        caller=Caller(actor=actor),
    )
    reports: list[Report] = []
    with making.opened(path) as file:
        head = container.read_head(file, str(path))

        def fill(db: Connection) -> None:
            root, rows = content.load(db, content.lines(container.read_body(file, head, lock, str(path))))
            report, key = _checked(db, head.facts, root, rows, seal)
            reports.append(report)
            request.resource = report.engine_id
            if root is not None:
                setting.store(db, SEAL, seal_root(seal, report.engine_id, key, entropy))
            _go_on(db, folder, key, request, entropy)

        try:
            make_folder(folder)
            place.create(fill)
        except OSError as error:
            raise KeystoreReadOnlyError(
                f"no engine can be restored into {folder} ({error}). Check the owner and mode of the folder, and the "
                "space on its disk"
            ) from error
        finally:
            place.close()
    return reports[0]


def _checked(
    db: Connection, facts: dict[str, Any], root: str | None, rows: dict[str, int], seal: Seal
) -> tuple[Report, SecretBytes]:
    """Check what was unpacked; return what it is, and the root key."""
    if root is not None:
        key = SecretBytes(bytes.fromhex(root))
    else:
        key = open_root(seal, str(facts["engine_id"]), setting.load(db, SEAL) or b"")
    return making.check(db, facts, key, rows), key


def _go_on(db: Connection, folder: Path, root: SecretBytes, request: Request, entropy: Callable[[int], bytes]) -> None:
    """Append the restore to the audit trail, and write the checkpoint's file, which is there before the engine is."""
    engine_id = str(request.resource)
    _, signer = keyring_under(root, engine_id, setting.load_all(db), setting.terms(db), entropy)
    trail, transaction = Trail(folder, engine_id), Transaction(db)
    trail.key = signer
    transaction.entries.append(request.entry(OK))
    transaction.wants_checkpoint = True
    write_file = trail.conclude(transaction)
    if write_file is not None:
        write_file()
