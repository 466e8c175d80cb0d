"""Secrets that are asked for when a token or a key manager is first used, which may be long after the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.configuration import SecretReference
    from kmsplan.kms.secret import SecretBytes


def needed(reference: SecretReference, environ: Mapping[str, str]) -> SecretBytes:
    """Return a secret without which a backend cannot be reached.

    Raises:
        ProtectionUnavailableError: it is not there any more: the backend is away then, and with it its keys alone.
    """
    from kmsplan.config.diagnostic import ConfigurationError  # noqa: PLC0415 - most engines have no such backend
    from kmsplan.config.secret import resolve  # noqa: PLC0415
    from kmsplan.engine.protection.protocol import ProtectionUnavailableError  # noqa: PLC0415

    try:
        return resolve(reference, environ)
    except ConfigurationError as error:
        said = " ".join(one.detail for one in error.diagnostics).removesuffix(".")
        place = f"{reference.span.filename}:{reference.span.line}"
        raise ProtectionUnavailableError(f"the secret that {place} names is missing: {said}") from error
