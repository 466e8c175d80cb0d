"""The data plane: what applications do with keys.

Each call reads the key, checks it against the state table, works outside any transaction, and answers after the commit that
holds its audit entry and its count. That transaction checks the state again, so that no answer leaves after a disabled
key's DisableKey did. An encryption that was not counted was never answered, so the count that limits AES-GCM is exact.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from kmsplan.engine import ciphertext, material
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.naming import resolve
from kmsplan.engine.protection import publickey
from kmsplan.engine.protection.protocol import (
    AsymmetricDecrypter,
    Encrypter,
    NotOfferedError,
    ProtectionUnavailableError,
    Signer,
)
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, check
from kmsplan.kms.spec import ALGORITHMS, SPECS, KeySpec, KeyUsage, SpecFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    import sqlite3

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.version import VersionRow

T = TypeVar("T", Encrypter, Signer, AsymmetricDecrypter)
_MINUTE = len("2026-01-01T00:00")
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


def encrypt(core: Core, key: str, plaintext: bytes, context: Mapping[str, str] | None) -> tuple[bytes, str]:
    """Return ciphertext and version id; see `Engine.encrypt`."""
    request = core.request("Encrypt", key)
    with _using(core, request):
        target = _target(core, request, key, None, KeyUsage.ENCRYPT)
        _require_symmetric(target, symmetric=True)
        _check_plaintext(target, "AES_GCM", plaintext)
        version_id = target.version.version_id
        aad = ciphertext.associated_data(version_id, context)
        blob = _handle(core, target, Encrypter).encrypt(plaintext, aad)
        _answer(core, request, target, counted=True)
    return ciphertext.join(version_id, blob), version_id


def decrypt(core: Core, blob: bytes, context: Mapping[str, str] | None) -> tuple[bytes, str, str]:
    """Return plaintext, key id and version id; see `Engine.decrypt`."""
    request = core.request("Decrypt", None)
    with _using(core, request):
        key_id, version_id, sealed = ciphertext.split(blob)
        target = _target(core, request, key_id, version_id, KeyUsage.ENCRYPT)
        _require_symmetric(target, symmetric=True)
        aad = ciphertext.associated_data(version_id, context)
        plaintext = _handle(core, target, Encrypter).decrypt(sealed, aad)
        _answer(core, request, target)
    return plaintext, key_id, version_id


def sign(core: Core, key: str, version: str | None, algorithm: str | None, digest: bytes) -> bytes:
    """Return a signature; see `Engine.sign`."""
    request = core.request("AsymmetricSign", key)
    with _using(core, request):
        target = _target(core, request, key, version, KeyUsage.SIGN)
        chosen = _algorithm(request, target, algorithm)
        _check_digest(chosen, digest)
        signature = _handle(core, target, Signer).sign(chosen, digest)
        _answer(core, request, target)
    return signature


def verify(core: Core, key: str, version: str | None, algorithm: str | None, digest: bytes, signature: bytes) -> bool:
    """Return whether a signature holds; see `Engine.verify`."""
    request = core.request("AsymmetricVerify", key)
    with _using(core, request):
        target = _target(core, request, key, version, KeyUsage.SIGN)
        chosen = _algorithm(request, target, algorithm)
        _check_digest(chosen, digest)
        holds = publickey.verify(_public_key(target), chosen, digest, signature)
        _answer(core, request, target)
    return holds


def asymmetric_encrypt(core: Core, key: str, version: str | None, algorithm: str | None, plaintext: bytes) -> bytes:
    """Return a ciphertext; see `Engine.asymmetric_encrypt`."""
    request = core.request("AsymmetricEncrypt", key)
    with _using(core, request):
        target = _target(core, request, key, version, KeyUsage.ENCRYPT)
        _require_symmetric(target, symmetric=False)
        chosen = _algorithm(request, target, algorithm)
        _check_plaintext(target, chosen, plaintext)
        blob = publickey.encrypt(_public_key(target), chosen, plaintext)
        _answer(core, request, target)
    return blob


def asymmetric_decrypt(core: Core, key: str, version: str | None, algorithm: str | None, blob: bytes) -> bytes:
    """Return a plaintext; see `Engine.asymmetric_decrypt`."""
    request = core.request("AsymmetricDecrypt", key)
    with _using(core, request):
        target = _target(core, request, key, version, KeyUsage.ENCRYPT)
        _require_symmetric(target, symmetric=False)
        chosen = _algorithm(request, target, algorithm)
        plaintext = _handle(core, target, AsymmetricDecrypter).asymmetric_decrypt(chosen, blob)
        _answer(core, request, target)
    return plaintext


def public_key(core: Core, key: str, version: str | None) -> str:
    """Return a public key as PEM; see `Engine.public_key`."""
    request = core.request("GetPublicKey", key)
    with _using(core, request):
        target = _target(core, request, key, version, None)
        _require_symmetric(target, symmetric=False)
        pem = publickey.pem(_public_key(target))
        _answer(core, request, target)
    return pem


@contextmanager
def _using(core: Core, request: Request) -> Iterator[None]:
    """Admit a request to use a key, and answer what a backend raises as the API would."""
    with admitted(core, request):
        core.opened()
        try:
            yield
        except NotOfferedError as error:
            raise KmsError("UnsupportedOperation", str(error)) from error
        except ProtectionUnavailableError as error:
            raise KmsError("Rejected.Unavailable", f"{request.action} was rejected: {error}") from error


def _target(core: Core, request: Request, key: str, version: str | None, usage: KeyUsage | None) -> Target:
    """Load a key and a version of it, the primary one unless another is named.

    Raises:
        KmsError: there is no such key or version, its state forbids it, or it is for another usage.
    """
    with core.store.read() as db:
        key_id = request.resource = resolve(db, core.identity, key)
        row = keys.load(db, key_id)
        if row is None:
            raise KmsError("Forbidden.KeyNotFound", f"The specified key {key_id} is not found.")
        check(request.action, KeyState(row.state))
        if usage is not None and row.usage != usage:
            raise KmsError(
                "UnsupportedOperation", f"{request.action} does not go with {key_id}: it is for {row.usage}."
            )
        return _with_version(db, row, version or row.primary_version)


def _with_version(db: sqlite3.Connection, row: KeyRow, version_id: str | None) -> Target:
    found = versions.load(db, row.key_id, version_id) if version_id else None
    instance = instances.load(db, row.instance_id)
    if found is None or instance is None:
        raise KmsError(
            "Forbidden.KeyVersionNotFound", f"The specified key version {version_id} of {row.key_id} is not found."
        )
    design = material.Design(key_id=row.key_id, spec=KeySpec(row.spec), usage=KeyUsage(row.usage), instance=instance)
    return Target(key=row, version=found, design=design)


def _handle(core: Core, target: Target, kind: type[T]) -> T:
    """Return the handle of a version, opened or kept.

    Raises:
        MaterialCorruptError: its wrapped material does not open.
        ProtectionUnavailableError: its HSM does not answer, or does not have it.
    """
    version = target.version
    handle: Any = core.handles.get(
        version.key_id, version.version_id, lambda: material.opened(core, version, target.design)
    )
    if not isinstance(handle, kind):
        raise KmsError("UnsupportedOperation", f"{target.design.spec} keys cannot do this here.")
    return handle


def _answer(core: Core, request: Request, target: Target, *, counted: bool = False) -> None:
    """Check the state again, count the use and audit it; return when that is on disk."""
    commit(core, request, lambda transaction: _settle(transaction.db, request, target, counted=counted), uses_keys=True)


def _settle(db: sqlite3.Connection, request: Request, target: Target, *, counted: bool) -> None:
    key_id = target.key.key_id
    row = keys.load(db, key_id)
    if row is None:
        raise KmsError("Forbidden.KeyNotFound", f"The specified key {key_id} is not found.")
    check(request.action, KeyState(row.state))
    if counted and not versions.count_use(db, key_id, target.version.version_id):
        raise KmsError(
            "Rejected.LimitExceeded",
            f"{target.version.version_id} has encrypted {versions.USES_LIMIT} times, as often as is safe under one "
            "AES-GCM key (SP 800-38D, 8.3). Rotate the key: the new version starts from nothing.",
        )
    if row.last_used is None or row.last_used[:_MINUTE] < request.time[:_MINUTE]:
        keys.used(db, key_id, request.time)


def _public_key(target: Target) -> bytes:
    if target.version.public_key is None:
        raise KmsError("UnsupportedOperation", f"{target.key.key_id} has no public key.")
    return target.version.public_key


def _require_symmetric(target: Target, *, symmetric: bool) -> None:
    if target.facts.symmetric is not symmetric:
        kind = "symmetric" if target.facts.symmetric else "asymmetric"
        raise KmsError("UnsupportedOperation", f"{target.key.key_id} is {kind} ({target.design.spec}), this is not.")


def _algorithm(request: Request, target: Target, name: str | None) -> str:
    """Return the algorithm that is named, or the default of the key's spec and usage."""
    offered = target.facts.algorithms_for(target.design.usage)
    chosen = offered[0] if name is None else name
    if chosen not in offered:
        raise KmsError(
            "InvalidParameter",
            f"The specified parameter 'Algorithm' is not valid: {request.action} with a {target.design.spec} key takes "
            f"{' or '.join(offered)}.",
        )
    request.parameters = {"Algorithm": chosen}
    return chosen


def _check_digest(algorithm: str, digest: bytes) -> None:
    wanted = ALGORITHMS[algorithm].digest_bytes
    if len(digest) != wanted:
        raise KmsError(
            "InvalidParameter",
            f"The specified parameter 'Digest' is not valid: {algorithm} takes {wanted} bytes, these are {len(digest)}.",
        )


def _check_plaintext(target: Target, algorithm: str, plaintext: bytes) -> None:
    limit = target.facts.plaintext_limit(algorithm)
    if len(plaintext) > limit:
        raise KmsError(
            "InvalidParameter",
            f"The specified parameter 'Plaintext' is not valid: {algorithm} with a {target.design.spec} key takes at "
            f"most {limit} bytes, these are {len(plaintext)}.",
        )
