"""Text of others, made safe for a terminal: it must not move the cursor, forge a line or turn text around."""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls, ESC and CSI among them
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, bidi marks, line breaks
    "\ud800-\udfff"  # lone surrogates
    "\U000e0000-\U000e0fff"  # tags and variation selectors
    "]"
)


def escape(text: str) -> str:
    """Return the text with everything that a terminal would act on, or hide, as a visible escape."""
    return _UNSAFE.sub(_escaped, text)


def quote(text: str) -> str:
    """Return the text in double quotes, safe."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escape(plain)}"'


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0])
    if short:
        return short
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the sizes of the escapes
