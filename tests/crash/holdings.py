"""What state, engine and token hold, free of what differs from one run to the next; and what lies in the folder."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kmsplan.cli import kms
from kmsplan.cli.options import Variables
from kmsplan.cli.session import Session
from kmsplan.cli.terminal import Terminal
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.presence import NODE
from kmsplan.kms.naming import OWNER_TAG, Owner
from kmsplan.resource.step import Status
from tests.crash import sparse
from tests.crash.site import HOME, TOKEN_LABEL
from tests.crash.witness import encrypt_with_all, opened, unopened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kmsplan.engine.service import Engine
    from kmsplan.state.record import Recorded

_SAME: Final = (
    "type",
    "key_quota",
    "spec",
    "usage",
    "state",
    "origin",
    "storage_mechanism",
    "description",
    "rotation",
    "deletion_protection",
    "versions",
)
_OURS: Final = OWNER_TAG.partition(":")[0] + ":"
"""What tags of kmsplan's own begin with: they tell of lineages, tokens and serials, which differ."""
_LEFT: Final = re.compile(r".*\.tmp|.*\.new-.*")
"""What was to be renamed."""
_KEYS: Final = ("SECRET_KEY", "PRIVATE_KEY", "PUBLIC_KEY")
_REFERENCE: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Holdings:
    """What two runs that came to the same have in common."""

    objects: dict[str, list[Any]]
    """By the address in the owner tag, whoever has recorded it."""
    aliases: dict[str, str]
    """Alias -> address of its key."""
    records: dict[str, str]
    """Address -> status."""
    unrecorded: tuple[str, ...]
    """Owned objects and aliases that the state does not know."""
    missing: tuple[str, ...]
    """Recorded objects that the engine does not hold, or cannot use."""
    unsettled: tuple[str, ...]
    """Versions whose material is being made or destroyed, operations in doubt, a snapshot behind its journal."""
    in_token: Counter[str]
    """What the token holds, by its kind."""
    opened: tuple[str, ...]
    """Whether keys open what they encrypted before the command."""


def take_stock(witnesses: Mapping[str, bytes], *, tokens: bool) -> Holdings:
    """Look at the configuration folder that this process is in; the engine does first what is due.

    Args:
        witnesses: what keys have encrypted.
        tokens: whether there is a token.
    """
    state, engine = recorded(), open_engine()
    try:
        engine.tick()
        found = _held(engine, state, witnesses)
        wrapping = _wrapping_keys(engine)
    finally:
        engine.close()
    return Holdings(**found, in_token=_in_token() - wrapping if tokens else Counter())


def recorded() -> Recorded:
    """Return what is recorded in the folder that this process is in."""
    session = _session(Path())
    return session.store(session.configuration(Variables())).load()


def open_engine() -> Engine:
    """Open the engine of the folder that this process is in, for writing."""
    session = _session(Path(HOME) if Path(HOME).exists() else Path())
    return kms.open_engine(session, session.configuration(Variables()), read_only=False)


def _session(folder: Path) -> Session:
    plain = Terminal(color=False, error_color=False, progress=False, interactive=False, hints=False)
    return Session(directory=folder, terminal=plain, debug=False)


def _held(engine: Engine, state: Recorded, witnesses: Mapping[str, bytes]) -> dict[str, Any]:
    described = engine.describe(check_material=True)
    rows = {row.get("key_id") or row["instance_id"]: row for row in (*described.instances, *described.keys)}
    rows = {identity: row for identity, row in rows.items() if not row.get("read_only")}
    owners = {identity: owner.address for identity, row in rows.items() if (owner := _owner(row))}
    aliases = {row["alias"]: owners.get(row["key_id"], "?") for row in described.aliases}
    identities = {record.identity for record in state.records.values()}
    living = {record.identity for record in state.records.values() if record.status is not Status.PENDING_DELETION}
    engine.audit_verify()
    with engine._core.store.read() as db:
        unsettled = [f"{one.key_id} is {one.status}" for one in versions.unsettled(db)]
        if setting.load(db, setting.REWRAPPED) is not None:
            unsettled.append("not all material is wrapped under the newest term")
    return {
        "objects": _by_address(rows, owners),
        "aliases": aliases,
        "records": {str(address): record.status.value for address, record in state.records.items()},
        "unrecorded": tuple(sorted({*rows, *aliases} - identities)),
        "missing": tuple(sorted((living - {*rows, *aliases}) | {*described.unreadable})),
        "unsettled": (*unsettled, *_unwritten(state)),
        "opened": tuple(opened(engine, witnesses)),
    }


