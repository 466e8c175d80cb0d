"""Bytes that cannot print themselves."""

from __future__ import annotations

import hmac
from typing import NoReturn


class SecretBytes:
    """Key material, PIN or passphrase. No repr, str, format, pickle or == shows or compares the content.

    The content comes out only through `reveal()`, so every use is found by searching for that word.
    """

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """Return the content. Keep it in a local name, never in a message."""
        return self._content

    def matches(self, other: SecretBytes) -> bool:
        """Compare in constant time, so that a timing attack learns nothing of the content."""
        return hmac.compare_digest(self._content, other._content)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return "SecretBytes(redacted)"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("compare secrets with matches()")

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("secrets are not pickled")
