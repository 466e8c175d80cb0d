"""The engine as its callers see it: made, opened, asked, told what to do, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.engine import audit, description, naming
from kmsplan.engine.core import World
from kmsplan.engine.error import ReadOnlyEngineError
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import listing, schema, setting, store, trail
from kmsplan.engine.opening import close_core, is_sealed, open_core
from kmsplan.engine.sealing import kind_of
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import SPECS, KeySpec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.crypto import Crypto
    from kmsplan.engine.description import Description
    from kmsplan.engine.protection.protocol import Protection
    from kmsplan.engine.schedule import Ticked
    from kmsplan.engine.sealing import Seal
    from kmsplan.engine.verification import Verified
    from kmsplan.kms.operation import Operation


def is_engine(path: Path) -> bool:
    """Return whether the folder holds an engine."""
    return store.is_keystore(path)


def allow(request: Request) -> None:
    """Let the request pass: who may open the folder may do everything that the seal allows."""
    del request


class Engine:
    """One open engine. All methods may be called from several threads.

    Wherever a key is named for cryptography, an id, an alias or an ARN names it. Every method that uses a key or
    changes something writes an audit entry, also when it is refused, and returns once that is on disk. All raise:

    - KmsError: what the API would answer; nothing was done.
    - EngineError: the engine itself fails, and how to mend it.
    """

    def __init__(self, core: Core) -> None:
        """Take an open core; `Engine.open` makes one."""
        self._core = core

    @staticmethod
    def create(
        path: Path,
        seal: Seal,
        *,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        region: str = "local",
        actor: str = "kmsplan",
    ) -> None:
        """Make an engine in a folder, sealed by `seal`; it appears whole or not at all.

        Raises:
            EngineExistsError: there is one.
            SealingError, KeystoreError: it cannot be made.
        """
        from kmsplan.engine.founding import found  # noqa: PLC0415 - imports cryptography; planning does not need it

        found(path, seal, clock=clock, entropy=entropy, region=region, actor=actor)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        seal: Seal | None,
        hardware: Callable[[str, str], Protection],
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        actor: str,
        read_only: bool = False,
        source: str = "embedded",
        authorise: Callable[[Request], None] = allow,
    ) -> Engine:
        """Open an engine.

        Args:
            path: its folder.
            seal: what opens its root key; None leaves it sealed, as does an earlier `seal()`.
            hardware: opens a token by PKCS#11 module and token label.
            clock: UTC now.
            entropy: as many random bytes as asked for.
            actor: who is calling, for the audit trail.
            read_only: change nothing on disk, and refuse what would. The seal is not used then.
            source: how the calls come in, for the audit trail.
            authorise: raises KmsError where the actor may not do what the request says.

        Raises:
            EngineMissingError, EngineVersionError, SealingError, KeystoreError: it cannot be opened.
        """
        world = World(clock=clock, entropy=entropy, hardware=hardware, actor=actor, source=source, authorise=authorise)
        return cls(open_core(path, world, seal, read_only=read_only))

    @property
    def engine_id(self) -> str:
        """A UUID, chosen when the engine was made."""
        return self._core.identity.engine_id

    @property
    def region(self) -> str:
        """The region in the ARNs of its objects."""
        return self._core.identity.region

    @property
    def account(self) -> str:
        """The account number in the ARNs of its objects."""
        return self._core.identity.account

    @property
    def sealed(self) -> bool:
        """Whether no key can be used; an engine that was opened for reading says whether it was sealed for all."""
        return is_sealed(self._core) if self._core.presence is None else self._core.keyring is None

    def execute(self, operation: Operation) -> str | None:
        """Carry out a control-plane operation; return the id of what it made."""
        self._require_writable()
        from kmsplan.engine.action.table import execute  # noqa: PLC0415 - imports cryptography; planning does not

        return execute(self._core, operation)

    def tick(self) -> Ticked:
        """Finish what was interrupted, delete and rotate what is due. A sealed engine does nothing."""
        self._require_writable()
        from kmsplan.engine.schedule import tick  # noqa: PLC0415 - as above

        return tick(self._core)

    def describe(self, ids: Collection[str] | None = None, *, check_material: bool = False) -> Description:
        """Describe instances, keys and aliases, all or those with these identities.

        Args:
            ids: key ids, instance ids and alias names; None for everything.
            check_material: ask the HSMs whether they still have the material of their keys.
        """
        return description.describe(self._core, ids, check_material=check_material)

    def resolve(self, name: str) -> str:
        """Return the id of the key that an id, an alias or an ARN means.

        Raises:
            KmsError: there is none.
        """
        return self._find(name).key_id

    def is_symmetric(self, name: str) -> bool:
        """Return whether a key is symmetric.

        Raises:
            KmsError: there is no such key.
        """
        return SPECS[KeySpec(self._find(name).spec)].symmetric

    def encrypt(self, key: str, plaintext: bytes, context: Mapping[str, str] | None = None) -> tuple[bytes, str]:
        """Encrypt with a symmetric key's primary version; return ciphertext and version id.

        The plaintext has at most 6,144 bytes. The ciphertext opens under an equal context only, in any order.
        """
        return self._crypto().encrypt(key, plaintext, context)

    def decrypt(self, blob: bytes, context: Mapping[str, str] | None = None) -> tuple[bytes, str, str]:
        """Decrypt what `encrypt` returned; return plaintext, key id and version id.

        Raises:
            InvalidCiphertextError: anything about the ciphertext or the context is wrong.
        """
        return self._crypto().decrypt(blob, context)

    def sign(self, key: str, version: str | None, algorithm: str | None, digest: bytes) -> bytes:
        """Sign a digest; the newest version and the spec's first algorithm, unless others are named."""
        return self._crypto().sign(key, version, algorithm, digest)

    def verify(self, key: str, version: str | None, algorithm: str | None, digest: bytes, signature: bytes) -> bool:
        """Return whether a signature over a digest holds."""
        return self._crypto().verify(key, version, algorithm, digest, signature)

    def asymmetric_encrypt(self, key: str, version: str | None, algorithm: str | None, plaintext: bytes) -> bytes:
        """Encrypt with an RSA key's public half (OAEP)."""
        return self._crypto().asymmetric_encrypt(key, version, algorithm, plaintext)

    def asymmetric_decrypt(self, key: str, version: str | None, algorithm: str | None, blob: bytes) -> bytes:
        """Decrypt with an RSA key (OAEP).

        Raises:
            InvalidCiphertextError: anything about the ciphertext is wrong.
        """
        return self._crypto().asymmetric_decrypt(key, version, algorithm, blob)

    def public_key(self, key: str, version: str | None = None) -> str:
        """Return an asymmetric key's public half as PEM (SubjectPublicKeyInfo)."""
        return self._crypto().public_key(key, version)

    def seal(self) -> None:
        """Refuse all cryptography and new keys, in every process, until `unseal`; metadata can still be changed."""
        self._require_writable()
        from kmsplan.engine import unsealing  # noqa: PLC0415 - imports cryptography; planning does not need it

        unsealing.seal(self._core)

    def unseal(self, seal: Seal) -> None:
        """Open the keyring again.

        Raises:
            SealingError: the seal does not open the root key.
        """
        self._require_writable()
        from kmsplan.engine import unsealing  # noqa: PLC0415 - as above

        unsealing.unseal(self._core, seal)

    def status(self) -> dict[str, Any]:
        """Return facts about the engine, ready for JSON."""
        with self._core.store.read() as db:
            settings = setting.load_all(db)
            head, counts = trail.head(db), listing.counts(db)
            instances = len(listing.rows(db, "instance", None))
        return {
            "engine": self.engine_id,
            "path": str(self._core.folder),
            "region": self.region,
            "account": self.account,
            "created": settings["created"].decode(),
            "schema_version": schema.VERSION,
            "seal": kind_of(settings["seal"]),
            "sealed": self.sealed,
            "instances": instances,
            "keys": counts,
            "audit_entries": head.seq,
            "audit_signed_up_to": head.checkpoint,
        }

    def audit_entries(self) -> Iterator[dict[str, Any]]:
        """Yield the audit trail, oldest entry first; one moment's trail, however long it takes."""
        with self._core.store.read() as db:
            yield from audit.entries(db)

    def audit_verify(self) -> Verified:
        """Check the whole audit trail.

        Raises:
            AuditError: it was changed; names the first entry that is wrong.
        """
        from kmsplan.engine import verification  # noqa: PLC0415 - imports cryptography; planning does not need it

        with self._core.store.read() as db:
            public_key = setting.load(db, "audit_public_key") or b""
            return verification.verify(db, self._core.folder, public_key)

    def close(self) -> None:
        """Sign the audit trail's newest entry, and give everything back. Closing twice is no error."""
        close_core(self._core)

    def _find(self, name: str) -> keys.KeyRow:
        with self._core.store.read() as db:
            key_id = naming.resolve(db, self._core.identity, name)
            row = keys.load(db, key_id)
        if row is None:
            raise KmsError("Forbidden.KeyNotFound", f"The specified key {name} is not found.")
        return row

    def _crypto(self) -> Crypto:
        self._require_writable()
        from kmsplan.engine.crypto import Crypto  # noqa: PLC0415 - as above

        return Crypto(self._core)

    def _require_writable(self) -> None:
        if self._core.presence is None:
            raise ReadOnlyEngineError(
                "the engine was opened for reading. Using a key and changing something both write to its audit trail: "
                "open it for writing"
            )
