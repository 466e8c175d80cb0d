"""Opening the keyring with a seal, and closing it for every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kmsplan.engine.core import sealed
from kmsplan.engine.error import AuditError, KeystoreCorruptError
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.keyring import Binding, Keyring, rewrapped_term
from kmsplan.engine.keystore import setting
from kmsplan.engine.sealing import open_root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.sealing import Seal
    from kmsplan.kms.secret import SecretBytes

SEAL: Final = "seal"
"""Setting: how the root key is sealed, and the root key."""
AUDIT_KEY: Final = "audit_key"
"""Setting: the key that signs checkpoints, wrapped under the keyring."""
AUDIT_PUBLIC_KEY: Final = "audit_public_key"
AUDIT_BINDING: Final = Binding(table="signing key", row="the audit trail")


def open_keyring(core: Core, seal: Seal) -> None:
    """Open the keyring and the key that signs checkpoints, and keep the seal, which opens them when they have changed.

    Raises:
        SealingError: the seal does not open the root key.
        KeystoreCorruptError, MaterialCorruptError: a part of the keyring is not there, or does not open.
        AuditError: the checkpoints' public key was replaced.
    """
    found = unlocked(core, seal)
    core.keyring, core.trail.key, core.given = found.keyring, found.signer, seal


def reopen(core: Core) -> None:
    """Open the keyring again with the seal that was given, unless the engine is still sealed; raises as `open_keyring`.

    So a process that serves comes back by itself when another one unseals the engine.
    """
    if core.given is None:
        return
    with core.store.look() as db:
        still_sealed = setting.load(db, setting.SEALED) is not None
    if not still_sealed:
        open_keyring(core, core.given)


def catch_up(core: Core) -> None:
    """Learn of the terms that other processes have begun.

    Raises:
        KmsError: the engine is sealed.
        SealingError: the seal that it was opened with does not open its root key any more.
    """
    keyring = core.opened()
    with core.store.look() as db:
        newest = max(setting.terms(db))
    if keyring.term < newest:
        if core.given is None:
            raise sealed()
        open_keyring(core, core.given)


class Unlocked(NamedTuple):
    """What a seal opens."""

    record: bytes
    """How the root key is sealed."""
    root: SecretBytes
    keyring: Keyring
    signer: Ed25519PrivateKey


def unlocked(core: Core, seal: Seal) -> Unlocked:
    """Return what a seal opens, as the database has it now; raises as `open_keyring`."""
    with core.store.read() as db:
        settings, terms = setting.load_all(db), setting.terms(db)
    _require_whole(settings, terms, core.store.name)
    engine_id = core.identity.engine_id
    root = open_root(seal, engine_id, settings[SEAL])

    def renewed(term: int) -> Keyring | None:
        with core.store.look() as db:
            known = term in setting.terms(db)
        return unlocked(core, core.given or seal).keyring if known else None

    return Unlocked(settings[SEAL], root, *keyring_under(root, engine_id, settings, terms, core.world.entropy, renewed))


def keyring_under(
    root: SecretBytes,
    engine_id: str,
    settings: Mapping[str, bytes],
    terms: Mapping[int, bytes],
    entropy: Callable[[int], bytes],
    renewed: Callable[[int], Keyring | None] = lambda _: None,
) -> tuple[Keyring, Ed25519PrivateKey]:
    """Return the keyring under a root key, and the key that signs checkpoints.

    Raises:
        MaterialCorruptError: a part of it does not open.
        AuditError: the checkpoints' public key was replaced.
    """
    keyring = Keyring(engine_id, root, terms, entropy, renewed)
    signer = Ed25519PrivateKey.from_private_bytes(keyring.unbox(AUDIT_BINDING, settings[AUDIT_KEY]))
    if signer.public_key().public_bytes_raw() != settings[AUDIT_PUBLIC_KEY]:
        raise AuditError(
            "the public key that checkpoints of the audit trail are checked with was replaced. Keep the engine's "
            "folder as evidence, and find out who could write to it",
            1,
        )
    return keyring, signer


def renew_root(
    db: Connection, engine_id: str, old: SecretBytes, new: SecretBytes, record: bytes, entropy: Callable[[int], bytes]
) -> None:
    """Wrap the keyring under a new root key, in the open transaction.

    Args:
        db: the keystore.
        engine_id: whose it is.
        old: the root key so far.
        new: the root key from now on.
        record: how that is sealed.
        entropy: as many random bytes as asked for.

    Raises:
        MaterialCorruptError: a keyring key does not open under the old one.
    """
    for term, wrapped in setting.terms(db).items():
        setting.wrap_term(db, term, rewrapped_term(engine_id, old, new, term, wrapped, entropy))
    setting.store(db, SEAL, record)


def _require_whole(settings: Mapping[str, bytes], terms: Mapping[int, bytes], place: str) -> None:
    if not terms or not {SEAL, AUDIT_KEY, AUDIT_PUBLIC_KEY} <= settings.keys():
        raise KeystoreCorruptError(
            f"a part of the keyring is not in the keystore {place}. Restore the engine's folder from its newest backup"
        )


def seal(core: Core, caller: Caller) -> None:
    """Seal the engine for every process, now and later; see `Engine.seal`."""
    request = core.request(caller, "Seal", core.identity.engine_id)

    def mark(transaction: Transaction) -> None:
        transaction.seal(request.time)
        transaction.wants_checkpoint = True  # the last one that can be signed

    with admitted(core, request):
        commit(core, request, mark)
    core.seal()


def unseal(core: Core, caller: Caller, given: Seal) -> None:
    """Open the engine again; see `Engine.unseal`."""
    request = core.request(caller, "Unseal", core.identity.engine_id)
    with admitted(core, request):
        open_keyring(core, given)
        commit(core, request, lambda transaction: transaction.seal(None))
