"""Files with secrets in them that others can read: that is told, and they are read all the same.

A key file of the engine's own is refused then, as ssh does. Here somebody else may have made the file: platforms mount
secrets into containers with mode 0644 or 0444, and nothing would run there.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from kmsplan.config.codes import CODES
from kmsplan.config.diagnostic import Diagnostic, Severity
from kmsplan.config.place import printable
from kmsplan.kms.ownfile import exposure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.config.configuration import Configuration, SecretReference

CODE: Final = "K609"


def exposed(configuration: Configuration) -> Iterator[Diagnostic]:
    """Yield a warning for each file with a secret that others can read, at the first place that names it."""
    in_files = (found for found in _references(configuration) if found is not None and found.source == "file")
    # The last one of a name stays.
    for name, reference in {found.name: found for found in sorted(in_files, key=_place, reverse=True)}.items():
        problem = exposure(name)
        if problem is not None:
            detail = f"The file {name!r} {problem}, and there is a secret in it. Close it: chmod 600 "
            yield Diagnostic(
                code=CODE,
                summary=CODES[CODE],
                detail=printable(detail + shlex.quote(name)),
                span=reference.span,
                severity=Severity.WARNING,
            )


def _references(configuration: Configuration) -> Iterator[SecretReference | None]:
    """Yield where all secrets are found, but for a key file that seals: the engine refuses one that others can read."""
    engine, shared = configuration.engine, configuration.shared
    yield from (engine.postgres, None if engine.seal_kind == "file" else engine.seal, configuration.encryption)
    yield from shared.secrets.values() if shared else ()
    yield from configuration.pins.values()
    yield from (access_key.secret for access_key in configuration.proxies.values())
    yield from configuration.materials.values()


def _place(reference: SecretReference) -> tuple[str, int, int]:
    return reference.span.filename, reference.span.line, reference.span.column
