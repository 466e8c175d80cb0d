"""An engine in a folder of its own, with a clock that is set by hand and an HSM that is a dictionary."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kmsplan.engine.hsm.attachment import Attachment
from kmsplan.engine.protection.protocol import (
    FoundObject,
    Generated,
    NotOfferedError,
    ProtectionUnavailableError,
    UnfitObjectError,
)
from kmsplan.engine.protection.software import SoftwareProtection
from kmsplan.engine.sealing import FileSeal, default_key_file
from kmsplan.engine.service import Engine
from kmsplan.kms.capability import Origin
from kmsplan.kms.operation import CreateInstance, CreateKey
from kmsplan.kms.spec import SPECS, KeySpec, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from kmsplan.engine.protection.protocol import Handle
    from kmsplan.engine.sealing import Seal
    from kmsplan.kms.secret import SecretBytes

DAY = timedelta(days=1)


@dataclass
class Clock:
    """Stands still unless it is moved."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@dataclass
class FakeHsm:
    """Keeps real material under its references; can be switched off, and can die in the middle of making a key."""

    material: dict[bytes, SecretBytes] = field(default_factory=dict)
    away: bool = False
    dies_after_making: bool = False
    broken: bool = False
    offered: frozenset[KeySpec] = frozenset(
        {KeySpec.AES_128, KeySpec.AES_256, KeySpec.EC_P256, KeySpec.EC_P256K, KeySpec.RSA_2048}
    )
    destroyed: list[bytes] = field(default_factory=list)
    questions: int = 0
    closed: bool = False

    def __post_init__(self) -> None:
        self._software = SoftwareProtection(os.urandom)

    def _answer(self) -> None:
        if self.away:
            raise ProtectionUnavailableError("the token does not answer")

    def specs(self) -> frozenset[KeySpec]:
        self._answer()
        return self.offered

    def generate(self, spec: KeySpec, usage: KeyUsage, reference: bytes) -> Generated:
        self._answer()
        if usage is KeyUsage.ENCRYPT and spec is KeySpec.RSA_2048:
            raise NotOfferedError("the token does not decrypt with RSA")
        generated = self._software.generate(spec, usage, reference)
        assert generated.secret is not None
        self.material[reference] = generated.secret
        if self.dies_after_making:
            self.away = True
            raise ProtectionUnavailableError("the connection to the token broke")
        return Generated(None, generated.public_key)

    def open(self, spec: KeySpec, reference: bytes, secret: SecretBytes | None) -> Handle:
        assert secret is None
        self._answer()
        if reference not in self.material:
            raise ProtectionUnavailableError("the token does not hold the key")
        other = self._software.generate(spec, KeyUsage.ENCRYPT, reference).secret
        return self._software.open(spec, reference, other if self.broken else self.material[reference])

    def missing(self, references: Collection[bytes]) -> frozenset[bytes]:
        self._answer()
        self.questions += 1
        return frozenset(references) - self.material.keys()

    def destroy(self, reference: bytes) -> None:
        self._answer()
        self.destroyed.append(reference)
        self.material.pop(reference, None)

    def close(self) -> None:
        self.closed = True


OBJECTS = {"0a": KeySpec.AES_256, "0b": KeySpec.EC_P256, "0c": KeySpec.AES_256}
"""What others have made in a shared HSM, by CKA_ID."""


@dataclass
class SharedHsm(FakeHsm):
    """An HSM that others have made keys in."""

    reached: int = 0
    public: dict[bytes, bytes | None] = field(default_factory=dict)

    def objects(self) -> tuple[FoundObject, ...]:
        self._answer()
        return tuple(
            FoundObject(identity=name, label=name, spec=spec, usages=("ENCRYPT/DECRYPT",))
            for name, spec in OBJECTS.items()
        )

    def attach(self, spec: KeySpec, usage: KeyUsage, identity: str) -> tuple[bytes, Generated]:
        self._answer()
        self.reached += 1
        if OBJECTS.get(identity) is not spec:
            raise UnfitObjectError("the token holds no key of this CKA_ID")
        reference = Attachment(hashlib.sha256(identity.encode()).digest(), spec, bytes.fromhex(identity)).reference
        if reference not in self.material:
            self.public[reference] = self.generate(spec, usage, reference).public_key
        return reference, Generated(None, self.public[reference])


@dataclass
class Lab:
    """A place for one engine, and what it is given from outside."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    hsm: FakeHsm = field(default_factory=FakeHsm)
    seal: Seal | None = None
    postgres: SecretBytes | None = None
    opened: list[Engine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seal = self.seal or FileSeal(default_key_file(self.folder))

    def create(self) -> None:
        assert self.seal is not None
        Engine.create(self.folder, self.seal, clock=self.clock, entropy=os.urandom, postgres=self.postgres)

    def open(self, **options: Any) -> Engine:
        """Open the engine; `Lab.close` closes it again."""
        given = {"seal": self.seal, "actor": "tester", "postgres": self.postgres, "hardware": lambda *_: self.hsm}
        engine = Engine.open(self.folder, clock=self.clock, entropy=os.urandom, **{**given, **options})
        self.opened.append(engine)
        return engine

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()

    @property
    def database(self) -> Path:
        """The keystore's file."""
        return self.folder / "keystore.db"


def new_instance(engine: Engine, kind: str = "software", **options: Any) -> str:
    """Create an instance; hardware ones are on the lab's HSM."""
    hsm = {"module": "fake.so", "token": "lab"} if kind == "hardware" else None
    options = {"spec": 1000, "key_quota": 1000, **options}
    made = engine.execute(CreateInstance(type=kind, hsm=hsm, **options))
    assert made is not None
    return made


def new_key(engine: Engine, instance: str, spec: KeySpec = KeySpec.AES_256, **options: Any) -> str:
    """Create a key, for the spec's default usage unless another is named."""
    options = {"usage": SPECS[spec].default_usage, "origin": Origin.KMS, **options}
    made = engine.execute(CreateKey(instance=instance, spec=spec, **options))
    assert made is not None
    return made


def described(engine: Engine, key_id: str, **options: Any) -> dict[str, Any]:
    """Return a key's description."""
    (row,) = engine.describe([key_id], **options).keys
    return row
