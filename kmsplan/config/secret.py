"""Secrets: from where they are found to what they are. Nothing else in the project reads one from outside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kmsplan.config.codes import CODES
from kmsplan.config.configuration import SecretReference
from kmsplan.config.diagnostic import ConfigurationError, Diagnostic
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.config.diagnostic import Span


def reference(written: Mapping[str, str], root: Path, span: Span) -> SecretReference:
    """Return a valid `{env: NAME}` or `{file: PATH}` as a reference; a relative path is relative to `root`."""
    ((source, name),) = written.items()
    return SecretReference(source, name if source == "env" else str(absolute(root, name)), span)


def absolute(root: Path, path: str) -> Path:
    """Return a path of the configuration as an absolute one; a relative one is relative to its folder."""
    return Path(os.path.abspath(root / path))  # noqa: PTH100 - resolve() would follow links, which may change meanwhile


def resolve(reference: SecretReference, environ: Mapping[str, str]) -> SecretBytes:
    """Read a secret. One line end at the end of a file does not belong to it.

    Raises:
        ConfigurationError: there is nothing, or it cannot be read. The message names the place, never the content.
    """
    content = _variable(reference, environ) if reference.source == "env" else _file(reference)
    if not content:
        raise _error("K605", f"{_named(reference)} is empty. Put the secret there.", reference)
    return SecretBytes(content)


def _named(reference: SecretReference) -> str:
    if reference.source == "env":
        return f"The environment variable {reference.name}"
    return f"The file {reference.name!r}"


def _variable(reference: SecretReference, environ: Mapping[str, str]) -> bytes:
    value = environ.get(reference.name)
    if value is None:
        remedy = (
            f"Set it before running kmsplan, for example with: read -rs {reference.name} && export {reference.name}"
        )
        raise _error("K603", f"{_named(reference)} is not set. {remedy}", reference)
    return value.encode("utf-8", "surrogateescape")


def _file(reference: SecretReference) -> bytes:
    try:
        content = Path(reference.name).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is not usable"
        raise _error("K604", f"{_named(reference)} cannot be read: {reason.lower()}.", reference) from None
    return content.removesuffix(b"\n").removesuffix(b"\r")


def _error(code: str, detail: str, reference: SecretReference) -> ConfigurationError:
    return ConfigurationError((Diagnostic(code=code, summary=CODES[code], detail=detail, span=reference.span),))
