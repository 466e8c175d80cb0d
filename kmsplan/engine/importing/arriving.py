"""Wrapped material that comes to its key (ImportKeyMaterial)."""

from __future__ import annotations

import hmac
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine import hardware, hsmwrapped, material, moment, wrapping
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.importing.found import Found, answering, find, home
from kmsplan.engine.importing.token import redeem
from kmsplan.engine.keyring import Binding
from kmsplan.engine.keystore import imported
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.parameter import invalid
from kmsplan.engine.proof import prove
from kmsplan.engine.protection.protocol import Accepter, Importer, InvalidMaterialError, NotOfferedError
from kmsplan.engine.quota import require_room
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState, after, check
from kmsplan.kms.naming import key_version_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.importing.token import Token
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.protection.protocol import Generated, Protection

LONGEST: Final = 16 * 1024
"""Bytes of wrapped material; an RSA key of 4,096 bits has 2,700."""
_LAST_SECOND: Final = 253_402_300_799
"""The last one of the year 9999."""


class _Arrival(NamedTuple):
    """Material that waits for its commit."""

    generated: Generated
    reference: bytes
    pending: str | None = None
    """The version under which HSM material was written down; None where it is the keystore's to keep."""


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
    with admitted(core, request), answering():
        found = find(core, request, key)
        until = _expiry(expires, request.time)
        redeemed = redeem(core, token, found.key.key_id, request.time)
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
def _unwrapped(core: Core, request: Request, found: Found, token: Token, wrapped: bytes) -> Iterator[_Arrival]:
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
    design, kept = Found(row, home(db, row)).design, imported.load(db, row.key_id)
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
