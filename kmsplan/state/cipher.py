"""Between a state's bytes and the store that keeps them: as they are, or encrypted with a key that nobody keeps there.

1. AES-256-GCM (NIST SP 800-38D) under a random nonce of 96 bits: one key serves 2^32 snapshots and journal lines.
2. What a text is and where it belongs (lineage, serial or sequence, format version) is associated data: a snapshot that
   was renamed to another serial, or a line that was moved, does not open.
3. An encrypted text is a JSON object with that header in the clear, the key's id, and `sealed`: nonce and ciphertext in
   Base64. The id tells a wrong key from a damaged text.
4. Neither is ever taken for the other: whoever can write the store cannot put a plain text in an encrypted one's place.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from kmsplan.state.error import StateCorruptError, StateKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmsplan.kms.secret import SecretBytes

_NONCE_SIZE: Final = 12
_ID_SIZE: Final = 16
_ID_DOMAIN: Final = b"kmsplan state key id\0"
SEALED: Final = "sealed"


class Codec(Protocol):
    """Seals what a store keeps, and opens it again."""

    @property
    def key_id(self) -> str | None:
        """Names the key; None where nothing is encrypted."""

    def seal(self, content: bytes, aad: bytes) -> bytes:
        """Return the content as it is kept."""

    def open(self, content: bytes, aad: bytes) -> bytes | None:
        """Return the content again; None where it, or what it is bound to, is not what was sealed."""


class Plain:
    """Keeps everything as it is."""

    key_id: Final = None

    def seal(self, content: bytes, aad: bytes) -> bytes:
        """Return the content."""
        del aad
        return content

    def open(self, content: bytes, aad: bytes) -> bytes | None:
        """Return the content."""
        del aad
        return content


PLAIN: Final[Codec] = Plain()


class Cipher:
    """AES-256-GCM under one key."""

    def __init__(self, key: SecretBytes, entropy: Callable[[int], bytes] = os.urandom) -> None:
        """Take a key of 32 bytes, and what gives random ones."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - most states are plain

        self._cipher = AESGCM(key.reveal())
        self._entropy = entropy
        self._key_id = hashlib.sha256(_ID_DOMAIN + key.reveal()).hexdigest()[:_ID_SIZE]

    @property
    def key_id(self) -> str | None:
        """Names the key and tells nothing of it."""
        return self._key_id

    def seal(self, content: bytes, aad: bytes) -> bytes:
        """Return nonce, ciphertext and tag."""
        nonce = self._entropy(_NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, content, aad)

    def open(self, content: bytes, aad: bytes) -> bytes | None:
        """Return the content again; None where it, or what it is bound to, is not what was sealed."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

        try:
            return self._cipher.decrypt(content[:_NONCE_SIZE], content[_NONCE_SIZE:], aad)
        except (InvalidTag, ValueError):
            return None


def key_of(document: Mapping[str, Any]) -> Any:
    """Return the id of the key that something was encrypted with; None where it is plain."""
    return document.get("key") if SEALED in document else None


def wrap(codec: Codec, content: bytes, header: Mapping[str, Any], **bound: Any) -> bytes:
    """Return a text as a store keeps it.

    Args:
        codec: of the store.
        content: the text.
        header: stands in the clear before an encrypted text, and is bound to it.
        bound: is bound to it, too, and known to whoever opens it.
    """
    if codec.key_id is None:
        return content
    shown = {**header, "key": codec.key_id}
    sealed = codec.seal(content, _aad({**shown, **bound}))
    return orjson.dumps({**shown, SEALED: base64.b64encode(sealed).decode()})


def unwrap(
    codec: Codec, content: bytes, document: Mapping[str, Any], *, place: str, remedy: str, **bound: Any
) -> bytes:
    """Return the text that `wrap` was given.

    Args:
        codec: of the store.
        content: what the store keeps.
        document: the same, read as JSON.
        place: where it is kept, for messages.
        remedy: what to do about a damaged one.
        bound: as `wrap` got it.

    Raises:
        StateKeyError: it is not encrypted with the codec's key.
        StateCorruptError: it, or something that it is bound to, was changed.
    """
    found = key_of(document)
    if found != codec.key_id:
        raise _other_key(place, found, codec.key_id)
    if found is None:
        return content
    header = {name: value for name, value in document.items() if name != SEALED}
    try:
        sealed = base64.b64decode(document[SEALED], validate=True)
    except (binascii.Error, TypeError, ValueError):
        sealed = b""
    opened = codec.open(sealed, _aad({**header, **bound}))
    if opened is None:
        raise StateCorruptError(
            f"{place} does not open with the right key: it was changed, or moved here from another place", remedy
        )
    return opened


def _aad(values: Mapping[str, Any]) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)


def _other_key(place: str, found: Any, wanted: str | None) -> StateKeyError:
    match found, wanted:
        case None, _:
            what = "is not encrypted, and the configuration says under `state` that it is"
        case _, None:
            what = f"is encrypted with the key {found}, and no key was named to open it with"
        case _:
            what = f"is encrypted with the key {found}, and not with the key {wanted} that it was to be opened with"
    return StateKeyError(
        f"{place} {what}",
        "Nothing was changed. Name its key in the configuration: state: {encryption: {env: NAME}} or {file: PATH}. If "
        "the configuration is right and the state is to follow it: kmsplan state rekey with --from-plain, --from-env "
        "NAME or --from-file PATH, which says how it is kept now.",
    )
