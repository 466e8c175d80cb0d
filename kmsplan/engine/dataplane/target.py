"""A key version that a call uses: found, checked against the tables, opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from kmsplan.engine import material
from kmsplan.engine.keystore import setting
from kmsplan.engine.keystore import usage as usages
from kmsplan.engine.naming import ARN_START, resolve
from kmsplan.engine.parameter import invalid
from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import AsymmetricDecrypter, Encrypter, Mac, Signer
from kmsplan.engine.xks import behalf
from kmsplan.kms.capability import CAPABILITIES
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.spec import ALGORITHMS, SPECS, Family, KeySpec, KeyType, KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.core import Core
    from kmsplan.engine.handles import Handle
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.usage import Used
    from kmsplan.engine.keystore.version import VersionRow

K = TypeVar("K")
Question = tuple[str | None, str, str, str, str, KeyUsage | None, bool]
"""The caller's account, user and role; the request's action, and what key policies call it; the use of the key."""
_QUESTIONS: Final = 1024
_QUICK = frozenset({Family.AES, Family.SM4, Family.HMAC, Family.EC})
"""Families whose software keys work in less time than it takes to hand the work to another thread."""


class Target:
    """What a name and a version mean: a key, its instance, and the version.

    Args:
        name: as the caller gave it.
        wanted: the version that was named, if one was.
        used: the rows.
        generation: the database's when the rows were read.
    """

    __slots__ = (
        "by_arn",
        "capability",
        "design",
        "facts",
        "generation",
        "instance",
        "key",
        "key_id",
        "longest",
        "name",
        "permitted",
        "quick",
        "state",
        "version",
        "version_id",
        "wanted",
    )

    def __init__(self, name: str, wanted: str | None, used: Used, generation: int | None) -> None:
        self.name = name
        self.wanted = wanted
        self.by_arn = name.startswith(ARN_START)
        self.key: KeyRow = used.key
        self.key_id = used.key.key_id
        self.instance: InstanceRow = used.instance
        self.version: VersionRow | None = used.version
        self.version_id = "" if used.version is None else used.version.version_id
        """Empty where there is no such version; see `ready`."""
        self.generation = generation
        self.state = KeyState(used.key.state)
        self.capability = CAPABILITIES[KeyType(used.instance.type)]
        spec = KeySpec(used.key.spec)
        self.facts = SPECS[spec]
        self.longest = self.facts.plaintext_limit(self.facts.algorithms[0])
        """Bytes of a plaintext at most, with the spec's first algorithm."""
        self.quick = used.instance.type == KeyType.SOFTWARE and self.facts.family in _QUICK
        """Whether using it takes microseconds: it is in software, and no RSA key."""
        self.permitted: set[Question] = set()
        """What was asked of the key and allowed; it holds as long as the rows do."""
        self.design = material.Design(
            key_id=used.key.key_id,
            spec=spec,
            usage=KeyUsage(used.key.usage),
            instance=used.instance,
            mechanism=used.key.storage_mechanism,
        )

    def ready(self) -> VersionRow:
        """Return the version.

        Raises:
            KmsError: the key has no such version.
        """
        if self.version is None:
            raise KmsError("Forbidden.KeyVersionNotFound", f"{self.key_id} has no key version {self.wanted or 'yet'}.")
        return self.version

    def permit(self, question: Question) -> None:
        """Remember what was allowed, unless that ends by itself: with the key's material."""
        if self.key.material_expires is None:
            if len(self.permitted) >= _QUESTIONS:
                self.permitted.clear()
            self.permitted.add(question)

    def same(self, used: Used) -> bool:
        """Return whether rows read later still say the same, but for dates of use and the instance's fill."""
        return (
            used.key._replace(last_used=None) == self.key._replace(last_used=None)
            and used.version == self.version
            and used.instance._replace(versions=0) == self.instance._replace(versions=0)
        )

    def used(self, time: str) -> None:
        """Remember when it was used."""
        self.key = self.key._replace(last_used=time)

    def public_key(self, core: Core) -> bytes:
        """Return the public key of an asymmetric key (DER SubjectPublicKeyInfo); see `material.public_key`."""
        return material.public_key(core, self.ready(), self.design)

    def encrypter(self, core: Core) -> Encrypter:
        """Return the handle of a symmetric key; see `_handle` for what it raises."""
        return self._handle(core, Encrypter)  # type: ignore[type-abstract]

    def signer(self, core: Core) -> Signer:
        """Return the handle of a signing key; see `_handle` for what it raises."""
        return self._handle(core, Signer)  # type: ignore[type-abstract]

    def decrypter(self, core: Core) -> AsymmetricDecrypter:
        """Return the handle of a key that decrypts; see `_handle` for what it raises."""
        return self._handle(core, AsymmetricDecrypter)  # type: ignore[type-abstract]

    def authenticator(self, core: Core) -> Mac:
        """Return the handle of a MAC key; see `_handle` for what it raises."""
        return self._handle(core, Mac)  # type: ignore[type-abstract]

    def algorithm(self, name: str | None) -> str:
        """Return the algorithm that is named, or the default of the key's spec and usage.

        Raises:
            KmsError: the key has no such algorithm.
        """
        offered = self.facts.algorithms_for(self.design.usage)
        chosen = offered[0] if name is None else name
        if chosen not in offered:
            raise invalid("Algorithm", f"a {self.design.spec} key for {self.design.usage} takes {' or '.join(offered)}")
        return chosen

    def check_plaintext(self, algorithm: str, plaintext: bytes) -> None:
        """Check the length of a plaintext.

        Raises:
            KmsError: it is too long; or empty, which SM2 has no ciphertext of.
        """
        if self.facts.family is Family.SM2 and not plaintext:
            raise invalid("Plaintext", f"{algorithm} takes one byte at least")
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
        place = (self.instance.instance_id, self.design.spec.value, algorithm)
        if self.instance.type == KeyType.HARDWARE and place not in core.proven:
            sealed = publickey.encrypt(self.public_key(core), algorithm, b"kmsplan")
            self.decrypter(core).asymmetric_decrypt(algorithm, sealed)
            core.proven.add(place)

    def _handle(self, core: Core, kind: type[K]) -> K:
        """Return the handle, opened or kept. A key has one usage, hence one kind of handle, which is checked once.

        Raises:
            KmsError: the backend's key cannot do this.
            MaterialCorruptError: its wrapped material does not open.
            ProtectionUnavailableError: its HSM does not answer, or does not have it.
        """
        if self.instance.type == KeyType.EXTERNAL:
            behalf.about(self.key_id)
        return core.handles.get(self.key_id, self.version_id, self._opened, core, kind)  # type: ignore[return-value]

    def _opened(self, core: Core, kind: type[object]) -> Handle:
        handle = material.opened(core, self.ready(), self.design)
        if not isinstance(handle, kind):
            raise KmsError("UnsupportedOperation", f"{self.key_id} is a {self.design.spec} key, which cannot do this.")
        return handle


def load(core: Core, db: Connection, name: str, version: str | None) -> Used:
    """Read what a name and a version mean.

    Raises:
        KmsError: there is no such key.
    """
    key_id = resolve(db, core.identity, name)
    used = usages.load(db, key_id, version)
    if used is None:
        raise KmsError("Forbidden.KeyNotFound", f"The specified key {name} is not found.")
    return used


def find(core: Core, name: str, version: str | None) -> Target:
    """Return what a name and a version mean, from memory or from the database.

    Raises:
        KmsError: there is no such key.
    """
    target = core.targets.get(name, version)
    if target is None:
        with core.store.read() as db:
            target = Target(name, version, load(core, db, name, version), setting.generation(db))
        core.targets.put(name, version, target)
    return target


def check_digest(algorithm: str, digest: bytes) -> None:
    """Check the length of a digest.

    Raises:
        KmsError: it is another than the algorithm's.
    """
    wanted = ALGORITHMS[algorithm].digest_bytes
    if len(digest) != wanted:
        raise invalid("Digest", f"{algorithm} takes {wanted} bytes, these are {len(digest)}")
