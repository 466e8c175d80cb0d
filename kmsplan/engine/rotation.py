"""New root keys and new keyring keys.

A new root key wraps the same keyring keys, in one transaction; nothing else changes. A new keyring key begins a term:
everything is wrapped under it from then on. Older terms stay, because what was wrapped under them is opened with them,
until all material has been wrapped anew, a few hundred rows in a transaction, each with the next generation. How far
that is stands in the database, so that it may be killed anywhere, and the schedule goes on with it. Material that does
not open stays as it is, and is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kmsplan.engine import sealnote
from kmsplan.engine.access.lookup import binding as access_binding
from kmsplan.engine.audit import OK
from kmsplan.engine.error import MaterialCorruptError, SealingError
from kmsplan.engine.execution import admitted, commit, require_unsealed
from kmsplan.engine.hsmseal import beside_keys
from kmsplan.engine.keyring import Binding, Keyring, new_term
from kmsplan.engine.keystore import accesskey as access_keys
from kmsplan.engine.keystore import setting, trail
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.sealing import make_root
from kmsplan.engine.unsealing import AUDIT_BINDING, AUDIT_KEY, SEAL, catch_up, open_keyring, renew_root, unlocked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.keystore.version import Wrapped
    from kmsplan.engine.sealing import Seal
    from kmsplan.kms.secret import SecretBytes

_CHUNK: Final = 200
"""Versions wrapped anew in one transaction: a few milliseconds."""
_TICK_CHUNKS: Final = 25
"""Transactions in one tick, so that it stays short."""
WRAPPINGS_AN_ENTRY: Final = 4
"""No request wraps more than this, and every request has its audit entry."""
ENTRIES_A_TERM: Final = 2**31 // WRAPPINGS_AN_ENTRY
"""Audit entries after which a term ends by itself: half of what SP 800-38D, 8.3, allows under one key."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What was wrapped anew."""

    versions: int = 0
    unopened: Mapping[str, str] = field(default_factory=dict)
    """By key, why material of it could not be."""

    def __add__(self, other: Rewrapped) -> Rewrapped:
        """Return both together."""
        return Rewrapped(self.versions + other.versions, {**self.unopened, **other.unopened})


def rotate_root(core: Core, caller: Caller, *, seal: Seal, new_seal: Seal | None = None) -> None:
    """Make a new root key and wrap the keyring under it.

    Args:
        core: the engine.
        caller: who asks for it.
        seal: opens the old root key.
        new_seal: seals the new one; the same seal where it is None.

    Raises:
        KmsError: the engine is sealed.
        SealingError: a seal cannot be had.
    """
    engine_id, entropy = core.identity.engine_id, core.world.entropy
    request = core.request(caller, "RotateRootKey", engine_id)
    with admitted(core, request):
        core.opened()
        found = unlocked(core, seal)
        with core.store.read() as db:
            chosen = beside_keys(new_seal or seal, db, core.folder)
        new, record = make_root(chosen, engine_id, entropy)
        request.parameters = {"Seal": (new_seal or seal).kind}

        def carry_out(transaction: Transaction) -> None:
            _require_same(transaction.db, found.record)
            renew_root(transaction.db, engine_id, found.root, new, record, entropy)
            transaction.wants_checkpoint = True

        commit(core, request, carry_out, uses_keys=True)
    sealnote.settle(core.folder, lambda: record)
    core.given = new_seal or seal


def rotate_keyring(core: Core, caller: Caller, *, seal: Seal) -> int:
    """Begin a new term; return it. `rewrap` wraps what there is under it. Raises as `rotate_root`."""
    request = core.request(caller, "RotateKeyring", core.identity.engine_id)
    with admitted(core, request):
        core.opened()
        found = unlocked(core, seal)
        term = commit(
            core,
            request,
            lambda transaction: _begin(core, transaction, request, found.record, found.root),
            uses_keys=True,
        )
    open_keyring(core, seal)
    return term


def _begin(core: Core, transaction: Transaction, request: Request, record: bytes, root: SecretBytes) -> int:
    """Add a term; wrap under it at once what is few: the audit key and the secrets of access keys."""
    db, engine_id, entropy = transaction.db, core.identity.engine_id, core.world.entropy
    _require_same(db, record)
    terms = setting.terms(db)
    term = max(terms) + 1
    terms[term] = new_term(engine_id, root, entropy, term)
    setting.add_term(db, term, terms[term], request.time)
    keyring = Keyring(engine_id, root, terms, entropy)
    setting.store(db, AUDIT_KEY, keyring.rebox(AUDIT_BINDING, setting.load(db, AUDIT_KEY) or b""))
    for row in access_keys.load_all(db):
        access_keys.change(db, row._replace(secret=keyring.rebox(access_binding(row), row.secret)))
    setting.store(db, setting.TERM_BEGAN, str(trail.head(db).seq).encode())
    _note_progress(db, 0, renewed=False)
    request.parameters = {"Term": term}
    transaction.wants_checkpoint = True
    return term


