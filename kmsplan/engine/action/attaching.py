"""Keys that stand for an object which is in an HSM's token already, and is somebody else's.

Nothing is made in the token, so that nothing has to be kept together through crashes: the version is committed with its
key, or there is neither. The object stays as it is, whatever becomes of the key.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kmsplan.engine import hardware, material
from kmsplan.engine.hsm.attachment import Attachment
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.parameter import invalid
from kmsplan.engine.proof import prove
from kmsplan.engine.protection.protocol import Attacher, NotOfferedError, ProtectionUnavailableError, UnfitObjectError
from kmsplan.kms.capability import KeyStorageMechanism, Origin
from kmsplan.kms.error import KmsError
from kmsplan.kms.hsmobject import canonical_object
from kmsplan.kms.naming import key_version_id
from kmsplan.kms.spec import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.engine.audit import Request
    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.connection import Connection
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.keystore.version import VersionRow
    from kmsplan.engine.material import Design
    from kmsplan.kms.operation import CreateKey

_NAME: Final = "HsmObject"


def require_fitting(key_type: KeyType, operation: CreateKey) -> None:
    """Check that such a key can stand for an object of a token, where it is to.

    Raises:
        KmsError: it cannot.
    """
    if operation.hsm_object is None:
        return
    if key_type is not KeyType.HARDWARE:
        raise invalid(_NAME, "only keys in hardware instances stand for an object of a token")
    if operation.origin != Origin.KMS:
        raise invalid(_NAME, "the object is the key's material, so that none can be imported")
    if operation.storage_mechanism == KeyStorageMechanism.HSM_ENCRYPTED_DATABASE:
        raise invalid(_NAME, "the object stays in the token, so that the key is stored as HsmInternal")


@contextmanager
def attached(core: Core, request: Request, design: Design, named: str) -> Iterator[VersionRow]:
    """Check that the token has such an object and that it works, and yield the version that stands for it.

    Raises:
        KmsError: sealed, or no such key can stand for the object, or the token does not answer.
    """
    core.opened()
    hsm_object = canonical_object(named)
    protection = core.protection(design.instance)
    if not isinstance(protection, Attacher):
        raise KmsError("UnsupportedOperation", f"The HSM of {design.instance.instance_id} holds no other keys.")
    if request.intent is not None:
        request.intent()  # a token that holds nothing of ours yet is given its sentinel
    with hardware.answering():
        hardware.expect_home(core, design.instance)
        try:
            reference, found = protection.attach(design.spec, design.usage, hsm_object)
        except UnfitObjectError as error:
            raise invalid(_NAME, f"object {hsm_object} of token {design.instance.token!r}: {error}") from error
        _prove(core, design, hsm_object, reference, found.public_key)
    yield material.as_kept(core, design, key_version_id(design.key_id, core.world.entropy(10)), reference, found)


def _prove(core: Core, design: Design, hsm_object: str, reference: bytes, public_key: bytes | None) -> None:
    """Use the object once, as new material is used.

    Raises:
        KmsError: it does not do what such a key is for.
        ProtectionUnavailableError: the token does not answer.
    """
    handle = core.protection(design.instance).open(design.spec, reference, None)
    try:
        prove(handle, design.spec, design.usage, public_key)
    except (NotOfferedError, ProtectionUnavailableError) as error:
        raise KmsError(
            "Rejected.Unavailable",
            f"Object {hsm_object} of token {design.instance.token!r} does not do what a key of {design.spec} for "
            f"{design.usage} does: {error}",
        ) from error


def require_unattached(db: Connection, instance: InstanceRow, version: VersionRow) -> None:
    """Check that no other key of the engine stands for the same object of the same token.

    Raises:
        KmsError: one does.
    """
    identity = Attachment.parse(version.reference).identity
    for reference, key_id in versions.attached_in(db, instance.module, instance.token):
        if Attachment.parse(reference).identity == identity:
            raise invalid(_NAME, f"{key_id} stands for object {identity.hex()} already; one key stands for one object")
