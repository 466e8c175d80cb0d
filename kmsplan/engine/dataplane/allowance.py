"""How often key versions may still encrypt: counted in the database by blocks, in memory one by one.

AES-GCM with random IVs allows 2**32 encryptions under one key (SP 800-38D, 8.3). A process reserves a block of them in
the transaction of the encryption that needs it, and takes the next ones from that block without touching the row. What
a process leaves unused counts as used, so the count is never too low. Blocks grow with use: one encryption costs one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmsplan.engine.keystore import version as versions
from kmsplan.kms.error import KmsError

if TYPE_CHECKING:
    from kmsplan.engine.keystore.transaction import Transaction
    from kmsplan.engine.keystore.version import VersionRow

LARGEST: Final = 4096
_VERSIONS: Final = 10_000
"""Versions that are remembered; forgetting one costs the rest of its block."""


class Allowances:
    """What this process has reserved. It is used in the writing thread alone."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[int, int]] = {}
        """By version: encryptions left, and the size of the last block."""

    def take(self, transaction: Transaction, version: VersionRow) -> None:
        """Take one encryption, reserving a block where none is left.

        Raises:
            KmsError: the version has encrypted as often as is safe.
        """
        left, block = self._left.get(version.version_id, (0, 0))
        if left:
            self._left[version.version_id] = left - 1, block
            return
        block = min(2 * block, LARGEST) or 1
        reserved = versions.reserve_uses(transaction.db, version.key_id, version.version_id, block)
        if not reserved:
            raise KmsError(
                "Rejected.LimitExceeded",
                f"{version.version_id} has encrypted {versions.USES_LIMIT} times, as often as is safe under one "
                "AES-GCM key (SP 800-38D, 8.3). Rotate the key: the new version starts from nothing.",
            )
        if len(self._left) >= _VERSIONS:
            self._left.clear()
        self._left[version.version_id] = 0, block
        # Only what was committed is there to be taken; a transaction that fails leaves nothing.
        transaction.after.append(lambda: self._add(version.version_id, reserved - 1, block))

    def _add(self, version_id: str, count: int, block: int) -> None:
        self._left[version_id] = self._left.get(version_id, (0, 0))[0] + count, block