def _unwritten(state: Recorded) -> Iterator[str]:
    """Say what of the state is not in a snapshot as it should be."""
    for pending in state.pending:
        yield f"{pending.operation} is pending"
    local = Path("state/kmsplan.state.json")
    if not local.exists():  # it is in a store that has no journal beside it
        return
    snapshot = json.loads(local.read_bytes())
    if snapshot["serial"] != state.serial:
        yield f"the snapshot has serial {snapshot['serial']}, and the journal makes it {state.serial}"


def _owner(row: Mapping[str, Any]) -> Owner | None:
    return Owner.parse(row["tags"].get(OWNER_TAG, ""))


def _by_address(rows: Mapping[str, Mapping[str, Any]], owners: Mapping[str, str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for identity, row in rows.items():
        tags = {name: value for name, value in row["tags"].items() if not name.startswith(_OURS)}
        same = {name: row[name] for name in _SAME if name in row}
        found.setdefault(owners.get(identity, "nobody's"), []).append({**same, "tags": tags})
    return {address: sorted(objects, key=repr) for address, objects in sorted(found.items())}


def encrypt_witnesses() -> dict[str, bytes]:
    """Let every symmetric key of the folder that this process is in encrypt something."""
    if not recorded().records:
        return {}
    engine = open_engine()
    try:
        return encrypt_with_all(engine)
    finally:
        engine.close()


def find_unopened(witnesses: Mapping[str, bytes]) -> list[str]:
    """Return what the engine of the folder that this process is in does not open."""
    engine = open_engine()
    try:
        return unopened(engine, witnesses)
    finally:
        engine.close()


def _wrapping_keys(engine: Engine) -> Counter[str]:
    """Return what stands in the token for imports that may still come: the pair of each import token, for a day."""
    with engine._core.store.read() as db:
        count = db.execute("SELECT count(*) FROM import_token WHERE reference IS NOT NULL").fetchone()[0]
    return Counter({"PRIVATE_KEY kmsplan": count, "PUBLIC_KEY kmsplan": count})


def _in_token() -> Counter[str]:
    """Count what a token holds, without kmsplan; references are left out of the names.

    SoftHSM writes an object attribute by attribute. What it was killed over has neither name nor material, says that it
    is no token object, and could be anybody's: it is no key, and is not counted.
    """
    import pkcs11  # noqa: PLC0415 - as the next one
    from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - a library of its own is loaded

    from tests.project import SOFTHSM  # noqa: PLC0415

    token = pkcs11.lib(str(SOFTHSM)).get_token(token_label=TOKEN_LABEL)
    with token.open(user_pin=os.environ["HSM_PIN"]) as session:
        # Asked for by class, for python-pkcs11 takes no object that has none.
        found = [(kind, item) for kind in _KEYS for item in session.get_objects({Attribute.CLASS: ObjectClass[kind]})]
        labels = [(kind, item[Attribute.LABEL]) for kind, item in found if item[Attribute.TOKEN]]
    return Counter(f"{kind} {_kind(label)}" for kind, label in labels)


def _kind(label: str) -> str:
    return "-".join(part for part in label.split("-") if not _REFERENCE.fullmatch(part))


def traces(secret: bytes) -> tuple[bytes, ...]:
    """Return the forms in which somebody might write a secret."""
    return secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret)


def left_behind(root: Path, secrets: Mapping[str, bytes]) -> list[str]:
    """Return the files that should not be there, and those that hold a secret which they should not."""
    files = [path for path in root.rglob("*") if path.is_file()]
    found = [f"{path.name} was left" for path in files if _LEFT.fullmatch(path.name) or _is_mark_of_the_dead(path)]
    return found + [f"{path.name} holds {name}" for path, name in _with_secrets(files, secrets)]


def _is_mark_of_the_dead(path: Path) -> bool:
    """Return whether this marks a process that has the engine open, and nobody holds it."""
    if not path.match(NODE.format("*")):
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _with_secrets(files: Iterable[Path], secrets: Mapping[str, bytes]) -> Iterator[tuple[Path, str]]:
    for path in files:
        content = b"".join(piece for _, piece in sparse.written(path))
        for name, secret in secrets.items():
            if path.name != name and any(form in content for form in traces(secret)):
                yield path, name
