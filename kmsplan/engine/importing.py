"""Importing key material (BYOK): parameters to wrap it under, the material itself, and its end.

1. Software keys' material is unwrapped and checked in this process; a hardware key's is unwrapped inside its HSM.
2. A key takes one material for ever, known by its fingerprint, also after that was deleted or has expired.
3. HSM material is written down before it is unwrapped, as generated material is; see `hardware`. What the HSM wraps for
   the keystore to keep needs none of that; see `hsmwrapped`.
"""

from __future__ import annotations

import hmac
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine import expiring, hardware, hsmwrapped, importtoken, material, moment, wrapping
from kmsplan.engine.action.importing import require_external
from kmsplan.engine.action.work import Work
from kmsplan.engine.audit import ACCEPTED
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.keyring import Binding
from kmsplan.engine.keystore import imported
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import token as tokens
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.parameter import invalid
from kmsplan.engine.proof import prove
from kmsplan.engine.protection.protocol import (
    Accepter,
    Importer,
    InvalidMaterialError,
    NotOfferedError,
    ProtectionUnavailableError,
)
from kmsplan.engine.quota import require_room
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, after, check
from kmsplan.kms.naming import key_version_id
from kmsplan.kms.spec import KeySpec, KeyUsage
from kmsplan.kms.wrapping import WRAPPINGS, Wrapping, wrappings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.importtoken import Issued, Token
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.protection.protocol import Generated, Protection

LONGEST: Final = 16 * 1024
"""Bytes of wrapped material; an RSA key of 4,096 bits has 2,700."""
_LAST_SECOND: Final = 253_402_300_799
"""The last one of the year 9999."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportParameters:
    """What to wrap material under, and what to send with it."""

    key_id: str
    token: bytes
    """Goes with the material; within its time it may be used as often as one likes."""
    public_key: bytes
    """DER SubjectPublicKeyInfo."""
    expires: str
    """When the token does."""


class _Found(NamedTuple):
    """A key that takes material, and its instance."""

    key: KeyRow
    instance: InstanceRow

    @property
    def design(self) -> material.Design:
        """What is fixed of it."""
        key = self.key
        return material.Design(
            key_id=key.key_id,
            spec=KeySpec(key.spec),
            usage=KeyUsage(key.usage),
            instance=self.instance,
            mechanism=key.storage_mechanism,
        )


class _Arrival(NamedTuple):
    """Material that waits for its commit."""

    generated: Generated
    reference: bytes
    pending: str | None = None
    """The version under which HSM material was written down; None where it is the keystore's to keep."""


def parameters_for_import(core: Core, caller: Caller, key: str, algorithm: str, spec: str) -> ImportParameters:
    """Make a key pair that material for a key can be wrapped under (GetParametersForImport).

    Args:
        core: the engine.
        caller: who asks.
        key: the key's id or ARN.
        algorithm: the wrapping algorithm.
        spec: the wrapping key's.

    Raises:
        KmsError: it is refused; the state is as before in any case.
    """
    request = core.request(caller, "GetParametersForImport", key)
    with admitted(core, request), _answering():
        found = _find(core, request, key)
        chosen = _wrapping(core, found, algorithm, spec)
        request.parameters = {"WrappingAlgorithm": algorithm, "WrappingKeySpec": spec}
        protection = core.protection(found.instance)
        if isinstance(protection, Importer):
            issued, public_key = _pair_in_hsm(core, request, found, chosen, protection)
        else:
            issued, public_key = _pair_here(core, request, found, chosen)
    return ImportParameters(
        key_id=found.key.key_id, token=issued.token, public_key=public_key, expires=issued.row.expires
    )


def _find(core: Core, request: Request, name: str) -> _Found:
    """Return a key of origin EXTERNAL in whose state the request is allowed."""
    with core.store.read() as db:
        row = Work(core=core, db=db, request=request).key(name)
        instance = _home(db, row)
    request.resource = row.key_id
    require_external(row)
    return _Found(row, instance)


def _home(db: Connection, row: KeyRow) -> InstanceRow:
    instance = instances.load(db, row.instance_id)
    if instance is None:
        raise AssertionError(f"{row.key_id} is in no instance")
    return instance


