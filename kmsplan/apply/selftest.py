"""The self-test of a successor: nothing moves to a key that does not work."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.provider.protocol import Provider
    from kmsplan.resource.address import Address


class SelfTestError(Exception):
    """A key does not do what it is for."""

    code: Final = "A101"


class SelfTests:
    """Tests each key once in a run. Safe to use from several threads."""

    def __init__(self, provider: Provider, identities: Mapping[str, str]) -> None:
        """Take the KMS, and the identity of every known object by its address; the latter may grow meanwhile."""
        self._provider = provider
        self._identities = identities
        self._turn = threading.Lock()
        self._found: dict[str, SelfTestError | None] = {}

    def require(self, address: Address) -> None:
        """Return if a key works, or its KMS has no way to tell.

        Raises:
            SelfTestError: it does not.
        """
        with self._turn:
            identity = self._identities[address]
            if identity not in self._found:
                self._found[identity] = self._test(address, identity)
            error = self._found[identity]
        if error is not None:
            raise error

    def _test(self, address: Address, identity: str) -> SelfTestError | None:
        try:
            self._provider.self_test(identity)
        except Exception as error:  # noqa: BLE001 - a key that cannot be used is not moved to, whatever the reason
            return SelfTestError(
                f"{address} ({identity}) did not pass its self-test, so that nothing moves to it and its predecessor "
                f"stays: {error} (A101). Find out why, then apply again; until then what points at the predecessor "
                "goes on working."
            )
        return None
