"""Access keys, and the nonces of what is signed with them, as methods of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from kmsplan.engine.facet import Facet

if TYPE_CHECKING:
    from kmsplan.engine.access.accesskey import Access, AccessKeyView
    from kmsplan.engine.access.known import AccessKey
    from kmsplan.engine.keystore.nonce import Claim


class Accessible(Facet):
    """What a server asks before it carries out a request, and what manages the keys that requests are signed with."""

    __slots__ = ()

    def claim(self, digest: bytes, time: int) -> Claim | None:
        """Return what a request claims its nonce with; None where one machine has the engine, and knows its nonces.

        Args:
            digest: a hash of the nonce and of whose it is.
            time: the request's, in seconds since 1970.
        """
        if self._core.store.nonces is None:
            return None
        from kmsplan.engine.keystore.nonce import Claim  # noqa: PLC0415 - most engines are on one machine

        return Claim(digest, time)

    def claimed(self, action: str) -> Self:
        """Use up the nonce of the request that is carried out, before anything of it is; return the engine itself.

        What uses keys does it by itself, when its audit entry is written.

        Raises:
            KmsError: it was used before, on whatever node.
        """
        if self._caller.claim is not None:
            from kmsplan.engine.access.nonce import use_up  # noqa: PLC0415 - as above

            use_up(self._core, self._caller, action)
        return self

    def access_key(self, access_key_id: str) -> AccessKey | None:
        """Return an access key with its secret; None where there is none.

        Raises:
            KmsError: the engine is sealed.
        """
        from kmsplan.engine.access.lookup import look_up  # noqa: PLC0415 - only a served engine is asked

        return look_up(self._core, access_key_id)

    def note_use(self, access_key_id: str) -> None:
        """Note that a request was signed with an access key, once a minute and without waiting for the disk."""
        from kmsplan.engine.access.lookup import note_use  # noqa: PLC0415 - as above

        note_use(self._core, access_key_id)

    def access_keys(self) -> list[AccessKeyView]:
        """Return every access key without its secret, the oldest first."""
        from kmsplan.engine.access.accesskey import views  # noqa: PLC0415 - as above

        return views(self._core)

    @property
    def access(self) -> Access:
        """Its access keys: made, rotated, enabled, disabled, deleted."""
        self._require_writable()
        from kmsplan.engine.access.accesskey import Access  # noqa: PLC0415 - as above

        return Access(self._core, self._caller)
