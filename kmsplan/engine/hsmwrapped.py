"""Hardware keys that the keystore keeps (HsmEncryptedDatabase): made in the HSM, and wrapped there by a key of its own.

The HSM holds no object of such a key, so nothing has to be kept together through crashes: its row is the key, and with
the row its material is destroyed. All that the HSM holds is the key that wraps, made once for the whole token, before
the first of them. One that is gone is not replaced while anything needs it: the keys are unavailable until it is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.keystore import version as versions
from kmsplan.engine.protection.protocol import NotOfferedError, Wrapper, WrapperMissingError
from kmsplan.kms.capability import KeyStorageMechanism

if TYPE_CHECKING:
    from collections.abc import Callable

    from kmsplan.engine.core import Core
    from kmsplan.engine.keystore.instance import InstanceRow
    from kmsplan.engine.material import Design
    from kmsplan.engine.protection.protocol import Generated, Handle
    from kmsplan.kms.secret import SecretBytes


def made(core: Core, design: Design) -> Generated:
    """Make material that the keystore keeps; the HSM has used it once, from what it handed out.

    Raises:
        KmsError: the HSM cannot make it, or not wrap it, or does not answer.
    """
    from kmsplan.engine import hardware  # noqa: PLC0415 - imports cryptography; planning only asks what opens

    with hardware.answering():
        hardware.require_spec(core.protection(design.instance), design)
        wrapper = _wrapper(core, design.instance)
        return kept(core, design, lambda: wrapper.generate_wrapped(design.spec, design.usage))


def kept(core: Core, design: Design, make: Callable[[], Generated]) -> Generated:
    """Let the HSM make material or unwrap it, and wrap it for the keystore; before the first one it makes what wraps.

    Raises:
        NotOfferedError: the HSM does not.
        WrapperMissingError: what wraps is gone, and keys of the keystore wait for it.
        ProtectionUnavailableError: the HSM does not answer.
    """
    from kmsplan.engine import hardware  # noqa: PLC0415 - as above

    hardware.expect_home(core, design.instance)
    try:
        return make()
    except WrapperMissingError:
        instance = design.instance
        with core.store.read() as db:
            needed = versions.one_wrapped_by(
                db, instance.module, instance.token, KeyStorageMechanism.HSM_ENCRYPTED_DATABASE
            )
        if needed is not None:
            raise
        _wrapper(core, instance).prepare_wrapping()
        return make()


def opened(core: Core, design: Design, wrapped: SecretBytes) -> Handle:
    """Return a handle on material that the keystore keeps; the HSM unwraps it when it is used.

    Raises:
        NotOfferedError: the HSM wraps nothing.
    """
    return _wrapper(core, design.instance).open_wrapped(design.spec, design.usage, wrapped)


def openable(core: Core, instance: InstanceRow) -> bool:
    """Return whether an instance's HSM has what it takes to open what the keystore keeps for it.

    Raises:
        ProtectionUnavailableError: it does not answer; nothing is known then.
    """
    return _wrapper(core, instance).wraps()


def _wrapper(core: Core, instance: InstanceRow) -> Wrapper:
    protection = core.protection(instance)
    if not isinstance(protection, Wrapper):
        raise NotOfferedError(
            f"the HSM of {instance.instance_id} wraps no keys for the keystore "
            f"({KeyStorageMechanism.HSM_ENCRYPTED_DATABASE.value}); keep them inside it "
            f"({KeyStorageMechanism.HSM_INTERNAL.value})"
        )
    return protection
