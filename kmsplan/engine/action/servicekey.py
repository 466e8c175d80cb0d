"""The part that cloud services play: they make keys of their own, which their customers see, tag, and nothing else.

No API makes such keys. Nor does one migrate keys from KMS 1.0; those are registered here too, so that what reads an
account finds in it all that real accounts hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine import material
from kmsplan.engine.execution import admitted, commit
from kmsplan.engine.keystore import alias as aliases
from kmsplan.engine.keystore import instance as instances
from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.keystore.instance import DEFAULT_CMK_HOME, SERVICE_KEY_HOME
from kmsplan.engine.keystore.key import KeyRow
from kmsplan.engine.parameter import invalid
from kmsplan.kms.capability import Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.lifecycle import KeyState
from kmsplan.kms.naming import is_old_key_id, key_id, service_alias, service_problem
from kmsplan.kms.spec import KeySpec, KeyUsage

if TYPE_CHECKING:
    from kmsplan.engine.audit import Request
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.keystore.version import VersionRow


class ServiceKeys:
    """Keys that no user makes.

    Args:
        core: the engine.
        caller: who plays the service; the owner of the engine's folder alone may.
    """

    def __init__(self, core: Core, caller: Caller) -> None:
        self._core = core
        self._caller = caller

    def make(self, service: str) -> str:
        """Make a service's key with its alias `alias/acs/SERVICE`; return the key's id.

        Raises:
            KmsError: the name is not valid, the service has a key already, or the engine is sealed.
        """
        core, request = self._core, self._request("CreateServiceKey", service_alias(service))
        with admitted(core, request):
            _require_owner(request)
            _require_service(service)
            with core.store.look() as db:
                _require_free(db, service)
                home = instances.load(db, SERVICE_KEY_HOME)
            assert home is not None, "an engine is made with it"  # noqa: S101 - the founding's own promise
            new_id = request.resource = key_id(core.world.entropy(8), core.world.clock().timestamp())
            design = material.Design(key_id=new_id, spec=KeySpec.AES_256, usage=KeyUsage.ENCRYPT, instance=home)
            with material.made(core, request, design) as version:
                commit(core, request, lambda transaction: _add(transaction, service, version), uses_keys=True)
        return new_id

    def register(self, old_id: str, service: str | None = None) -> str:
        """Register a key that was migrated from KMS 1.0, where key ids are UUIDs; return its id.

        It has no material here, and is only read: its crypto stays where it was.

        Args:
            old_id: its id.
            service: the cloud service that it belongs to; None for a default CMK of old.

        Raises:
            KmsError: a name is not valid, or it is registered already.
        """
        core, request = self._core, self._request("RegisterMigratedKey", old_id)
        with admitted(core, request):
            _require_owner(request)
            if not is_old_key_id(old_id):
                raise invalid("KeyId", "ids of keys of KMS 1.0 are UUIDs in lower case")
            if service is not None:
                _require_service(service)
            row = _migrated(old_id, service or core.identity.account, request.time, of_service=service is not None)
            commit(core, request, lambda transaction: _register(transaction, row, service))
        return old_id

    def _request(self, action: str, resource: str) -> Request:
        return self._core.request(self._caller, action, resource)


def _require_owner(request: Request) -> None:
    if request.caller.account is not None:
        raise KmsError("Forbidden.NoPermission", "Only who owns the engine's folder plays a cloud service.")


def _require_service(service: str) -> None:
    problem = service_problem(service)
    if problem:
        raise invalid("Service", problem)


def _require_free(db: Connection, service: str) -> None:
    """Check that a service has no key yet; it has one in an account and region."""
    alias = service_alias(service)
    taken = aliases.target(db, alias)
    if taken is not None:
        raise KmsError("AliasAlreadyExists", f"The service {service} has a key already: {alias} means {taken}.")


def _add(transaction: Transaction, service: str, version: VersionRow) -> None:
    db = transaction.db
    _require_free(db, service)
    versions.insert(db, version)
    keys.insert(db, _row(version.key_id, SERVICE_KEY_HOME, version.created, service, version.version_id))
    aliases.insert(db, service_alias(service), version.key_id)


def _register(transaction: Transaction, row: KeyRow, service: str | None) -> None:
    db = transaction.db
    if keys.load(db, row.key_id) is not None:
        raise invalid("KeyId", f"there is a key {row.key_id} already")
    if service is not None:
        _require_free(db, service)
    keys.insert(db, row)
    if service is not None:
        aliases.insert(db, service_alias(service), row.key_id)


def _migrated(old_id: str, creator: str, now: str, *, of_service: bool) -> KeyRow:
    home = SERVICE_KEY_HOME if of_service else DEFAULT_CMK_HOME
    return _row(old_id, home, now, creator, None)._replace(read_only=1)


def _row(new_id: str, home: str, now: str, creator: str, version_id: str | None) -> KeyRow:
    return KeyRow(
        key_id=new_id,
        instance_id=home,
        spec=KeySpec.AES_256.value,
        usage=KeyUsage.ENCRYPT.value,
        origin=Origin.KMS.value,
        storage_mechanism=None,
        state=KeyState.ENABLED.value,
        description="",
        rotation=None,
        policy=None,
        deletion_protection=0,
        creation_date=now,
        delete_date=None,
        last_rotation_date=now if version_id else None,
        next_rotation_date=None,
        last_used=None,
        primary_version=version_id,
        creator=creator,
    )
