"""The keys in the token of a hardware instance that no engine made, and that no key here stands for yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine import hardware
from kmsplan.engine.action.work import find_instance
from kmsplan.engine.hsm.attachment import Attachment
from kmsplan.engine.keystore import version as versions
from kmsplan.engine.protection.protocol import Attacher

if TYPE_CHECKING:
    from kmsplan.engine.core import Core
    from kmsplan.engine.protection.protocol import FoundObject


def objects_in(core: Core, instance_id: str) -> tuple[FoundObject, ...]:
    """Return them, in the order of their CKA_IDs; nothing is written, neither here nor in the token.

    Raises:
        KmsError: there is no such instance, or its token does not answer.
    """
    with core.store.read() as db:
        instance = find_instance(db, instance_id)
        references = versions.attached_in(db, instance.module, instance.token)
    taken = {Attachment.parse(reference).identity.hex() for reference, _ in references}
    protection = core.protection(instance)
    if not isinstance(protection, Attacher):
        return ()
    with hardware.answering():
        return tuple(one for one in protection.objects() if one.identity not in taken)
