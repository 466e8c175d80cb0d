"""Which key version a call uses, and whether it may: found, checked against the tables, opened, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from kmsplan.engine import material
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import usage as usages
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.naming import resolve
from kmsplan.engine.parameter import invalid
from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import AsymmetricDecrypter, Encrypter, Signer
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, check
from kmsplan.kms.spec import ALGORITHMS, SPECS, KeySpec, KeyType, KeyUsage, SpecFacts

if TYPE_CHECKING:
    import sqlite3

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.handles import Handle
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.version import VersionRow

_MINUTE: Final = len("2026-01-01T00:00")
"""As far as two times are equal that lie in one minute: `last_used` is written once a minute at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A key version that is about to be used."""

    key: KeyRow
    version: VersionRow
    design: material.Design

    @property
    def facts(self) -> SpecFacts:
        """The row of the spec table."""
        return SPECS[self.design.spec]

    def public_key(self, core: Core) -> bytes:
        """Return the public key of an asymmetric key (DER SubjectPublicKeyInfo); see `material.public_key`."""
        return material.public_key(core, self.version, self.design)

    def encrypter(self, core: Core) -> Encrypter:
        """Return the handle of a symmetric key; see `_handle` for what it raises."""
        return cast("Encrypter", self._handle(core, Encrypter))

    def signer(self, core: Core) -> Signer:
        """Return the handle of a signing key; see `_handle` for what it raises."""
        return cast("Signer", self._handle(core, Signer))

    def decrypter(self, core: Core) -> AsymmetricDecrypter:
        """Return the handle of an RSA key; see `_handle` for what it raises."""
        return cast("AsymmetricDecrypter", self._handle(core, AsymmetricDecrypter))

    def algorithm(self, request: Request, name: str | None) -> str:
        """Return the algorithm that is named, or the default of the key's spec and usage.

        Raises:
            KmsError: the key has no such algorithm.
        """
        offered = self.facts.algorithms_for(self.design.usage)
        chosen = offered[0] if name is None else name
        if chosen not in offered:
            raise invalid("Algorithm", f"a {self.design.spec} key for {self.design.usage} takes {' or '.join(offered)}")
        request.parameters = {"Algorithm": chosen}
        return chosen

    def check_plaintext(self, algorithm: str, plaintext: bytes) -> None:
        """Check the length of a plaintext.

        Raises:
            KmsError: it is too long.
        """
        limit = self.facts.plaintext_limit(algorithm)
        if len(plaintext) > limit:
            raise invalid(
                "Plaintext",
                f"{algorithm} with a {self.design.spec} key takes at most {limit} bytes, these are {len(plaintext)}",
            )

    def prove_decryption(self, core: Core, algorithm: str) -> None:
        """Let an HSM decrypt once before anything is encrypted for it: anybody can encrypt, even what nobody can open.

        Raises:
            NotOfferedError: the HSM does not know the algorithm.
            KmsError, ProtectionUnavailableError: see `_handle`.
        """
        place = (self.design.instance.instance_id, self.design.spec.value, algorithm)
        if self.design.instance.type == KeyType.HARDWARE and place not in core.proven:
            sealed = publickey.encrypt(self.public_key(core), algorithm, b"kmsplan")
            self.decrypter(core).asymmetric_decrypt(algorithm, sealed)
            core.proven.add(place)

    def settle(self, db: sqlite3.Connection, request: Request, *, counted: bool) -> None:
        """Check the key's state again, note the use, and count an encryption.

        Raises:
            KmsError: the state forbids it by now, or the version has encrypted as often as it may.
        """
        row = keys.load(db, self.key.key_id)
        if row is None:
            raise _not_found(self.key.key_id)
        check(request.action, KeyState(row.state))
        if counted and not versions.count_use(db, row.key_id, self.version.version_id):
            raise KmsError(
                "Rejected.LimitExceeded",
                f"{self.version.version_id} has encrypted {versions.USES_LIMIT} times, as often as is safe under one "
                "AES-GCM key (SP 800-38D, 8.3). Rotate the key: the new version starts from nothing.",
            )
        if row.last_used is None or row.last_used[:_MINUTE] < request.time[:_MINUTE]:
            keys.used(db, row.key_id, request.time)

    def _handle(self, core: Core, kind: type) -> Handle:
        """Return the handle, opened or kept. A key has one usage, hence one kind of handle, which is checked once.

        Raises:
            KmsError: the backend's key cannot do this.
            MaterialCorruptError: its wrapped material does not open.
            ProtectionUnavailableError: its HSM does not answer, or does not have it.
        """

        def opened() -> Handle:
            handle = material.opened(core, self.version, self.design)
            if not isinstance(handle, kind):
                raise self._cannot()
            return handle

        return core.handles.get(self.key.key_id, self.version.version_id, opened)

    def _cannot(self) -> KmsError:
        return KmsError("UnsupportedOperation", f"{self.key.key_id} is a {self.design.spec} key, which cannot do this.")


def find(
    core: Core, request: Request, name: str, *, version: str | None, usage: KeyUsage | None, symmetric: bool
) -> Target:
    """Find a key and a version of it, the primary one unless another is named.

    Raises:
        KmsError: there is no such key or version, its state forbids it, or it is another kind of key.
    """
    with core.store.look() as db:
        key_id = request.resource = resolve(db, core.identity, name)
        used = usages.load(db, key_id, version)
    if used is None:
        raise _not_found(key_id)
    row, spec = used.key, KeySpec(used.key.spec)
    check(request.action, KeyState(row.state))
    if (usage is not None and row.usage != usage) or SPECS[spec].symmetric is not symmetric:
        raise KmsError(
            "UnsupportedOperation", f"{request.action} does not go with {key_id}: it is {spec}, for {row.usage}."
        )
    if used.version is None:
        raise KmsError("Forbidden.KeyVersionNotFound", f"{key_id} has no key version {version or 'yet'}.")
    design = material.Design(key_id=key_id, spec=spec, usage=KeyUsage(row.usage), instance=used.instance)
    return Target(key=row, version=used.version, design=design)


def check_digest(algorithm: str, digest: bytes) -> None:
    """Check the length of a digest.

    Raises:
        KmsError: it is another than the algorithm's.
    """
    wanted = ALGORITHMS[algorithm].digest_bytes
    if len(digest) != wanted:
        raise invalid("Digest", f"{algorithm} takes {wanted} bytes, these are {len(digest)}")


def _not_found(key_id: str) -> KmsError:
    return KmsError("Forbidden.KeyNotFound", f"The specified key {key_id} is not found.")
