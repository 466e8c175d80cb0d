"""Making a backup of an open engine, and verifying one.

What is written is one state of the database, however much others write meanwhile. It is read back and checked as a
restore would check it, then the making is audited, and only then the file gets its name: no backup is there that the
audit trail does not know. What is killed before leaves nothing, unless the file system keeps no file without a name:
then there is a draft beside, as well encrypted, which may be deleted.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from kmsplan import __version__
from kmsplan.engine.backup import checking, container, content
from kmsplan.engine.backup.checking import Report
from kmsplan.engine.error import BackupError
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.keystore import schema, setting
from kmsplan.engine.keystore.drafts import new_file
from kmsplan.engine.keystore.sqlite import scratch
from kmsplan.engine.sealing import open_root, token_of
from kmsplan.engine.unsealing import SEAL
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.sealing import Seal


def make(
    core: Core, caller: Caller, path: Path, *, seal: Seal, lock: Seal, told: Callable[[int], object] = lambda _: None
) -> Report:
    """Write a backup.

    Args:
        core: the engine.
        caller: who asks for it.
        path: the file, which must not exist.
        seal: opens the root key, which goes into the backup; one that an HSM seals stays there.
        lock: what the backup is locked with.
        told: told how many rows are written, after each.

    Raises:
        KmsError: the engine is sealed.
        SealingError: the seal or the lock cannot be had.
        BackupError: the file is there, cannot be written, or was not written as it should.
    """
    request = core.request(caller, "BackupEngine", core.identity.engine_id)
    with admitted(core, request):
        core.opened()
        core.store.fold()
        with _draft(path) as draft:
            _write(core, request.time, draft, seal, lock, told)
            report = verify(draft, lock, str(path))
            request.parameters = {"Rows": report.rows}
            commit(core, request, lambda _: None, uses_keys=True)
    core.store.submit(lambda transaction: _note(transaction, request.time), touches=False).wait()
    return report


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Lend the name that a backup has until it is whole.

    Raises:
        BackupError: the backup is there already, or cannot be written.
    """
    try:
        if path.exists() or path.is_symlink():
            raise _exists(path)
        with new_file(path) as draft:
            yield draft
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise BackupError(
            f"the backup {path} cannot be written ({error.strerror}). Check that its folder exists and may be written "
            "to, and the space on its disk, or name another place"
        ) from error


def _exists(path: Path) -> BackupError:
    return BackupError(f"{path} exists, and a backup never overwrites anything. Name another file")


def _note(transaction: Transaction, now: str) -> None:
    setting.store(transaction.db, setting.BACKUP, now.encode())


def _write(core: Core, now: str, path: Path, seal: Seal, lock: Seal, told: Callable[[int], object]) -> None:
    with path.open("wb") as file, core.store.read() as db:
        record = setting.load(db, SEAL) or b""
        token = token_of(record)
        root = None if token else open_root(seal, core.identity.engine_id, record)
        facts = {
            "account": core.identity.account,
            "engine_id": core.identity.engine_id,
            "hardware": [[found.module, found.token, found.keys] for found in checking.tokens(db)],
            "kmsplan": __version__,
            "made": now,
            "region": core.identity.region,
            "sealed_by": token,
            "schema": schema.VERSION,
        }
        sink = container.begin(file, facts, lock, core.world.entropy)
        for number, line in enumerate(content.dump(db, root)):  # the first tells what the others are
            sink.write(line)
            told(number)
        sink.close()
        file.flush()
        os.fsync(file.fileno())


def verify(path: Path, lock: Seal, name: str | None = None) -> Report:
    """Check a backup as a restore would, in a temporary database; nothing is left of it.

    Args:
        path: the backup.
        lock: what it is locked with.
        name: what errors call it; its path where it is None.

    Raises:
        BackupError, AuditError, MaterialCorruptError: it is damaged, or the lock does not open it.
    """
    said = name or str(path)
    with opened(path) as file, scratch() as db:
        head = container.read_head(file, said)
        root, rows = content.load(db, content.lines(container.read_body(file, head, lock, said)))
        return check(db, head.facts, None if root is None else SecretBytes(bytes.fromhex(root)), rows)


def check(db: Connection, facts: dict[str, Any], root: SecretBytes | None, rows: dict[str, int]) -> Report:
    """Check what a backup was unpacked into; raises as `verify`.

    Args:
        db: holds it.
        facts: the head's.
        root: the root key; None leaves unopened what it wraps.
        rows: how many each table has.
    """
    engine_id = str(facts.get("engine_id"))
    checking.check_identity(db, engine_id)
    checking.check_trail(db)
    return Report(
        engine_id=engine_id,
        made=str(facts.get("made")),
        rows=checking.counted(rows),
        opened=0 if root is None else checking.check_keyring(db, engine_id, root),
        sealed_by=token_of(setting.load(db, SEAL) or b""),
        hardware=checking.tokens(db),
    )


def opened(path: Path) -> IO[bytes]:
    """Open a backup's file.

    Raises:
        BackupError: it cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise BackupError(f"the backup {path} cannot be read ({error.strerror}). Correct its path") from error
