"""External instances and their keys: what creating and changing them adds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from kmsplan.engine.keystore import key as keys
from kmsplan.engine.keystore.version import VersionRow
from kmsplan.engine.material import FIRST_GENERATION
from kmsplan.engine.parameter import invalid
from kmsplan.engine.proof import prove
from kmsplan.engine.protection.protocol import NotOfferedError, ProtectionUnavailableError
from kmsplan.engine.xks.address import kept
from kmsplan.engine.xks.behalf import OnBehalf
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import key_version_id
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.material import Design
    from kmsplan.engine.protection.external import ExternalProtection


def proxy_text(key_type: str, settings: Mapping[str, str] | None) -> str | None:
    """Return an instance's proxy settings as the keystore keeps them; None for other types.

    Raises:
        KmsError: an external instance without any, or another one with some.
    """
    if (key_type == KeyType.EXTERNAL) != bool(settings):
        raise invalid("Proxy", "an external instance needs the URL of a proxy, and no other instance has one")
    return kept(settings) if settings else None


def require_name(key_type: str, external_key_id: str | None) -> None:
    """Check that a key in an external instance, and no other, names the key manager's key.

    Raises:
        KmsError: it does not, or it is another key.
    """
    if (key_type == KeyType.EXTERNAL) != (external_key_id is not None):
        raise invalid("ExternalKeyId", "a key in an external instance needs it, and no other key has it")


def require_health(core: Core, request: Request, instance: InstanceRow) -> None:
    """Check that a key manager serves behind an instance's proxy.

    Raises:
        KmsError: none does, or the proxy cannot be reached.
    """
    try:
        with OnBehalf(core.identity, request):
            core.protection(instance).specs()
    except ProtectionUnavailableError as error:
        raise KmsError("Rejected.Unavailable", f"The key manager is not available: {error}") from error


@contextmanager
def attached(core: Core, request: Request, design: Design, external_key_id: str) -> Iterator[VersionRow]:
    """Check that the key manager has a key that works, and yield the version that stands for it.

    Raises:
        KmsError: sealed, or there is no such key, or it cannot be used now.
    """
    core.opened()
    reference = external_key_id.encode("ascii")
    protection = cast("ExternalProtection", core.protection(design.instance))
    try:
        with OnBehalf(core.identity, request):
            protection.require(external_key_id)
            prove(protection.open(design.spec, reference, None), design.spec, design.usage, None)
    except NotOfferedError as error:
        raise KmsError("UnsupportedOperation", str(error)) from error
    except ProtectionUnavailableError as error:
        raise KmsError("Rejected.Unavailable", f"The key manager's key is not available: {error}") from error
    yield VersionRow(
        key_id=design.key_id,
        version_id=key_version_id(design.key_id, core.world.entropy(10)),
        instance_id=design.instance.instance_id,
        reference=reference,
        public_key=None,
        generation=FIRST_GENERATION,
        created=core.now(),
        term=None,
        wrapped=None,
    )


def require_unused(db: Connection, instance_id: str, external_key_id: str | None) -> None:
    """Check that no other key of an instance stands for the same key of the key manager.

    Raises:
        KmsError: one does.
    """
    other = None if external_key_id is None else keys.standing_for(db, instance_id, external_key_id)
    if other is not None:
        raise invalid("ExternalKeyId", f"{other} stands for {external_key_id!r} already; one key stands for one key")
