"""The questions as methods of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.engine import reading
from kmsplan.engine.facet import Facet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmsplan.engine.reading.view import (
        AliasView,
        Filter,
        InstanceRef,
        InstanceView,
        KeyRef,
        KeyView,
        Page,
        QuotaView,
        TagView,
        VersionView,
    )


class Readable(Facet):
    """What describes and lists. An id or an ARN names a key; an alias does where a key or its versions are described.

    All raise KmsError: there is no such thing, a parameter is not valid, or the caller may not ask.
    """

    __slots__ = ()

    def describe_key(self, name: str) -> KeyView:
        """Describe a key."""
        return reading.key.describe_key(self._core, self._caller, name)

    def describe_version(self, name: str, version_id: str) -> VersionView:
        """Describe a key version."""
        return reading.key.describe_version(self._core, self._caller, name, version_id)

    def list_keys(self, filters: Sequence[Filter] = (), page: int = 1, size: int = 10) -> Page[KeyRef]:
        """List keys; values of one filter are alternatives, several filters must all hold."""
        return reading.key.list_keys(self._core, self._caller, filters, page, size)

    def list_versions(self, name: str, page: int = 1, size: int = 10) -> Page[VersionView]:
        """List the versions of a key, oldest first."""
        return reading.key.list_versions(self._core, self._caller, name, page, size)

    def key_policy(self, name: str, policy_name: str = "default") -> dict[str, Any]:
        """Return a key's policy, the default one where none was set."""
        return reading.key.key_policy(self._core, self._caller, name, policy_name)

    def list_aliases(self, page: int = 1, size: int = 10, key: str | None = None) -> Page[AliasView]:
        """List aliases: all, or those of a key."""
        return reading.alias.list_aliases(self._core, self._caller, page, size, key=key)

    def list_resource_tags(self, key: str) -> tuple[TagView, ...]:
        """Return the tags of a key."""
        return reading.tag.list_resource_tags(self._core, self._caller, key)

    def list_tags(
        self, kind: str, ids: Sequence[str] = (), tags: Sequence[tuple[str, str | None]] = (), token: str = ""
    ) -> tuple[tuple[TagView, ...], str]:
        """Return up to 200 tags of keys or instances, and the token of what follows; see `tag.list_tags`."""
        return reading.tag.list_tags(self._core, self._caller, kind, ids, tags, token)

    def list_instances(self, filters: Sequence[Filter] = (), page: int = 1, size: int = 20) -> Page[InstanceRef]:
        """List instances."""
        return reading.instance.list_instances(self._core, self._caller, filters, page, size)

    def describe_instance(self, instance_id: str) -> InstanceView:
        """Describe an instance."""
        return reading.instance.describe_instance(self._core, self._caller, instance_id)

    def instance_quotas(self, instance_id: str | None, kind: str | None = None) -> tuple[QuotaView, ...]:
        """Return what an instance, or with None all of them, may hold and holds: of one kind, or of each.

        The kinds are key, secret, qps and vpc.
        """
        return reading.instance.instance_quotas(self._core, self._caller, instance_id, kind)

    def default_instance(self) -> str:
        """Return the instance where keys go that name none; "" where they mean the default CMK."""
        return reading.instance.default_instance(self._core, self._caller)

    def account_status(self) -> str:
        """Return how the account stands with the service."""
        return reading.instance.account_status(self._core, self._caller)

    def open_service(self) -> None:
        """Refuse: it is open already (Forbidden.Opened)."""
        reading.instance.open_service(self._core, self._caller)

    def regions(self) -> tuple[str, ...]:
        """Return the regions where there is a KMS."""
        return reading.instance.regions(self._core, self._caller)
