"""The keys that wrap material, and what each wrapping is bound to.

root key (sealed outside, `sealing`) → keyring keys, one per term → material. A term's key wraps at most 2**32 times
with random IVs (SP 800-38D, 8.3); a keystore that makes a thousand keys a second takes seven weeks for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kmsplan.engine.error import MaterialCorruptError
from kmsplan.engine.framing import framed
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY_BYTES: Final = 32
IV_BYTES: Final = 12
FIRST_TERM: Final = 1
_LABEL: Final = b"kmsplan keystore 1"
_TERM_BYTES: Final = 4


class Binding(NamedTuple):
    """What a wrapped secret belongs to; it opens only in the same place."""

    table: str
    row: str
    key_id: str = ""
    version_id: str = ""
    spec: str = ""
    """With the usage, so that a signing key cannot be edited into a decryption key."""
    usage: str = ""
    generation: int = 0
    """How often it was wrapped anew: an older wrapping, put back, does not open."""

    def associated_data(self, engine_id: str) -> bytes:
        """Return it as bytes."""
        return framed(_LABEL, engine_id.encode(), *(str(field).encode() for field in self))


class Keyring:
    """The opened keyring keys of one engine.

    Args:
        engine_id: binds every wrapping to this engine.
        root: the root key; it is not kept.
        wrapped: keyring keys by term, wrapped under the root key.
        entropy: source of IVs.
        renewed: asked for a term that is not here, which another process may have made meanwhile; returns the keyring
            as it is now, or None where there is no such term.

    Raises:
        MaterialCorruptError: a keyring key does not open.
    """

    def __init__(
        self,
        engine_id: str,
        root: SecretBytes,
        wrapped: Mapping[int, bytes],
        entropy: Callable[[int], bytes],
        renewed: Callable[[int], Keyring | None] = lambda _: None,
    ) -> None:
        self._engine_id = engine_id
        self._entropy = entropy
        self._renewed = renewed
        opener = AESGCM(root.reveal())
        self._terms = {
            term: AESGCM(_open(opener, blob, _term_binding(term).associated_data(engine_id), f"keyring key {term}"))
            for term, blob in wrapped.items()
        }
        self._term = max(self._terms)

    @property
    def term(self) -> int:
        """The newest term, under which everything is wrapped from now on."""
        return self._term

    def adopt(self, newer: Keyring) -> None:
        """Take over the terms of the same keyring, opened later."""
        self._terms = newer._terms
        self._term = newer._term

    def wrap(self, binding: Binding, secret: SecretBytes) -> tuple[int, bytes]:
        """Return the newest term and the secret wrapped under its key."""
        iv = self._entropy(IV_BYTES)
        wrapped = self._terms[self._term].encrypt(iv, secret.reveal(), binding.associated_data(self._engine_id))
        return self._term, iv + wrapped

    def unwrap(self, binding: Binding, term: int, wrapped: bytes) -> SecretBytes:
        """Return the secret.

        Raises:
            MaterialCorruptError: it does not open: damaged, or not at its place.
        """
        what = f"the {binding.table} of {binding.row}"
        if term not in self._terms:
            newer = self._renewed(term)
            if newer is None:
                raise corrupt(what)
            self.adopt(newer)
        return SecretBytes(_open(self._terms[term], wrapped, binding.associated_data(self._engine_id), what))

    def box(self, binding: Binding, content: bytes) -> bytes:
        """Return content wrapped, behind its term: for what has no column for the term."""
        term, wrapped = self.wrap(binding, SecretBytes(content))
        return term.to_bytes(_TERM_BYTES, "big") + wrapped

    def rebox(self, binding: Binding, box: bytes) -> bytes:
        """Return content boxed anew, under the newest term; raises as `unwrap`."""
        return self.box(binding, self.unbox(binding, box))

    def unbox(self, binding: Binding, box: bytes) -> bytes:
        """Return what `box` wrapped; raises as `unwrap`."""
        return self.unwrap(binding, int.from_bytes(box[:_TERM_BYTES], "big"), box[_TERM_BYTES:]).reveal()


def new_term(engine_id: str, root: SecretBytes, entropy: Callable[[int], bytes], term: int = FIRST_TERM) -> bytes:
    """Return a new keyring key for a term, wrapped under the root key."""
    return _wrapped(engine_id, root, term, entropy(KEY_BYTES), entropy)


def rewrapped_term(
    engine_id: str, old: SecretBytes, new: SecretBytes, term: int, wrapped: bytes, entropy: Callable[[int], bytes]
) -> bytes:
    """Return the keyring key of a term under another root key.

    Raises:
        MaterialCorruptError: it does not open under the old one.
    """
    associated_data = _term_binding(term).associated_data(engine_id)
    key = _open(AESGCM(old.reveal()), wrapped, associated_data, f"keyring key {term}")
    return _wrapped(engine_id, new, term, key, entropy)


def _wrapped(engine_id: str, root: SecretBytes, term: int, key: bytes, entropy: Callable[[int], bytes]) -> bytes:
    iv = entropy(IV_BYTES)
    return iv + AESGCM(root.reveal()).encrypt(iv, key, _term_binding(term).associated_data(engine_id))


def _term_binding(term: int) -> Binding:
    return Binding(table="term", row=str(term))


def _open(opener: AESGCM, blob: bytes, associated_data: bytes, what: str) -> bytes:
    try:
        return opener.decrypt(blob[:IV_BYTES], blob[IV_BYTES:], associated_data)
    except (InvalidTag, ValueError) as error:  # ValueError: too short to hold an IV
        raise corrupt(what) from error


def corrupt(what: str) -> MaterialCorruptError:
    """Return the error of a secret that does not open."""
    return MaterialCorruptError(
        f"{what} does not open: its row in the keystore was damaged, removed, moved from another row, or put back from "
        "an older state. It was not used. Restore the engine's folder from its newest backup"
    )
