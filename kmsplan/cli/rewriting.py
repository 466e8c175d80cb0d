"""Files of a configuration, written anew where they stand."""

from __future__ import annotations

import codecs
import os
from typing import TYPE_CHECKING

from kmsplan.cli.failure import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kmsplan.cli.session import Session


def read_text(path: Path) -> str:
    """Return a file's text with its own line breaks.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", "Make it readable, and run it again.") from error


def require_unchanged(before: Mapping[Path, str]) -> None:
    """Refuse to write over what somebody has changed since it was read.

    Raises:
        UserError: somebody has, or a file cannot be written.
    """
    for path, text in before.items():
        if read_text(path) != text:
            raise UserError(f"{path} was changed meanwhile", "Nothing was written. Run the command again.")
        if not os.access(path, os.W_OK):
            raise UserError(f"{path} cannot be written: it is read-only", "Nothing was written. Make it writable.")


def rewrite(session: Session, path: Path, text: str) -> None:
    """Write a file whole or not at all: with its mode and its byte order mark; a link stays a link.

    Raises:
        UserError: it cannot be written.
    """
    target = path.resolve()
    mode, mark = target.stat().st_mode, codecs.BOM_UTF8 if target.read_bytes().startswith(codecs.BOM_UTF8) else b""
    session.write(target, mark + text.encode())
    target.chmod(mode)
