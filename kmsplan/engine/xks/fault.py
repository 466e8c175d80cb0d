"""The error names of the proxy API and their HTTP codes (specification, "Error codes")."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

VALIDATION: Final = "ValidationException"
INVALID_STATE: Final = "InvalidStateException"
INVALID_CIPHERTEXT: Final = "InvalidCiphertextException"
INVALID_KEY_USAGE: Final = "InvalidKeyUsageException"
AUTHENTICATION_FAILED: Final = "AuthenticationFailedException"
ACCESS_DENIED: Final = "AccessDeniedException"
KEY_NOT_FOUND: Final = "KeyNotFoundException"
INVALID_URI_PATH: Final = "InvalidUriPathException"
THROTTLING: Final = "ThrottlingException"
INTERNAL: Final = "InternalException"
UNSUPPORTED_OPERATION: Final = "UnsupportedOperationException"
DEPENDENCY_TIMEOUT: Final = "DependencyTimeoutException"

STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        VALIDATION: 400,
        INVALID_STATE: 400,
        INVALID_CIPHERTEXT: 400,
        INVALID_KEY_USAGE: 400,
        AUTHENTICATION_FAILED: 401,
        ACCESS_DENIED: 403,
        KEY_NOT_FOUND: 404,
        INVALID_URI_PATH: 404,
        THROTTLING: 429,
        INTERNAL: 500,
        UNSUPPORTED_OPERATION: 501,
        DEPENDENCY_TIMEOUT: 503,
    }
)

MESSAGE_LENGTH: Final = 511
"""Characters of an `errorMessage`, which are printable ASCII."""


class XksError(Exception):
    """An error answer of a proxy: one that was received, or one that is to be sent.

    Args:
        name: the `errorName`.
        message: for people, without any secret.
    """

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        self.message = message
        super().__init__(f"{message} ({name})")


def plain(message: str) -> str:
    """Return a message as the API wants it, and as a terminal and a log can show it: printable ASCII, not too long."""
    return "".join(char if " " <= char <= "~" else "?" for char in message)[:MESSAGE_LENGTH]
