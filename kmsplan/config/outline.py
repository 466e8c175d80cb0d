"""What a configuration seems to declare, by the layout of its text alone: fast, unchecked, for completion."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"instances": "instance", "keys": "key", "aliases": "alias", "service_keys": "service_key"}
)
"""By section of named objects: their kind."""
_SECTION: Final = re.compile(r"(\w+):")
_NAME: Final = re.compile(r"( +)['\"]?([A-Za-z0-9][\w./-]*)['\"]?:")
_ALIASES: Final = re.compile(r"\baliases: *\[([^\]]*)\]")
_STATE: Final = re.compile(r"^state:\s*\{?\s*local:\s*\{?\s*path:\s*['\"]?([^'\"},\s]+)", re.MULTILINE)


def addresses(text: str) -> Iterator[str]:
    """Yield the addresses of what is declared in block style, as files are written."""
    kind, indent = "", ""
    for line in text.splitlines():
        section = _SECTION.match(line)
        if section:
            kind, indent = _SECTIONS.get(section[1], ""), ""
        entry = _NAME.match(line) if kind else None
        if entry and entry[1] == (indent or entry[1]):
            indent = entry[1]
            yield f"{kind}.{entry[2]}"
        if kind == "key":
            for names in _ALIASES.findall(line):
                yield from (f"alias.{name}" for name in re.findall(r"[A-Za-z0-9][\w./-]*", names))


def state_path(text: str) -> str | None:
    """Return the folder that the text names for the state; None where it names none."""
    found = _STATE.search(text)
    return found[1] if found else None
