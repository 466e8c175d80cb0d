"""`state: {encryption: ...}`: the key that state and journal are encrypted with, wherever they are kept."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from kmsplan.config.codes import CODES
from kmsplan.config.diagnostic import ConfigurationError, Diagnostic
from kmsplan.config.secret import reference, resolve
from kmsplan.kms.secret import SecretBytes
from kmsplan.resource.schema import SECRET_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kmsplan.config.configuration import SecretReference
    from kmsplan.config.expand import Expanded
    from kmsplan.config.problems import Problems

ENCRYPTION: Final = "encryption"
ENCRYPTION_SCHEMA: Final = {
    **SECRET_SCHEMA,
    "description": "Where the key is found that state and journal are encrypted with: 32 bytes, or their Base64. "
    "Without it they are plain; they hold no secret. `kmsplan state rekey` makes a state follow a change.",
}
KEY_SIZE: Final = 32


def check_stores(expanded: Expanded, problems: Problems) -> None:
    """Want one store; how it is encrypted stands beside it."""
    entry = expanded.one.get("state")
    written = entry.written if entry is not None and isinstance(entry.written, dict) else {}
    stores = [name for name in written if name != ENCRYPTION]
    if entry is not None and len(stores) > 1:
        problems.add("K208", f"`state` names {' and '.join(stores)}. Keep one.", entry.node.locate((stores[1],)))


def encryption(expanded: Expanded, root: Path) -> SecretReference | None:
    """Return where the state's key is found; None where the state is plain."""
    entry = expanded.one.get("state")
    written = entry.written.get(ENCRYPTION) if entry is not None else None
    return reference(written, root, entry.node.locate((ENCRYPTION,)).span) if entry and written else None


def state_key(found: SecretReference, environ: Mapping[str, str]) -> SecretBytes:
    """Read the state's key.

    Raises:
        ConfigurationError: there is none, or what is there is none.
    """
    key = parse_key(resolve(found, environ, exact=True).reveal())
    if key is None:
        what = "The environment variable" if found.source == "env" else "What is found in"
        detail = (
            f"{what} {found.name} holds no key for the state: that is {KEY_SIZE} bytes, or their Base64. Make one with "
            f"`openssl rand -base64 {KEY_SIZE}`, and keep it where the state is not."
        )
        raise ConfigurationError((Diagnostic(code="K608", summary=CODES["K608"], detail=detail, span=found.span),))
    return SecretBytes(key)


def parse_key(content: bytes) -> bytes | None:
    """Return the key that a secret holds: 32 bytes as they are, or their Base64; None where it holds neither."""
    if len(content) == KEY_SIZE:
        return content
    try:
        key = base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        return None
    return key if len(key) == KEY_SIZE else None