def _wrapping(core: Core, found: _Found, algorithm: str, spec: str) -> Wrapping:
    """Return the wrapping that was asked for.

    Raises:
        KmsError: there is none, it does not carry such material, or the HSM does not know it.
    """
    key_spec, protection = found.design.spec, core.protection(found.instance)
    names = [one.name for one in wrappings_for(key_spec)]
    chosen = WRAPPINGS.get(algorithm)
    if chosen is None or algorithm not in names:
        raise invalid("WrappingAlgorithm", f"material of {key_spec} keys is wrapped by {' or '.join(names)}")
    if chosen.spec != spec:
        raise invalid("WrappingKeySpec", f"{algorithm} goes with {chosen.spec}")
    if isinstance(protection, Importer):
        names = list(protection.wrappings(key_spec))
        if algorithm not in names:
            raise KmsError(
                "UnsupportedOperation",
                f"The HSM of {found.instance.instance_id} does not unwrap {key_spec} keys by {algorithm}. It does by "
                f"{' or '.join(names) or 'no algorithm'}.",
            )
    return chosen


def _pair_here(core: Core, request: Request, found: _Found, chosen: Wrapping) -> tuple[Issued, bytes]:
    """Make a wrapping key whose private half is boxed in the database."""
    core.opened()
    pair = wrapping.generate(chosen.spec)
    issued = importtoken.issue(core, found.key, chosen, private_key=pair.private)
    commit(
        core, request, lambda transaction: importtoken.keep(transaction.db, issued.row, request.time), uses_keys=True
    )
    return issued, pair.public


def _pair_in_hsm(
    core: Core, request: Request, found: _Found, chosen: Wrapping, protection: Importer
) -> tuple[Issued, bytes]:
    """Make a wrapping key in the HSM, written down before: it is destroyed when its token expires, made or not."""
    reference = core.world.entropy(16)
    issued = importtoken.issue(core, found.key, chosen, reference=reference)

    def begin(transaction: Transaction) -> None:
        importtoken.keep(transaction.db, issued.row, request.time)
        transaction.entries.append(request.entry(ACCEPTED) | {"reference": reference.hex()})

    core.store.write(begin)
    try:
        hardware.expect_home(core, found.instance)
        public_key = protection.wrapping_key(reference)
        commit(core, request, lambda _: None, uses_keys=True)
    except BaseException:
        core.store.write(lambda transaction: tokens.expire(transaction.db, issued.row.token_id, request.time))
        expiring.clean_tokens(core)
        raise
    return issued, public_key


def import_material(core: Core, caller: Caller, key: str, wrapped: bytes, token: bytes, expires: int | None) -> None:
    """Give a key its material (ImportKeyMaterial).

    Args:
        core: the engine.
        caller: who asks.
        key: the key's id or ARN.
        wrapped: material, wrapped as the token's parameters say.
        token: from `parameters_for_import`.
        expires: when the material is to be destroyed, in seconds since 1970; None or 0 is never.

    Raises:
        KmsError: it is refused; nothing was changed.
    """
    request = core.request(caller, "ImportKeyMaterial", key)
    with admitted(core, request), _answering():
        found = _find(core, request, key)
        until = _expiry(expires, request.time)
        redeemed = importtoken.redeem(core, token, found.key.key_id, request.time)
        request.parameters = {"WrappingAlgorithm": redeemed.algorithm, "KeyMaterialExpireUnix": expires or 0}
        if len(wrapped) > LONGEST:
            raise InvalidMaterialError
        with _unwrapped(core, request, found, redeemed, wrapped) as arrival:
            commit(core, request, lambda transaction: _keep(core, transaction, request, arrival, until), uses_keys=True)
    core.handles.drop(found.key.key_id)
    if arrival.pending is not None:
        hardware.settle(core)  # where the key had its material already, what came now is destroyed


def _expiry(expires: int | None, now: str) -> str | None:
    """Return an expiry date as text.

    Raises:
        KmsError: it has passed.
    """
    if not expires:
        return None
    if not 0 < expires <= _LAST_SECOND:
        raise invalid("KeyMaterialExpireUnix", "it is a time in seconds since 1970, or 0 for never")
    until = moment.text(datetime.fromtimestamp(expires, UTC))
    if until <= now:
        raise invalid("KeyMaterialExpireUnix", f"{until} has passed; here it is {now}")
    return until


