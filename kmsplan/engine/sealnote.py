"""Which key an HSM is asked to make for a seal: written down before, so that what was interrupted is gone on with.

An HSM knows no transactions. A seal's key that was made, and whose engine or root key then came to nothing, would stay
in the token for ever, and nobody could tell it from those that older backups need. So its name is noted first, and goes
when the engine has it; whoever finds it noted takes the same key, made or not. Nothing is ever destroyed for that.

The note is a file, because there may be no keystore yet. It says nothing that is secret.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kmsplan.engine.keystore.folder import flush_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE: Final = "seal.begun"
_LIMIT: Final = 65_536
REFERENCE_BYTES: Final = 16


class Noted(NamedTuple):
    """A key that is to be made."""

    reference: bytes
    new: bool
    """Whether nobody can have made it before."""


@contextmanager
def noted(folder: Path, place: dict[str, str], entropy: Callable[[int], bytes]) -> Iterator[Noted]:
    """Lend the key that is to be made, nobody else's meanwhile: the noted one, or a new one.

    Args:
        folder: the engine's.
        place: module and token.
        entropy: as many random bytes as asked for.

    Raises:
        OSError: it cannot be written.
    """
    import fcntl  # noqa: PLC0415 - planning seals nothing

    descriptor = os.open(folder / FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        with suppress(OSError):  # a file system without locks; two that take one key do no harm
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        found = _reference(os.pread(descriptor, _LIMIT, 0), place)
        reference = found or entropy(REFERENCE_BYTES)
        if found is None:
            # Torn, it is no note; and then no key was made.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({**place, "reference": reference.hex()}).encode(), 0)
            os.fsync(descriptor)
            flush_folder(folder)
        yield Noted(reference, new=found is None)
    finally:
        os.close(descriptor)


def settle(folder: Path, record: Callable[[], bytes | None]) -> None:
    """Remove the note of a key that seals the engine: what was to be done with it is done.

    Args:
        folder: the engine's.
        record: returns how the root key is sealed; asked only where there is a note that can be read.
    """
    try:
        reference = str(_parsed((folder / FILE).read_bytes()).get("reference", ""))
    except OSError:
        return
    if reference and reference.encode() in (record() or b""):
        forget(folder)


def forget(folder: Path) -> None:
    """Remove the note.

    What cannot be removed goes when the engine is opened next.
    """
    with suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def _reference(content: bytes, place: dict[str, str]) -> bytes | None:
    found = _parsed(content)
    try:
        reference = bytes.fromhex(found.pop("reference"))
    except (KeyError, ValueError, TypeError):
        return None
    return reference if found == place and len(reference) == REFERENCE_BYTES else None


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
