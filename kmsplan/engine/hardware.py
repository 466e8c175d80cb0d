"""HSM material and the database, kept together through crashes.

An HSM knows no transactions. So the reference is committed as `creating` before the HSM makes material, the version
becomes `ready` after it was proven, and a version that is not wanted is committed as `destroying` before the HSM
destroys it and forgotten after. Whatever a crash leaves, `settle` finishes: destroying twice is harmless.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kmsplan.engine.audit import ACCEPTED
from kmsplan.engine.execution import commit
from kmsplan.engine.hsm.attachment import is_attached
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.protection.protocol import Movable, NotOfferedError, ProtectionUnavailableError
from kmsplan.engine.quota import require_room
from kmsplan.kms.error import KmsError
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.keystore.version import Unsettled, VersionRow
    from kmsplan.engine.material import Design
    from kmsplan.engine.protection.protocol import Generated, Protection


@contextmanager
def made(
    core: Core,
    request: Request,
    design: Design,
    version_id: str,
    make: Callable[[Protection, bytes], Generated] | None = None,
    *,
    counted: bool = True,
) -> Iterator[tuple[bytes, Generated]]:
    """Make material in an HSM and yield its reference with it; see `material.made`.

    Args:
        core: the engine.
        request: what it is made for.
        design: what it is for.
        version_id: of the version that it will be.
        make: how it comes into the HSM, under a reference; None lets the HSM generate it.
        counted: whether there has to be room for one more version.
    """
    reference, place = core.world.entropy(16), (design.key_id, version_id)
    node = core.presence.node_id if core.presence else None
    core.creating.add(version_id)
    try:
        core.store.write(
            lambda transaction: _begin(transaction, request, design, version_id, reference, node, counted=counted),
            intent=request.intent,
        )
        try:
            with answering():
                generated = _proven(core, design, reference, make or _generator(design))
            yield reference, generated
        except BaseException:
            core.store.write(lambda transaction: _give_up(transaction, *place, design.instance, reference))
            _destroy(core, [one for one in _unsettled(core) if one.version_id == version_id])
            raise
    finally:
        core.creating.discard(version_id)


def _begin(
    transaction: Transaction,
    request: Request,
    design: Design,
    version_id: str,
    reference: bytes,
    node: str | None,
    *,
    counted: bool,
) -> None:
    instance_id = design.instance.instance_id
    if counted:
        require_room(transaction.db, instance_id)
    versions.begin(transaction.db, design.key_id, version_id, instance_id, reference, request.time, node)
    entry = request.entry(ACCEPTED)
    entry["reference"] = reference.hex()
    transaction.entries.append(entry)


def _give_up(transaction: Transaction, key_id: str, version_id: str, instance: InstanceRow, reference: bytes) -> None:
    """Note that what was begun is to be destroyed, also where another process took this one for dead and did so."""
    versions.abandon(transaction.db, key_id, version_id)
    versions.condemn_forgotten(transaction.db, key_id, version_id, instance.instance_id, reference)


def expect_home(core: Core, instance: InstanceRow) -> None:
    """Tell an HSM whether keys are in it already, before anything is made: another token of its name gets nothing then.

    Raises:
        ProtectionUnavailableError: it does not answer.
    """
    protection = core.protection(instance)
    if isinstance(protection, Movable):
        place = (instance.module, instance.token)
        with core.store.read() as db:
            known = core.homes.get(place)
            if known is None or not versions.is_ready(
                db, known
            ):  # to find one takes longer the more versions there are
                known = core.homes[place] = versions.one_at_home(db, *place)
        protection.expect_home(known is not None)


def _generator(design: Design) -> Callable[[Protection, bytes], Generated]:
    """Return what lets an HSM generate the material."""

    def generate(protection: Protection, reference: bytes) -> Generated:
        require_spec(protection, design)
        return protection.generate(design.spec, design.usage, reference)

    return generate


def require_spec(protection: Protection, design: Design) -> None:
    """Check that a token makes keys of a spec.

    Raises:
        KmsError: it does not.
        ProtectionUnavailableError: it does not answer.
    """
    if design.spec not in protection.specs():
        raise KmsError(
            "UnsupportedOperation",
            f"Token {design.instance.token!r} cannot make and use {design.spec} keys. It can "
            f"{', '.join(sorted(protection.specs())) or 'make none'}.",
        )


@contextmanager
def answering() -> Iterator[None]:
    """Answer what an HSM raises as the API would."""
    try:
        yield
    except NotOfferedError as error:
        raise KmsError("UnsupportedOperation", str(error)) from error
    except ProtectionUnavailableError as error:
        raise KmsError("Rejected.Unavailable", f"The HSM is not available: {error}") from error


def _proven(core: Core, design: Design, reference: bytes, make: Callable[[Protection, bytes], Generated]) -> Generated:
    """Make and prove material.

    Raises:
        KmsError: the HSM does not make such keys.
        NotOfferedError, ProtectionUnavailableError: see `Protection.generate`.
    """
    from kmsplan.engine.proof import prove  # noqa: PLC0415 - settling needs no cryptography

    expect_home(core, design.instance)
    protection = core.protection(design.instance)
    generated = make(protection, reference)
    prove(protection.open(design.spec, reference, None), design.spec, design.usage, generated.public_key)
    return generated


def holds(instance: InstanceRow, version: VersionRow) -> bool:
    """Return whether an HSM made the material of a new version, so that the version was begun in the database."""
    return instance.type == KeyType.HARDWARE and version.wrapped is None and not is_attached(version.reference)


def settle(core: Core) -> dict[str, str]:
    """Destroy what interrupted creations left in HSMs, and what deletions have to destroy there.

    Returns:
        By key, why its material could not be destroyed now; the next call tries again.
    """
    if any(one.status == "creating" for one in _unsettled(core)):
        _abandon_orphans(core)
    return _destroy(core, _unsettled(core))


def _abandon_orphans(core: Core) -> None:
    """Mark what nobody is making any more: what this process does not, and others did that are gone."""
    orphans = [one for one in _unsettled(core) if one.status == "creating" and _is_orphan(core, one)]
    if orphans:
        core.store.write(lambda transaction: _abandon(transaction, orphans))


def _is_orphan(core: Core, one: Unsettled) -> bool:
    presence = core.presence
    if presence is None or one.version_id in core.creating:
        return False
    return one.node is None or one.node == presence.node_id or not presence.alive(one.node)


def _abandon(transaction: Transaction, orphans: Iterable[Unsettled]) -> None:
    for one in orphans:
        versions.abandon(transaction.db, one.key_id, one.version_id)


def _destroy(core: Core, unsettled: Iterable[Unsettled]) -> dict[str, str]:
    """Destroy condemned material and forget its versions."""
    failed: dict[str, str] = {}
    silent: dict[str, str] = {}
    for one in unsettled:
        if one.status != "destroying":
            continue
        reason = silent.get(one.instance_id) or _destroy_material(core, one)
        if reason:
            # An HSM that does not answer is not asked again for each of many keys.
            failed[one.key_id] = silent[one.instance_id] = reason
        else:
            _forget(core, one)
    return failed


def _destroy_material(core: Core, condemned: Unsettled) -> str | None:
    """Destroy the material; return why that cannot be done now, or None."""
    if not condemned.reference:
        return None  # imported material that was destroyed before its key was
    if is_attached(condemned.reference):
        return None  # never ours to destroy
    with core.store.read() as db:
        row = instances.load(db, condemned.instance_id)
    if row is None:
        return f"instance {condemned.instance_id} is gone, and with it the way to its HSM"
    try:
        core.protection(row).destroy(condemned.reference)
    except Exception as error:  # noqa: BLE001 - also what is wrong with PIN and configuration; it waits, and is told
        return str(error)
    return None


def _forget(core: Core, condemned: Unsettled) -> None:
    request = core.scheduled("DestroyMaterial", condemned.key_id)
    commit(core, request, lambda transaction: versions.forget(transaction.db, condemned.key_id, condemned.version_id))


def _unsettled(core: Core) -> list[Unsettled]:
    with core.store.read() as db:
        return versions.unsettled(db)
