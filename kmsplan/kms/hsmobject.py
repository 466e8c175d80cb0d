"""Objects that are in an HSM's token already: how their CKA_ID, by which a key names one, is written."""

from __future__ import annotations

import re
from typing import Final

ID_BYTES: Final = 64
"""Of a CKA_ID at most; applications write 1 to 32."""
HSM_OBJECT_PATTERN: Final = r"^([0-9A-Fa-f]{2}){1,64}$"
"""A CKA_ID in hexadecimal digits, as pkcs11-tool shows it."""

_HSM_OBJECT: Final = re.compile(HSM_OBJECT_PATTERN.replace("$", r"\Z"))


def is_hsm_object(text: str) -> bool:
    """Return whether a text is a CKA_ID in hexadecimal digits."""
    return _HSM_OBJECT.match(text) is not None


def canonical_object(text: str) -> str:
    """Return a CKA_ID in the one form that is compared: lower-case hexadecimal digits."""
    return text.lower()
