"""What the parts of an open engine share."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from kmsplan.engine import moment
from kmsplan.engine.access.known import AccessKeys
from kmsplan.engine.audit import Request
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from kmsplan.engine.access.rate import Rates
    from kmsplan.engine.audit import Trail
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.dataplane.allowance import Allowances
    from kmsplan.engine.dataplane.targets import Targets
    from kmsplan.engine.handles import Handles
    from kmsplan.engine.keyring import Keyring
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.store import Keystore
    from kmsplan.engine.presence import Presence
    from kmsplan.engine.protection.protocol import Protection
    from kmsplan.engine.sealing import Seal


SCHEDULE: Final = "schedule"
"""Source of what the engine does by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who an engine is, from its making on."""

    engine_id: str
    region: str
    account: str

    @property
    def arn_prefix(self) -> str:
        """What the ARNs of its objects begin with."""
        return f"acs:kms:{self.region}:{self.account}:"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What an engine is given from outside."""

    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    hardware: Callable[[str, str], Protection]
    """Opens the token of a PKCS#11 module; asked once for each."""
    caller: Caller
    """Whoever opened it; what the engine does by itself is done in the same name."""
    external: Callable[[InstanceRow], Protection]
    """Opens the way to an external instance's key manager."""


@dataclass(slots=True, kw_only=True)
class Core:
    """An open engine's state."""

    folder: Path
    identity: Identity
    world: World
    store: Keystore
    trail: Trail
    handles: Handles
    targets: Targets
    """Keys that were used lately."""
    allowances: Allowances
    """Encryptions that this process may still make."""
    presence: Presence | None = None
    """None where the engine was opened for reading."""
    keyring: Keyring | None = None
    """None while the engine is sealed."""
    given: Seal | None = None
    """What opened the keyring; it opens it again when another process has unsealed the engine or renewed its keys."""
    access_keys: AccessKeys = field(default_factory=AccessKeys)
    """Access keys that called lately."""
    proven: set[tuple[str, str, str]] = field(default_factory=set)
    """Instance, spec and algorithm of what HSMs were seen to decrypt."""
    creating: set[str] = field(default_factory=set)
    """Versions whose HSM material this process is making now."""
    homes: dict[tuple[str | None, str | None], int | None] = field(default_factory=dict)
    """By module and token: a version that was seen to be at home there."""
    put_off: dict[str, str] = field(default_factory=dict)
    """By key whose rotation is due: the result that this process has audited why it could not be."""
    _protections: dict[tuple[str, str], Protection] = field(default_factory=dict)
    _software: Protection | None = None
    _rates: Rates | None = None
    _lock: Lock = field(default_factory=Lock)
    _reopening: Lock = field(default_factory=Lock)

    def now(self) -> str:
        """Return the time as text."""
        return moment.text(self.world.clock())

    def request(self, caller: Caller, action: str, resource: str | None) -> Request:
        """Return a new request."""
        world = self.world
        return Request(
            action=action,
            resource=resource,
            time=moment.text(world.clock()),
            request_id=caller.request_id or world.entropy(16).hex(),
            caller=caller,
        )

    def scheduled(self, action: str, resource: str | None) -> Request:
        """Return a new request for what the engine does by itself."""
        return self.request(self.world.caller._replace(source=SCHEDULE), action, resource)

    def opened(self) -> Keyring:
        """Return the keyring.

        Raises:
            KmsError: Rejected.Sealed.
        """
        if self.keyring is None and self.given is not None:
            self._reopen()
        if self.keyring is None:
            raise sealed()
        return self.keyring

    def _reopen(self) -> None:
        """Open the keyring with the seal that was given, once for all threads that want it: it takes its time."""
        from kmsplan.engine.unsealing import reopen  # noqa: PLC0415 - imports cryptography; planning does not

        with self._reopening:
            if self.keyring is None:
                reopen(self)

    def seal(self) -> None:
        """Forget every key."""
        self.keyring = None
        self.trail.key = None
        self.handles.clear()
        self.access_keys.clear()
        self.targets.clear()

    def protection(self, instance: InstanceRow) -> Protection:
        """Return the backend of an instance; a token is opened once, however many instances are on it."""
        if instance.type == KeyType.HARDWARE:
            place = (instance.module or "", instance.token or "")
            return self._opened(place, lambda: self.world.hardware(*place))
        if instance.type == KeyType.EXTERNAL:
            return self._opened((instance.proxy or "", instance.instance_id), lambda: self.world.external(instance))
        return self._in_software()

    def throttle(self, caller: Caller, instance: InstanceRow, *, symmetric: bool) -> None:
        """Count a call with a key against the rate of its instance; calls of the folder's owner are free.

        Raises:
            KmsError: Rejected.Throttling.
        """
        if caller.account is None:
            return
        rates = self._rates
        if rates is None:
            from kmsplan.engine.access.rate import FILE, Rates  # noqa: PLC0415 - only served engines have rates

            def machines() -> int:
                return self.store.crowd().machines

            with self._lock:
                rates = self._rates = self._rates or Rates(self.folder / FILE, nodes=machines)
        rates.admit(instance, symmetric=symmetric)

    def close_protections(self) -> None:
        """Give back sessions and processes."""
        with self._lock:
            while self._protections:
                self._protections.popitem()[1].close()
            if self._rates is not None:
                self._rates.close()
                self._rates = None

    def _opened(self, place: tuple[str, str], opener: Callable[[], Protection]) -> Protection:
        with self._lock:
            if place not in self._protections:
                self._protections[place] = opener()
            return self._protections[place]

    def _in_software(self) -> Protection:
        if self._software is None:
            from kmsplan.engine.protection.software import SoftwareProtection  # noqa: PLC0415 - planning uses no key

            self._software = SoftwareProtection(self.world.entropy)
        return self._software


def sealed() -> KmsError:
    """Return the error of a sealed engine."""
    return KmsError(
        "Rejected.Sealed", "The engine is sealed: its keys cannot be used. Unseal it: kmsplan engine unseal."
    )
