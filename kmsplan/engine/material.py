"""Key versions: made, proven, and opened."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.engine import hardware, hsmwrapped
from kmsplan.engine.keyring import Binding, corrupt
from kmsplan.engine.keystore.version import NOTHING, VersionRow
from kmsplan.engine.proof import prove
from kmsplan.kms.capability import KeyStorageMechanism
from kmsplan.kms.naming import key_version_id
from kmsplan.kms.spec import KeySpec, KeyType, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.protection.protocol import Generated, Handle

FIRST_GENERATION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What is fixed of a key before it has material."""

    key_id: str
    spec: KeySpec
    usage: KeyUsage
    instance: InstanceRow
    mechanism: str | None = None
    """How an HSM keeps it; None outside hardware instances."""

    @property
    def hsm_wraps(self) -> bool:
        """Whether an HSM wraps the material for the keystore, instead of keeping it."""
        return self.mechanism == KeyStorageMechanism.HSM_ENCRYPTED_DATABASE


@contextmanager
def made(core: Core, request: Request, design: Design) -> Iterator[VersionRow]:
    """Make a version, for the body to commit; if that fails, the material is destroyed.

    Raises:
        KmsError: sealed, or the backend cannot make it now.
    """
    core.opened()
    version_id = key_version_id(design.key_id, core.world.entropy(10))
    if design.instance.type == KeyType.HARDWARE and not design.hsm_wraps:
        with hardware.made(core, request, design, version_id) as (reference, generated):
            yield as_kept(core, design, version_id, reference, generated)
    else:
        yield kept_version(core, design, version_id)


def kept_version(core: Core, design: Design, version_id: str) -> VersionRow:
    """Make a version whose material the keystore keeps wrapped; nothing is written yet.

    Raises:
        KmsError: an HSM makes it, and cannot now.
    """
    if design.hsm_wraps:
        return as_kept(core, design, version_id, NOTHING, hsmwrapped.made(core, design))
    protection, reference = core.protection(design.instance), core.world.entropy(16)
    generated = protection.generate(design.spec, design.usage, reference)
    if generated.public_key is not None:  # nothing can be wrong with a symmetric key: it is random bytes
        handle = protection.open(design.spec, reference, generated.secret)
        prove(handle, design.spec, design.usage, generated.public_key)
    return as_kept(core, design, version_id, reference, generated)


def as_kept(
    core: Core,
    design: Design,
    version_id: str,
    reference: bytes,
    generated: Generated,
    generation: int = FIRST_GENERATION,
) -> VersionRow:
    """Return new material as the keystore keeps it: wrapped, as far as it is ours to keep."""
    keyring, binding = core.opened(), _binding(design, version_id, generation)
    term, wrapped = keyring.wrap(binding, generated.secret) if generated.secret else (None, None)
    public_key = generated.public_key
    return VersionRow(
        key_id=design.key_id,
        version_id=version_id,
        instance_id=design.instance.instance_id,
        reference=reference,
        public_key=None if public_key is None else keyring.box(public_binding(binding), public_key),
        generation=generation,
        created=core.now(),
        term=term,
        wrapped=wrapped,
    )


def opened(core: Core, version: VersionRow, design: Design) -> Handle:
    """Return a handle on a version.

    Raises:
        MaterialCorruptError: its wrapped material does not open.
        ProtectionUnavailableError: its HSM does not answer, or does not have it.
    """
    keyring, protection = core.opened(), core.protection(design.instance)
    if design.instance.type in (KeyType.HARDWARE, KeyType.EXTERNAL) and not design.hsm_wraps:
        return protection.open(design.spec, version.reference, None)
    if version.wrapped is None or version.term is None:
        raise corrupt(f"the material of {version.version_id}")
    binding = _binding(design, version.version_id, version.generation)
    secret = keyring.unwrap(binding, version.term, version.wrapped)
    if design.hsm_wraps:
        return hsmwrapped.opened(core, design, secret)
    return protection.open(design.spec, version.reference, secret)


def public_key(core: Core, version: VersionRow, design: Design) -> bytes:
    """Return the public key of an asymmetric key's version (DER SubjectPublicKeyInfo).

    Raises:
        MaterialCorruptError: it is not there, or another one's.
    """
    binding = public_binding(_binding(design, version.version_id, FIRST_GENERATION))
    return core.opened().unbox(binding, version.public_key or b"")


def _binding(design: Design, version_id: str, generation: int) -> Binding:
    return Binding(
        table="material",
        row=version_id,
        key_id=design.key_id,
        version_id=version_id,
        spec=design.spec,
        usage=design.usage,
        generation=generation,
    )


def public_binding(binding: Binding) -> Binding:
    """Return what a version's public key is bound to: it is wrapped once, and material imported again has the same."""
    return binding._replace(table="public key", generation=FIRST_GENERATION)
