"""What the parts of an open engine share."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from kmsplan.engine import moment
from kmsplan.engine.audit import Request
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from kmsplan.engine.audit import Trail
    from kmsplan.engine.handles import Handles
    from kmsplan.engine.keyring import Keyring
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.store import Keystore
    from kmsplan.engine.presence import Presence
    from kmsplan.engine.protection.protocol import Protection


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
    actor: str
    source: str
    """How the calls come in, for the audit trail."""
    authorise: Callable[[Request], None]
    """Raises KmsError where the actor may not do it."""


@dataclass(slots=True, kw_only=True)
class Core:
    """An open engine's state."""

    folder: Path
    identity: Identity
    world: World
    store: Keystore
    trail: Trail
    handles: Handles
    presence: Presence | None = None
    """None where the engine was opened for reading."""
    keyring: Keyring | None = None
    """None while the engine is sealed."""
    proven: set[tuple[str, str, str]] = field(default_factory=set)
    """Instance, spec and algorithm of what HSMs were seen to decrypt."""
    creating: set[str] = field(default_factory=set)
    """Versions whose HSM material this process is making now."""
    _protections: dict[tuple[str, str], Protection] = field(default_factory=dict)
    _software: Protection | None = None
    _lock: Lock = field(default_factory=Lock)

    def now(self) -> str:
        """Return the time as text."""
        return moment.text(self.world.clock())

    def request(self, action: str, resource: str | None, source: str | None = None) -> Request:
        """Return a new request by the engine's actor."""
        return Request(
            action=action,
            resource=resource,
            time=self.now(),
            request_id=self.world.entropy(16).hex(),
            actor=self.world.actor,
            source=source or self.world.source,
        )

    def opened(self) -> Keyring:
        """Return the keyring.

        Raises:
            KmsError: Rejected.Sealed.
        """
        if self.keyring is None:
            raise sealed()
        return self.keyring

    def alone(self) -> AbstractContextManager[bool]:
        """Say whether no other process has the engine open for writing; see `Presence.alone`."""
        return self.presence.alone() if self.presence else nullcontext(False)  # noqa: FBT003 - the answer

    def seal(self) -> None:
        """Forget every key."""
        self.keyring = None
        self.trail.key = None
        self.handles.clear()

    def protection(self, instance: InstanceRow) -> Protection:
        """Return the backend of an instance; a token is opened once, however many instances are on it."""
        if instance.type != KeyType.HARDWARE:
            return self._in_software()
        place = (instance.module or "", instance.token or "")
        with self._lock:
            if place not in self._protections:
                self._protections[place] = self.world.hardware(*place)
            return self._protections[place]

    def close_protections(self) -> None:
        """Give back sessions and processes."""
        with self._lock:
            while self._protections:
                self._protections.popitem()[1].close()

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
