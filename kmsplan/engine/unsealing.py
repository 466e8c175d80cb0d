"""Opening the keyring with a seal, and closing it for every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kmsplan.engine.error import AuditError, KeystoreCorruptError
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.keyring import Binding, Keyring
from kmsplan.engine.keystore import setting
from kmsplan.engine.sealing import open_root

if TYPE_CHECKING:
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.writer import Transaction
    from kmsplan.engine.sealing import Seal

SEAL: Final = "seal"
"""Setting: how the root key is sealed, and the root key."""
AUDIT_KEY: Final = "audit_key"
"""Setting: the key that signs checkpoints, wrapped under the keyring."""
AUDIT_PUBLIC_KEY: Final = "audit_public_key"
AUDIT_BINDING: Final = Binding(table="signing key", row="the audit trail")


def open_keyring(core: Core, seal: Seal) -> None:
    """Open the keyring and the key that signs checkpoints.

    Raises:
        SealingError: the seal does not open the root key.
        KeystoreCorruptError, MaterialCorruptError: a part of the keyring is not there, or does not open.
        AuditError: the checkpoints' public key was replaced.
    """
    with core.store.read() as db:
        settings, terms = setting.load_all(db), setting.terms(db)
    if not terms or not {SEAL, AUDIT_KEY, AUDIT_PUBLIC_KEY} <= settings.keys():
        raise KeystoreCorruptError(
            f"a part of the keyring is not in the keystore {core.store.path}. Restore the engine's folder from its "
            "newest backup"
        )
    engine_id = core.identity.engine_id
    keyring = Keyring(engine_id, open_root(seal, engine_id, settings[SEAL]), terms, core.world.entropy)
    signer = Ed25519PrivateKey.from_private_bytes(keyring.unbox(AUDIT_BINDING, settings[AUDIT_KEY]))
    if signer.public_key().public_bytes_raw() != settings[AUDIT_PUBLIC_KEY]:
        raise AuditError(
            "the public key that checkpoints of the audit trail are checked with was replaced. Keep the engine's "
            "folder as evidence, and find out who could write to it",
            1,
        )
    core.keyring, core.trail.key = keyring, signer


def seal(core: Core) -> None:
    """Seal the engine for every process, now and later; see `Engine.seal`."""
    request = core.request("Seal", core.identity.engine_id)

    def mark(transaction: Transaction) -> None:
        transaction.seal(request.time)
        transaction.wants_checkpoint = True  # the last one that can be signed

    with admitted(core, request):
        commit(core, request, mark)
    core.seal()


def unseal(core: Core, given: Seal) -> None:
    """Open the engine again; see `Engine.unseal`."""
    request = core.request("Unseal", core.identity.engine_id)
    with admitted(core, request):
        open_keyring(core, given)
        commit(core, request, lambda transaction: transaction.seal(None))
