"""Secrets: from where they are found to what they are. Nothing else in the project reads one from outside."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.codes import CODES
from kmsplan.config.configuration import SecretReference
from kmsplan.config.diagnostic import ConfigurationError, Diagnostic
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from kmsplan.config.diagnostic import Span

COMMAND_TIMEOUT: Final = 60.0
"""Seconds that a command may take to tell a secret."""


def reference(written: Mapping[str, Any], root: Path, span: Span) -> SecretReference:
    """Return a valid `{env: NAME}`, `{file: PATH}` or `{exec: [COMMAND, ...]}` as a reference.

    A relative path is relative to `root`, where the command runs, too.
    """
    ((source, name),) = written.items()
    if source == "exec":
        return SecretReference(source, name[0], span, tuple(name), root)
    return SecretReference(source, name if source == "env" else str(absolute(root, name)), span)


def absolute(root: Path, path: str) -> Path:
    """Return a path of the configuration as an absolute one; a relative one is relative to its folder."""
    return Path(os.path.abspath(root / path))  # noqa: PTH100 - resolve() would follow links, which may change meanwhile


def resolve(reference: SecretReference, environ: Mapping[str, str], *, exact: bool = False) -> SecretBytes:
    """Read a secret.

    Args:
        reference: where it is found.
        environ: the environment.
        exact: keep one line end at its end, which otherwise does not belong to what a file or a command says.

    Raises:
        ConfigurationError: there is nothing, or it cannot be read. The message names the place, never the content.
    """
    content = _SOURCES[reference.source](reference, environ)
    if reference.source != "env" and not exact:
        content = content.removesuffix(b"\n").removesuffix(b"\r")
    if not content:
        raise _error("K605", f"{_named(reference)} is empty. Put the secret there.", reference)
    return SecretBytes(content)


def _named(reference: SecretReference) -> str:
    match reference.source:
        case "env":
            return f"The environment variable {reference.name}"
        case "exec":
            return f"The output of the command {reference.name!r}"
        case _:
            return f"The file {reference.name!r}"


def _variable(reference: SecretReference, environ: Mapping[str, str]) -> bytes:
    value = environ.get(reference.name)
    if value is None:
        remedy = (
            f"Set it before running kmsplan, for example with: read -rs {reference.name} && export {reference.name}"
        )
        raise _error("K603", f"{_named(reference)} is not set. {remedy}", reference)
    return value.encode("utf-8", "surrogateescape")


def _file(reference: SecretReference, environ: Mapping[str, str]) -> bytes:
    del environ
    try:
        return Path(reference.name).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is not usable"
        raise _error("K604", f"{_named(reference)} cannot be read: {reason.lower()}.", reference) from None


def _command(reference: SecretReference, environ: Mapping[str, str]) -> bytes:
    """Run a command without a shell. Its errors go where ours go, so that it can say what it lacks."""
    import subprocess  # noqa: PLC0415 - most configurations have no such secret

    try:
        done = subprocess.run(  # noqa: S603 - the configuration names the command, and no shell reads it
            reference.command,
            cwd=reference.folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"did not end within {COMMAND_TIMEOUT:.0f} seconds"
    except (OSError, ValueError) as error:
        reason = f"cannot be run: {(getattr(error, 'strerror', None) or 'its words are not usable').lower()}"
    else:
        if done.returncode == 0:
            return done.stdout
        reason = f"ended with exit code {done.returncode}"
    raise _error(
        "K606",
        f"The command {reference.name!r}, which tells a secret, {reason}. Run it by hand in {reference.folder} and see "
        "what it says.",
        reference,
    ) from None


_SOURCES: Final[Mapping[str, Callable[[SecretReference, Mapping[str, str]], bytes]]] = MappingProxyType(
    {"env": _variable, "file": _file, "exec": _command}
)


def _error(code: str, detail: str, reference: SecretReference) -> ConfigurationError:
    return ConfigurationError((Diagnostic(code=code, summary=CODES[code], detail=detail, span=reference.span),))
