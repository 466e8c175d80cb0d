"""CreateKeyVersion: a new version of an asymmetric key. Symmetric keys get theirs from automatic rotation."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from kmsplan.engine import hardware, material, moment
from kmsplan.engine.action.work import require_fitting
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.lookup import find_named
from kmsplan.engine.quota import require_room
from kmsplan.kms.capability import VERSION_INTERVAL_DAYS, VERSIONS_LIMIT, Origin, version_refusal
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import DAY
from kmsplan.kms.spec import KeySpec, KeyType, KeyUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.action.work import Work
    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.key import KeyRow
    from kmsplan.engine.keystore.version import VersionRow
    from kmsplan.kms.operation import CreateKeyVersion


class Made(NamedTuple):
    """A version that waits to be committed, and where."""

    instance: InstanceRow
    version: VersionRow


@contextmanager
def with_material(core: Core, request: Request, operation: CreateKeyVersion) -> Iterator[Made]:
    """Check what is asked for, and make the version.

    Raises:
        KmsError: the key takes no further version, or none now.
    """
    with core.store.read() as db:
        row = _checked(core, db, request, str(operation.key))
        home = _home(db, row)
    request.resource = row.key_id
    design = material.Design(
        key_id=row.key_id,
        spec=KeySpec(row.spec),
        usage=KeyUsage(row.usage),
        instance=home,
        mechanism=row.storage_mechanism,
    )
    with material.made(core, request, design) as version:
        yield Made(home, version)


def create(work: Work, operation: CreateKeyVersion) -> str:
    """Add the version; it is the newest from now on."""
    made: Made = work.made
    row = _checked(work.core, work.db, work.request, str(operation.key))
    if hardware.holds(made.instance, made.version):
        if not versions.ready(work.db, made.version):
            raise KmsError("InternalFailure", f"The making of {made.version.version_id} was given up meanwhile.")
    else:
        require_room(work.db, made.instance.instance_id)
        versions.insert(work.db, made.version)
    keys.rotated(work.db, row.key_id, made.version.version_id, made.version.created, None)
    return made.version.version_id


def _checked(core: Core, db: Connection, request: Request, name: str) -> KeyRow:
    """Return the key, if it takes one more version now; unlike most of management, an alias names it too.

    Raises:
        KmsError: it does not.
    """
    row = find_named(db, core.identity, request, name)
    require_fitting(row, request.action)
    _check(db, row)
    earliest = moment.later(row.last_rotation_date or row.creation_date, VERSION_INTERVAL_DAYS * DAY)
    if request.time < earliest:
        raise KmsError(
            "Rejected.UnsupportedOperation",
            f"Between two versions of a key lie {VERSION_INTERVAL_DAYS} days: {row.key_id} takes its next one from "
            f"{earliest} on.",
        )
    return row


def _check(db: Connection, row: KeyRow) -> None:
    """Check that such a key takes further versions, and may have one more."""
    home = _home(db, row)
    refusal = version_refusal(KeyType(home.type), KeySpec(row.spec), Origin(row.origin))
    if refusal:
        raise KmsError("UnsupportedOperation", f"{row.key_id} takes no further version: {refusal}.")
    count = versions.count(db, row.key_id)
    if count >= VERSIONS_LIMIT:
        raise KmsError(
            "Rejected.LimitExceeded", f"A key has at most {VERSIONS_LIMIT} versions; {row.key_id} has {count}."
        )


def _home(db: Connection, row: KeyRow) -> InstanceRow:
    home = instances.load(db, row.instance_id)
    if home is None:
        raise KmsError("Forbidden.DKMSInstanceNotFound", f"The instance of {row.key_id} is released by now.")
    return home
