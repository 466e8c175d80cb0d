"""What keeps an engine safe over the years: backups, new root keys, new keyring keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kmsplan.engine import rotation
from kmsplan.engine.backup import making
from kmsplan.engine.core import sealed
from kmsplan.engine.error import KeystoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kmsplan.engine.backup.checking import Report
    from kmsplan.engine.caller import Caller
    from kmsplan.engine.core import Core
    from kmsplan.engine.rotation import Rewrapped
    from kmsplan.engine.sealing import Seal


class Renewed(NamedTuple):
    """A keyring with a new term."""

    term: int
    rewrapped: Rewrapped
    """Key versions whose material was wrapped anew."""


class Keeping:
    """The keeping of an open engine, for one caller. What it raises, `Engine` says.

    Args:
        core: the engine, opened with its seal.
        caller: who asks for it.
    """

    __slots__ = ("_caller", "_core")

    def __init__(self, core: Core, caller: Caller) -> None:
        self._core = core
        self._caller = caller

    def backup(self, path: Path, lock: Seal, told: Callable[[int], object] = lambda _: None) -> Report:
        """Write a backup to a new file, locked by a passphrase or a key file, and check it; see `making.make`."""
        return making.make(self._core, self._caller, path, seal=self._seal(), lock=lock, told=told)

    def rotate_root(self, new_seal: Seal | None = None) -> None:
        """Make a new root key, sealed by another seal if one is given; see `rotation.rotate_root`."""
        rotation.rotate_root(self._core, self._caller, seal=self._seal(), new_seal=new_seal)

    def rotate_keyring(self) -> Renewed:
        """Begin a new term, and wrap all material under it; see `rotation`. A later call finishes a broken one.

        Raises:
            KeystoreError: the database failed; the message says whether the term has begun.
        """
        term = rotation.rotate_keyring(self._core, self._caller, seal=self._seal())
        try:
            return Renewed(term, rotation.rewrap(self._core))
        except KeystoreError as error:
            raise KeystoreError(
                f"the keyring is in term {term} now, and not all material is wrapped under it yet. kmsplan engine "
                f"tick, or a server, goes on with it, once this is mended: {error}",
                in_doubt=error.in_doubt,
            ) from error

    def _seal(self) -> Seal:
        """Return what opens the root key.

        Raises:
            KmsError: the engine was opened without it.
        """
        self._core.opened()
        if self._core.given is None:
            raise sealed()
        return self._core.given
