"""Telling the KMS which serial a state has come to, so that it notices when an older one is put in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.apply.witness import home_of
from kmsplan.cli import kms
from kmsplan.cli.failure import UserError
from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from kmsplan.cli.session import Session
    from kmsplan.config.configuration import Configuration
    from kmsplan.provider.protocol import Provider
    from kmsplan.state.record import Recorded


def untold(serial: int, why: Exception) -> str:
    """Return what is said where the KMS could not be told: all else was done, and nothing is lost by it."""
    found = getattr(why, "diagnostics", ())  # a configuration's errors: what a secret refers to is not there
    words = " ".join(str(one.detail) for one in found) or str(why)
    return escape(
        f"The KMS could not be told of serial {serial}: {words.rstrip('.')}. Until the next apply it would not notice "
        "that an older state was put in this one's place."
    )


def tell(session: Session, provider: Provider, recorded: Recorded) -> None:
    """Tell the KMS the serial of a state that was just written, while its lock is held; warn where it cannot be told.

    What was recorded stands either way: the next apply finds the KMS behind and tells it.
    """
    from kmsplan.kms.error import KmsError  # noqa: PLC0415

    try:
        provider.witness(recorded.lineage, recorded.serial, home_of(recorded))
    except KmsError as error:
        session.warn(untold(recorded.serial, error))


def connect_and_tell(session: Session, configuration: Configuration, recorded: Recorded) -> None:
    """Do the same for a command that has only read the KMS; whoever may read it need not be able to write there."""
    from kmsplan.config.diagnostic import ConfigurationError  # noqa: PLC0415
    from kmsplan.engine.error import EngineError  # noqa: PLC0415
    from kmsplan.engine.protection.protocol import ProtectionUnavailableError  # noqa: PLC0415
    from kmsplan.kms.error import KmsError  # noqa: PLC0415

    if configuration.engine.provider == "embedded" and not kms.exists(session, configuration):
        return  # telling would make it
    try:
        provider = kms.provider(session, configuration, kms.importing(session, configuration))
    except (ConfigurationError, EngineError, KmsError, ProtectionUnavailableError, UserError, OSError) as error:
        session.warn(untold(recorded.serial, error))
        return
    try:
        tell(session, provider, recorded)
    finally:
        provider.close()