def rewrap(core: Core, chunks: int | None = None) -> Rewrapped:
    """Wrap material of older terms under the newest one.

    Args:
        core: the engine.
        chunks: transactions at most; None is as many as it takes.
    """
    done = Rewrapped()
    while chunks is None or chunks > 0:
        with core.store.look() as db:
            if setting.load(db, setting.REWRAPPED) is None:
                break
        step = core.store.submit(lambda transaction: _rewrap(core, transaction), touches=False).wait()
        if step is None:
            catch_up(core)
            continue
        done += step
        chunks = None if chunks is None else chunks - 1
    return done


def _rewrap(core: Core, transaction: Transaction) -> Rewrapped | None:
    """Wrap the next versions anew, and note how far that is; None where the keyring here does not have the newest term.

    What other processes remember of these versions still opens: its term stays.
    """
    require_unsealed(core, transaction)
    db, keyring = transaction.db, core.opened()
    if keyring.term < max(setting.terms(db)):
        return None
    after, renewed = _progress(db)
    rows = versions.wrapped_before(db, keyring.term, after, _CHUNK)
    if rows:
        done = _renew_all(db, keyring, rows)
        _note_progress(db, rows[-1].number, renewed=renewed or done.versions > 0)
        request = core.scheduled("RewrapMaterial", None)
        request.parameters = {"Term": keyring.term, "Versions": done.versions, "Unopened": len(done.unopened)}
        transaction.entries.append(request.entry(OK))
        return done
    if renewed:  # once more from the start: others may have begun the term later
        _note_progress(db, 0, renewed=False)
    else:
        setting.remove(db, setting.REWRAPPED)
    return Rewrapped()


def _renew_all(db: Connection, keyring: Keyring, rows: list[Wrapped]) -> Rewrapped:
    """Wrap material anew, each with the next generation."""
    unopened, count = {}, 0
    for row in rows:
        binding, generation = material_binding(row), row.generation + 1
        try:
            secret = keyring.unwrap(binding, row.term, row.wrapped)
        except MaterialCorruptError as error:
            unopened[row.key_id] = str(error)
            continue
        term, wrapped = keyring.wrap(binding._replace(generation=generation), secret)
        versions.rewrap(db, row.number, term, wrapped, generation)
        count += 1
    return Rewrapped(count, unopened)


def _progress(db: Connection) -> tuple[int, bool]:
    """Return the number of the version that was the last, and whether any was wrapped anew since the start."""
    number, _, renewed = (setting.load(db, setting.REWRAPPED) or b"0").partition(b" ")
    return int(number), bool(renewed)


def _note_progress(db: Connection, number: int, *, renewed: bool) -> None:
    setting.store(db, setting.REWRAPPED, b"%d%s" % (number, b" renewed" if renewed else b""))


def advance(core: Core) -> Mapping[str, str]:
    """Begin a new term where the old one is near its limit, and go on wrapping anew; for the schedule.

    Returns:
        By key, why material of it could not be wrapped anew.
    """
    with core.store.look() as db:
        pending = setting.load(db, setting.REWRAPPED) is not None
        entries = trail.head(db).seq - int(setting.load(db, setting.TERM_BEGAN) or b"0")
    if entries >= ENTRIES_A_TERM and core.given is not None:
        rotate_keyring(core, core.world.caller, seal=core.given)
        pending = True
    return rewrap(core, _TICK_CHUNKS).unopened if pending else {}


def _require_same(db: Connection, record: bytes) -> None:
    """Check that nobody has made another root key meanwhile.

    Raises:
        SealingError: somebody has.
    """
    if setting.load(db, SEAL) != record:
        raise SealingError(
            "another process has rotated the engine's root key at the same time. Nothing was changed: try again"
        )


def material_binding(row: Wrapped) -> Binding:
    """Return what material is bound to."""
    return Binding(
        table="material",
        row=row.version_id,
        key_id=row.key_id,
        version_id=row.version_id,
        spec=row.spec,
        usage=row.usage,
        generation=row.generation,
    )
