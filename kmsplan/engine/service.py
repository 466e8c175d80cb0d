"""The engine as its callers see it: made, opened, asked, told what to do, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.engine import description, naming
from kmsplan.engine.access.accessible import Accessible
from kmsplan.engine.action.changeable import Changeable
from kmsplan.engine.caller import Caller
from kmsplan.engine.core import World
from kmsplan.engine.dataplane.usable import Usable
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import store
from kmsplan.engine.opening import close_core, is_sealed, open_core
from kmsplan.engine.protection.protocol import ProtectionUnavailableError
from kmsplan.engine.reading.audited import Audited
from kmsplan.engine.reading.readable import Readable
from kmsplan.engine.status import status
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import SPECS, KeySpec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from pathlib import Path
    from threading import Event

    from kmsplan.engine.description import Description
    from kmsplan.engine.keeping import Keeping
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.pace import Pace
    from kmsplan.engine.protection.protocol import FoundObject, Protection
    from kmsplan.engine.schedule import Ticked
    from kmsplan.engine.sealing import Seal
    from kmsplan.kms.secret import SecretBytes


def is_engine(path: Path, postgres: SecretBytes | None = None) -> bool:
    """Return whether there is an engine in the folder, or in the database that a connection string names.

    Raises:
        KeystoreError: the database cannot be asked.
    """
    return store.database(path, postgres).exists()


def place_of(path: Path, postgres: SecretBytes | None = None) -> str:
    """Return where such an engine keeps its keys, for messages: its folder, or the database without the password.

    Raises:
        KeystoreError: the connection string is none.
    """
    return str(path) if postgres is None else store.database(path, postgres).name


def no_external(instance: InstanceRow) -> Protection:
    """Refuse: nobody said how external key managers are reached."""
    raise ProtectionUnavailableError(f"no way to the key manager of {instance.instance_id} was configured")


class Engine(Readable, Changeable, Usable, Accessible, Audited):
    """One open engine. All methods may be called from several threads.

    Wherever a key is named for cryptography, an id, an alias or an ARN names it. Every method that uses a key or
    changes something writes an audit entry, also when it is refused, and returns once that is on disk. All raise:

    - KmsError: what the API would answer; nothing was done.
    - EngineError: the engine itself fails, and how to mend it.
    """

    __slots__ = ()

    def acting(self, caller: Caller) -> Engine:
        """Return the same engine for another caller; closing either closes both."""
        return Engine(self._core, caller)

    @staticmethod
    def create(
        path: Path,
        seal: Seal,
        *,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        region: str = "local",
        actor: str = "kmsplan",
        postgres: SecretBytes | None = None,
    ) -> None:
        """Make an engine in a folder, sealed by `seal`; it appears whole or not at all.

        With `postgres`, a connection string, its keystore is in that database.

        Raises:
            EngineExistsError: there is one.
            SealingError, KeystoreError: it cannot be made.
        """
        from kmsplan.engine.founding import found  # noqa: PLC0415 - imports cryptography; planning does not need it

        found(path, seal, clock=clock, entropy=entropy, region=region, actor=actor, postgres=postgres)

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
        external: Callable[[InstanceRow], Protection] = no_external,
        postgres: SecretBytes | None = None,
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
            external: opens the way to an external instance's key manager.
            postgres: connection string of the database with its keystore; None where that is in the folder.

        Raises:
            EngineMissingError, EngineVersionError, SealingError, KeystoreError: it cannot be opened.
        """
        caller = Caller(actor=actor)
        world = World(clock=clock, entropy=entropy, hardware=hardware, external=external, caller=caller)
        return cls(open_core(path, world, seal, postgres=postgres, read_only=read_only), caller)

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

    def tick(self) -> Ticked:
        """Finish what was interrupted, delete and rotate what is due. A sealed engine does nothing."""
        self._require_writable()
        from kmsplan.engine.schedule import tick  # noqa: PLC0415 - imports cryptography; planning does not need it

        return tick(self._core)

    def run_schedule(
        self, stop: Event, tell: Callable[[Ticked | Exception], None] = lambda _: None, pace: Pace | None = None
    ) -> None:
        """Do what is due whenever it is due, until `stop` is set; of all processes that run this, one at a time does.

        Args:
            stop: ends it, at once unless it is at work.
            tell: is told what was done, and what failed; it goes on after both.
            pace: knows whether the clock can be followed; None trusts it.
        """
        self._require_writable()
        from kmsplan.engine.scheduler import run  # noqa: PLC0415 - as above

        run(self._core, stop, tell, pace)

    def describe(self, ids: Collection[str] | None = None, *, check_material: bool = False) -> Description:
        """Describe instances, keys and aliases, all or those with these identities.

        Args:
            ids: key ids, instance ids and alias names; None for everything.
            check_material: ask the HSMs whether they still have the material of their keys.
        """
        return description.describe(self._core, ids, check_material=check_material)

    def hsm_objects(self, instance: str) -> tuple[FoundObject, ...]:
        """Return the keys in a hardware instance's token that no engine made, and that no key stands for yet."""
        from kmsplan.engine.foreign import objects_in  # noqa: PLC0415 - an import alone asks for them

        return objects_in(self._core, instance)

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

    def attend(self, soon: Callable[[Callable[[], None]], object], time: Callable[[], float]) -> None:
        """Let the event loop of this thread commit what `begin` hands in on it; nobody may wait for that on the loop.

        Args:
            soon: has a function called in the loop's next round, by the loop.
            time: a monotonic clock, in seconds.
        """
        self._require_writable()
        self._core.store.attend(soon, time)

    @property
    def keeping(self) -> Keeping:
        """Backups, new root keys, new keyring keys."""
        self._require_writable()
        from kmsplan.engine.keeping import Keeping  # noqa: PLC0415 - as above

        return Keeping(self._core, self._caller)

    def seal(self) -> None:
        """Refuse all cryptography and new keys, in every process, until `unseal`; metadata can still be changed."""
        self._require_writable()
        from kmsplan.engine import unsealing  # noqa: PLC0415 - as above

        unsealing.seal(self._core, self._caller)

    def unseal(self, seal: Seal) -> None:
        """Open the keyring again.

        Raises:
            SealingError: the seal does not open the root key.
        """
        self._require_writable()
        from kmsplan.engine import unsealing  # noqa: PLC0415 - as above

        unsealing.unseal(self._core, self._caller, seal)

    def catch_up(self) -> None:
        """Check that keys can be used, and learn of new ones of the keyring.

        Raises:
            KmsError: the engine is sealed.
            SealingError: its root key was sealed in another way since it was opened.
            KeystoreError: the newest transaction could not be committed, and another one cannot either.
        """
        from kmsplan.engine import unsealing  # noqa: PLC0415 - as above

        unsealing.catch_up(self._core)
        self._core.store.require_writable()

    def status(self) -> dict[str, Any]:
        """Return facts about the engine, ready for JSON."""
        return status(self._core)

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