@contextmanager
def _unwrapped(core: Core, request: Request, found: _Found, token: Token, wrapped: bytes) -> Iterator[_Arrival]:
    """Unwrap and prove material, for the body to commit."""
    design, protection = found.design, core.protection(found.instance)
    if token.reference is None:
        yield _Arrival(_accepted(design, protection, token, wrapped), core.world.entropy(16))
        return
    spec, usage, reference = design.spec, design.usage, token.reference
    if not isinstance(protection, Importer):
        raise AssertionError("only an Importer makes wrapping keys of its own")  # noqa: TRY004 - a bug, no caller's type
    if design.hsm_wraps:
        arrived = hsmwrapped.kept(
            core, design, lambda: protection.unwrap(spec, usage, None, token.algorithm, wrapped, reference)
        )
        yield _Arrival(arrived, versions.NOTHING)
        return

    def unwrap(_: Protection, place: bytes) -> Generated:
        return protection.unwrap(spec, usage, place, token.algorithm, wrapped, reference)

    with core.store.read() as db:
        first = imported.load(db, design.key_id) is None
    pending = key_version_id(design.key_id, core.world.entropy(10))
    with hardware.made(core, request, design, pending, unwrap, counted=first) as (place, generated):
        yield _Arrival(generated, place, pending)


def _accepted(design: material.Design, protection: Protection, token: Token, wrapped: bytes) -> Generated:
    """Unwrap and check material in this process."""
    if token.private_key is None or not isinstance(protection, Accepter):
        raise NotOfferedError(f"keys of {design.instance.instance_id} take no imported material")
    generated = protection.accept(design.spec, wrapping.unwrap(token.algorithm, token.private_key, wrapped))
    handle = protection.open(design.spec, b"", generated.secret)
    prove(handle, design.spec, design.usage, generated.public_key)
    return generated


def _keep(core: Core, transaction: Transaction, request: Request, arrival: _Arrival, until: str | None) -> None:
    """Keep material in the database, if the key may still have it."""
    db, name = transaction.db, str(request.resource)
    row = keys.load(db, name)
    if row is None:
        raise KmsError("Forbidden.KeyNotFound", f"The specified key {name} is not found.")
    check(request.action, KeyState(row.state))
    digest = _digest(core, row, arrival.generated.fingerprint)
    imported.arrived(
        db,
        row.key_id,
        state=after(request.action, KeyState(row.state)),
        version_id=_stored(core, db, row, arrival),
        digest=digest,
        expires=until,
        now=request.time,
    )


def _digest(core: Core, row: KeyRow, fingerprint: bytes | None) -> bytes:
    """Return the boxed fingerprint of a key's material.

    Raises:
        KmsError: the key once had another.
    """
    if fingerprint is None:
        raise AssertionError("imported material has a fingerprint")
    binding = Binding(table="material digest", row=row.key_id, key_id=row.key_id)
    if row.material_digest is None:
        return core.opened().box(binding, fingerprint)
    if not hmac.compare_digest(core.opened().unbox(binding, row.material_digest), fingerprint):
        raise KmsError(
            "InvalidKeyMaterial",
            f"{row.key_id} takes the material that was imported first, and no other, for ever. Make a new key for "
            "other material.",
        )
    return row.material_digest


def _stored(core: Core, db: Connection, row: KeyRow, arrival: _Arrival) -> str:
    """Put material into the key's one version, unless it is there; return the version's id."""
    if row.primary_version is not None:
        if arrival.pending is not None:
            versions.abandon(db, row.key_id, arrival.pending)
        return row.primary_version
    if arrival.pending is not None and not imported.take_over(db, row.key_id, arrival.pending):
        raise KmsError("InternalFailure", f"The import into {row.key_id} was given up meanwhile.")
    design, kept = _Found(row, _home(db, row)).design, imported.load(db, row.key_id)
    if kept is not None:
        again = material.as_kept(
            core, design, kept.version_id, arrival.reference, arrival.generated, kept.generation + 1
        )
        imported.refill(db, kept, again)
        return kept.version_id
    if arrival.pending is None:
        require_room(db, row.instance_id)
    version_id = arrival.pending or key_version_id(row.key_id, core.world.entropy(10))
    versions.insert(db, material.as_kept(core, design, version_id, arrival.reference, arrival.generated))
    return version_id


@contextmanager
def _answering() -> Iterator[None]:
    """Answer what a backend raises as the API would."""
    try:
        yield
    except InvalidMaterialError as error:
        raise KmsError("InvalidKeyMaterial", f"The key material is not valid: {error}.") from None
    except NotOfferedError as error:
        raise KmsError("UnsupportedOperation", str(error)) from error
    except ProtectionUnavailableError as error:
        raise KmsError("Rejected.Unavailable", f"The HSM is not available: {error}") from error
