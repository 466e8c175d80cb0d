"""Making an engine: its folder, its root key, its first keyring key, the first entry of its audit trail."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kmsplan.engine import audit, checkpoint, keyring, moment, sealnote
from kmsplan.engine.audit import Request
from kmsplan.engine.caller import Caller
from kmsplan.engine.error import EngineExistsError, KeystoreReadOnlyError
from kmsplan.engine.hsmseal import for_new
from kmsplan.engine.keyring import Keyring
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import setting, store
from kmsplan.engine.keystore.folder import make_folder
from kmsplan.engine.sealing import make_root
from kmsplan.engine.unsealing import AUDIT_BINDING, AUDIT_KEY, AUDIT_PUBLIC_KEY, SEAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.sealing import Seal
    from kmsplan.kms.secret import SecretBytes

_ACCOUNT_DIGITS: Final = 16


def found(
    folder: Path,
    seal: Seal,
    *,
    clock: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    region: str,
    actor: str,
    postgres: SecretBytes | None,
) -> None:
    """Make an engine; see `Engine.create`."""
    place = store.database(folder, postgres)
    if place.exists():
        raise EngineExistsError(
            f"{folder if postgres is None else place.name} already holds an engine; nothing was changed"
        )
    _require_no_other(folder)
    try:
        make_folder(folder)
        engine_id, now = str(uuid.UUID(bytes=entropy(16), version=4)), moment.text(clock())
        root, record = make_root(for_new(seal, folder), engine_id, entropy)
        first_term = keyring.new_term(engine_id, root, entropy)
        opened = Keyring(engine_id, root, {keyring.FIRST_TERM: first_term}, entropy)
        signer = Ed25519PrivateKey.from_private_bytes(entropy(32))
        settings = {
            "engine_id": engine_id.encode(),
            "region": region.encode(),
            "account": _account(entropy).encode(),
            "created": now.encode(),
            SEAL: record,
            AUDIT_KEY: opened.box(AUDIT_BINDING, signer.private_bytes_raw()),
            AUDIT_PUBLIC_KEY: signer.public_key().public_bytes_raw(),
        }
        request = Request(
            action="CreateEngine",
            resource=engine_id,
            time=now,
            request_id=entropy(16).hex(),
            caller=Caller(actor=actor),
        )

        def fill(db: Connection) -> None:
            setting.add_term(db, keyring.FIRST_TERM, first_term, now)
            instances.found_hidden(db, now)
            for name, value in settings.items():
                setting.store(db, name, value)
            audit.begin(folder, engine_id, signer, db, request)

        place.create(fill)
        sealnote.settle(folder, lambda: record)
    except OSError as error:
        raise KeystoreReadOnlyError(
            f"no engine can be made in {folder} ({error}). Check the owner and mode of the folder, and the space on "
            "its disk"
        ) from error


def _require_no_other(folder: Path) -> None:
    """Check that the checkpoint in the folder, which is going to be replaced, is not that of an engine in use.

    A making that was interrupted leaves one at the first entry.

    Raises:
        EngineExistsError: it is.
    """
    found = checkpoint.read(folder)
    if found is not None and found.statement["seq"] != 1:
        raise EngineExistsError(
            f"{folder / checkpoint.FILE} belongs to engine {found.statement.get('engine_id')}, whose keystore is "
            "elsewhere; nothing was changed. Make the new engine in another folder, or move that file away if the "
            "engine is gone"
        )


def _account(entropy: Callable[[int], bytes]) -> str:
    """Return an account number of 16 digits, as the cloud's are."""
    low = 10 ** (_ACCOUNT_DIGITS - 1)
    return str(low + int.from_bytes(entropy(8), "big") % (9 * low))
