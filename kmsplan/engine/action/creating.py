"""CreateKey."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from kmsplan.engine import hardware, material, moment
from kmsplan.engine.access.decision import require_owner_kept
from kmsplan.engine.action import attaching, external
from kmsplan.engine.action.key import policy_text, require_rotation
from kmsplan.engine.action.work import find_instance
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import tag as tags
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.keystore.instance import DEFAULT_CMK_HOME
from kmsplan.engine.keystore.key import KeyRow
from kmsplan.engine.offer import EXTERNAL_SPECS, HARDWARE_SPECS, SOFTWARE_SPECS
from kmsplan.engine.parameter import invalid
from kmsplan.engine.quota import require_room
from kmsplan.kms.capability import KeyStorageMechanism, Origin, action_refusal, import_refusal
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import key_id, key_version_id
from kmsplan.kms.spec import SPECS, KeySpec, KeyType, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.action.work import Work
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.version import VersionRow
    from kmsplan.kms.operation import CreateKey

_SPECS: Final = {
    KeyType.SOFTWARE: frozenset(SOFTWARE_SPECS),
    KeyType.HARDWARE: frozenset(HARDWARE_SPECS),
    KeyType.EXTERNAL: frozenset(EXTERNAL_SPECS),
    KeyType.DEFAULT_CMK: frozenset({KeySpec.AES_256}),
}
_HOMES: Final = {KeyType.DEFAULT_CMK: "without DKMSInstanceId, which means the default CMK"}


class Made(NamedTuple):
    """What a new key starts with."""

    key_id: str
    instance: InstanceRow
    """As it was before; what counts here never changes."""
    version: VersionRow | None
    """None where the material will be imported."""


@contextmanager
def with_material(core: Core, request: Request, operation: CreateKey) -> Iterator[Made]:
    """Check what is asked for, choose an id, and make the first version.

    Raises:
        KmsError: the instance does not offer it, or cannot make it now.
    """
    design = designed(core, request, operation, home_of(core, operation))
    if operation.origin == Origin.EXTERNAL:
        yield Made(design.key_id, design.instance, None)
        return
    with _first_version(core, request, design, operation) as version:
        yield Made(design.key_id, design.instance, version)


def made_here(core: Core, request: Request, operation: CreateKey, home: InstanceRow) -> Made:
    """Do the same where the keystore keeps the material: it is made in this process, and nothing is to be undone.

    Args:
        core: the engine.
        request: what is audited.
        operation: what is asked for.
        home: a software instance, or where the default CMK is.

    Raises:
        KmsError: as `with_material`.
    """
    design = designed(core, request, operation, home)
    core.opened()
    if operation.origin == Origin.EXTERNAL:
        return Made(design.key_id, home, None)
    version_id = key_version_id(design.key_id, core.world.entropy(10))
    return Made(design.key_id, home, material.kept_version(core, design, version_id))


def designed(core: Core, request: Request, operation: CreateKey, home: InstanceRow) -> material.Design:
    """Check what is asked for, and choose an id.

    Raises:
        KmsError: the instance does not offer it.
    """
    _check(home, operation)
    require_owner_kept(request, operation.policy, core.identity.account)
    new_id = request.resource = key_id(core.world.entropy(8), core.world.clock().timestamp())
    return material.Design(
        key_id=new_id,
        spec=KeySpec(operation.spec),
        usage=KeyUsage(operation.usage),
        instance=home,
        mechanism=_mechanism(home, operation),
    )


def _first_version(
    core: Core, request: Request, design: material.Design, operation: CreateKey
) -> AbstractContextManager[VersionRow]:
    """Return what makes the first version, or finds what it stands for."""
    if operation.external_key_id is not None:
        return external.attached(core, request, design, operation.external_key_id)
    if operation.hsm_object is not None:
        return attaching.attached(core, request, design, operation.hsm_object)
    return material.made(core, request, design)


def home_of(core: Core, operation: CreateKey) -> InstanceRow:
    """Return where the key will be: in its instance, or where the default CMK is.

    Raises:
        KmsError: there is no such instance, or there is a default CMK already.
    """
    with core.store.look() as db:
        if operation.instance is not None:
            return find_instance(db, operation.instance)
        home = instances.load(db, DEFAULT_CMK_HOME)
        assert home is not None, "an engine is made with it"  # noqa: S101 - the founding's own promise
        require_first(db, home)
        return home


def require_first(db: Connection, home: InstanceRow) -> None:
    """Check that there is no default CMK yet, where one is asked for.

    Raises:
        KmsError: there is one, which may be waiting for its deletion.
    """
    taken = keys.default_cmk(db) if home.instance_id == DEFAULT_CMK_HOME else None
    if taken:
        raise KmsError(
            "Rejected.LimitExceeded",
            f"An account has one default CMK in a region, and {taken} is it already. Give DKMSInstanceId for a key in "
            "an instance.",
        )


def _check(row: InstanceRow, operation: CreateKey) -> None:
    """Check the operation against the tables of the KMS.

    Raises:
        KmsError: it asks for what such an instance or spec cannot do.
    """
    key_type, facts = KeyType(row.type), SPECS[KeySpec(operation.spec)]
    if facts.spec not in _SPECS[key_type]:
        offered, home = ", ".join(sorted(_SPECS[key_type])), _HOMES.get(key_type, f"in {key_type} instances")
        raise KmsError("UnsupportedOperation", f"{facts.spec} keys are not offered {home}, only {offered}.")
    if operation.usage not in facts.usages:
        raise invalid("KeyUsage", f"{facts.spec} is for {' or '.join(facts.usages)}")
    _check_mechanism(key_type, operation.storage_mechanism)
    external.require_name(key_type, operation.external_key_id)
    attaching.require_fitting(key_type, operation)
    if operation.origin == Origin.EXTERNAL:
        refusal = import_refusal(key_type, facts.spec)
        if refusal:
            raise KmsError("Unsupported.Origin", f"The key's origin is not offered here: {refusal}.")
    if operation.rotation is not None:
        require_rotation(key_type, facts.spec, Origin(operation.origin), operation.storage_mechanism)
    if key_type is KeyType.DEFAULT_CMK:
        _check_default(operation)


def _check_default(operation: CreateKey) -> None:
    """Check what only the default CMK is refused."""
    refusal = action_refusal(KeyType.DEFAULT_CMK, "SetKeyPolicy")
    if refusal and operation.policy is not None:
        raise KmsError("UnsupportedOperation", f"Policy is not supported here: {refusal}.")
    if operation.protection_level == "HSM":
        raise KmsError("Unsupported.ProtectionLevel", "The default CMK is protected in software here.")


def _check_mechanism(key_type: KeyType, mechanism: str | None) -> None:
    if mechanism is not None and key_type is not KeyType.HARDWARE:
        raise invalid("KeyStorageMechanism", "only keys in hardware instances have one")


def _mechanism(row: InstanceRow, operation: CreateKey) -> str | None:
    """Return how a hardware instance keeps the key; None in other instances."""
    if row.type != KeyType.HARDWARE:
        return None
    return operation.storage_mechanism or KeyStorageMechanism.HSM_INTERNAL.value


def create(work: Work, operation: CreateKey) -> str:
    """Add the key with its first version; return its id."""
    return add(work, operation).key_id


def add(work: Work, operation: CreateKey) -> KeyRow:
    """Add the key with its first version; return it."""
    made: Made = work.made
    if made.version is not None and hardware.holds(made.instance, made.version):
        # Counted when it was begun. It is not there any more if another process took this one for dead.
        if not versions.ready(work.db, made.version):
            raise KmsError("InternalFailure", f"The making of {made.version.version_id} was given up meanwhile.")
    else:
        require_first(work.db, made.instance)
        require_room(work.db, made.instance.instance_id)
        external.require_unused(work.db, made.instance.instance_id, operation.external_key_id)
        if made.version is not None:
            if operation.hsm_object is not None:
                attaching.require_unattached(work.db, made.instance, made.version)
            versions.insert(work.db, made.version)
    row = _row(work, operation)
    keys.insert(work.db, row)
    if operation.tags:
        tags.put(work.db, made.key_id, operation.tags)
    return row


def _row(work: Work, operation: CreateKey) -> KeyRow:
    made: Made = work.made
    return KeyRow(
        key_id=made.key_id,
        instance_id=made.instance.instance_id,
        spec=operation.spec,
        usage=operation.usage,
        origin=operation.origin,
        storage_mechanism=_mechanism(made.instance, operation),
        state=(KeyState.PENDING_IMPORT if made.version is None else KeyState.ENABLED).value,
        description=operation.description,
        rotation=operation.rotation,
        policy=policy_text(operation.policy),
        deletion_protection=0,
        creation_date=work.now,
        delete_date=None,
        last_rotation_date=None if made.version is None else work.now,
        next_rotation_date=None if operation.rotation is None else moment.later(work.now, operation.rotation),
        last_used=None,
        primary_version=None if made.version is None else made.version.version_id,
        creator=work.core.identity.account,
        external_key_id=operation.external_key_id,
    )
