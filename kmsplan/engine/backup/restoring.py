"""Restoring an engine from a backup, in either database; it appears whole and checked, or not at all.

The restored engine is the one that was backed up: the same id, keys, counts of their use, access keys and audit trail,
which goes on with an entry about the restore. Its root key is a new one, sealed by the seal that the place it is
restored to has, so that what opens the engine it was made from opens this one no longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.engine import audit, checkpoint, moment, sealnote
from kmsplan.engine.audit import Request
from kmsplan.engine.backup import container, content, making
from kmsplan.engine.caller import Caller
from kmsplan.engine.error import EngineExistsError, KeystoreReadOnlyError
from kmsplan.engine.hsmseal import beside_keys
from kmsplan.engine.keystore import nonce, setting, store
from kmsplan.engine.keystore.folder import make_folder
from kmsplan.engine.sealing import make_root, open_root
from kmsplan.engine.unsealing import SEAL, keyring_under, renew_root
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from kmsplan.engine.backup.checking import Report
    from kmsplan.engine.keystore.connection import Connection, Database
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
        seal: seals the new root key. Where an HSM has sealed the old one, it has to be that HSM's, and opens it.
        clock: UTC now.
        entropy: as many random bytes as asked for.
        actor: who restores, for the audit trail.
        postgres: connection string of the database for the keystore; None for a file in the folder.

    Raises:
        EngineExistsError: there is an engine, or the folder belongs to another one.
        BackupError, AuditError, MaterialCorruptError: the backup is damaged, or the lock does not open it.
        SealingError, KeystoreError: the engine cannot be made.
    """
    place = store.database(folder, postgres)
    _require_empty(place)
    reports: list[Report] = []
    records: list[bytes] = []
    with making.opened(path) as file:
        head = container.read_head(file, str(path))
        _require_room(folder, head.facts)

        def fill(db: Connection) -> None:
            inside, rows = content.load(db, content.lines(container.read_body(file, head, lock, str(path))))
            report, old = _checked(db, head.facts, inside, rows, seal)
            reports.append(report)
            new, record = make_root(beside_keys(seal, db, folder), report.engine_id, entropy)
            records.append(record)
            renew_root(db, report.engine_id, old, new, record, entropy)
            setting.store(db, setting.BACKUP, report.made.encode())
            caller, now = Caller(actor=actor), moment.text(clock())
            _go_on(db, folder, new, _request(report, seal, caller, time=now, request_id=entropy(16).hex()), entropy)
            # Those of the engine that was backed up are not known here.
            if place.nonces is None:
                nonce.forget_in(folder)
            else:
                place.nonces.forget(db, int(clock().timestamp()))

        try:
            make_folder(folder)
            place.create(fill)
            sealnote.settle(folder, lambda: records[0])
        except OSError as error:
            raise KeystoreReadOnlyError(
                f"no engine can be restored into {folder} ({error}). Check the owner and mode of the folder, and the "
                "space on its disk"
            ) from error
        finally:
            place.close()
    return reports[0]


def _require_empty(place: Database) -> None:
    if place.exists():
        raise EngineExistsError(
            f"{place.name} already holds an engine; nothing was changed. Restore into another place"
        )


def _request(report: Report, seal: Seal, caller: Caller, *, time: str, request_id: str) -> Request:
    """Return what the audit trail says of a restore."""
    return Request(
        action="RestoreEngine",
        resource=report.engine_id,
        time=time,
        request_id=request_id,
        caller=caller,
        parameters={"Made": report.made, "Seal": seal.kind},
    )


def _checked(
    db: Connection, facts: dict[str, Any], root: str | None, rows: dict[str, int], seal: Seal
) -> tuple[Report, SecretBytes]:
    """Check what was unpacked; return what it is, and the root key."""
    if root is not None:
        key = SecretBytes(bytes.fromhex(root))
    else:
        key = open_root(seal, str(facts["engine_id"]), setting.load(db, SEAL) or b"")
    return making.check(db, facts, key, rows), key


def _require_room(folder: Path, facts: dict[str, Any]) -> None:
    """Check that the checkpoint in the folder, which is going to be replaced, is no other engine's.

    Raises:
        EngineExistsError: it is.
    """
    found = checkpoint.read(folder)
    if found is not None and found.statement.get("engine_id") != facts.get("engine_id"):
        raise EngineExistsError(
            f"{folder / checkpoint.FILE} belongs to engine {found.statement.get('engine_id')}, and the backup is of "
            f"{facts.get('engine_id')}; nothing was changed. Restore into another folder"
        )


def _go_on(db: Connection, folder: Path, root: SecretBytes, request: Request, entropy: Callable[[int], bytes]) -> None:
    """Append the restore to the audit trail, and write the checkpoint's file, which is there before the engine is."""
    engine_id = str(request.resource)
    _, signer = keyring_under(root, engine_id, setting.load_all(db), setting.terms(db), entropy)
    audit.begin(folder, engine_id, signer, db, request)
