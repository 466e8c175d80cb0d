"""The ciphertext of a symmetric key, as Alibaba Cloud KMS lays it out, and what it is bound to.

`KeyVersionId (36 ASCII characters) | IV (12 bytes) | AES-256-GCM ciphertext | tag (16 bytes)`

The cloud's associated data is a hash of `k=v&k=v`, which joins {"a": "b&c=d"} and {"a": "b", "c": "d"} to the same
bytes, and leaves the version id out. Here both are bound, each part behind its length (`framing`): a ciphertext opens
under exactly the context and the key version that made it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from kmsplan.engine.framing import framed
from kmsplan.engine.parameter import invalid, is_text
from kmsplan.engine.protection.protocol import InvalidCiphertextError

KEY_ID_LENGTH: Final = 25
VERSION_ID_LENGTH: Final = 36
CONTEXT_LENGTH: Final = 8192
"""Characters of all names and values of an encryption context (Encrypt)."""
_OVERHEAD: Final = 12 + 16
_VERSION_ID: Final = re.compile(rb"key-[a-z0-9]{21}-[a-z0-9]{10}")
_LABEL: Final = b"kmsplan ciphertext 1"


def join(version_id: str, sealed: bytes) -> bytes:
    """Return the ciphertext: the version id, then IV, ciphertext and tag."""
    return version_id.encode("ascii") + sealed


def split(blob: bytes) -> tuple[str, str, bytes]:
    """Return key id, version id, and what the handle sealed.

    Raises:
        InvalidCiphertextError: it is no ciphertext of ours.
    """
    head = blob[:VERSION_ID_LENGTH]
    if len(blob) < VERSION_ID_LENGTH + _OVERHEAD or not _VERSION_ID.fullmatch(head):
        raise InvalidCiphertextError
    version_id = head.decode("ascii")
    return version_id[:KEY_ID_LENGTH], version_id, blob[VERSION_ID_LENGTH:]


def associated_data(version_id: str, context: Mapping[str, str] | None) -> bytes:
    """Return what the ciphertext is bound to; the order of the context does not matter.

    Raises:
        KmsError: the context is no mapping of text to text, or too long.
    """
    if not context:
        return _bound_alone(version_id)
    _check(context)
    pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    return framed(_LABEL, version_id.encode(), *(part for pair in pairs for part in pair))


@lru_cache(maxsize=1024)
def _bound_alone(version_id: str) -> bytes:
    return framed(_LABEL, version_id.encode())


def _check(context: Any) -> None:
    if not isinstance(context, Mapping) or not all(is_text(part) for pair in context.items() for part in pair):
        raise invalid("EncryptionContext", "it maps text to text, nothing else")
    length = sum(len(name) + len(value) for name, value in context.items())
    if length > CONTEXT_LENGTH:
        raise invalid("EncryptionContext", f"it has {length} characters, and at most {CONTEXT_LENGTH} are allowed")
