"""What refers to what among a KMS's objects, by identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.kms.naming import SERVICE_ALIAS_PREFIX, service_alias
from kmsplan.resource.kinds import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kmsplan.resource.value import Present


def is_service_alias(present: Present) -> bool:
    """Return whether this is an alias that a cloud service gave its own key: nobody declares it."""
    return present.kind == "alias" and present.identity.startswith(SERVICE_ALIAS_PREFIX)


class Relations:
    """Everything that a KMS holds, sorted by identity."""

    def __init__(self, presents: Iterable[Present]) -> None:
        self.presents = sorted(presents, key=lambda present: present.identity)
        self.known = frozenset(present.identity for present in self.presents)
        self._referring: dict[str, list[Present]] = {}
        for present in self.presents:
            for name in REFERENCES[present.kind]:
                self._referring.setdefault(str(present.attributes.get(name)), []).append(present)

    def inside(self, instance: str) -> Sequence[Present]:
        """Return the keys in an instance."""
        return self._referring.get(instance, ())

    def aliases(self, key: str) -> list[str]:
        """Return the names of a key's aliases, those of services apart."""
        return [
            one.identity for one in self._referring.get(key, ()) if one.kind == "alias" and not is_service_alias(one)
        ]

    def service(self, key: str) -> str | None:
        """Return the name of the cloud service whose key this is, as its alias tells."""
        prefix = service_alias("")
        names = (one.identity for one in self._referring.get(key, ()) if is_service_alias(one))
        return next((name.removeprefix(prefix) for name in names if name.startswith(prefix)), None)
