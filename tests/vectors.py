"""Reads the public test vectors that the package cryptography_vectors carries (NIST CAVP, RSA Laboratories)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cryptography_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(cryptography_vectors.__file__).parent


def cases(name: str) -> Iterator[dict[str, str]]:
    """Yield each case of a CAVP response file: its own lines, and those of the sections that it stands in.

    A line is `NAME = VALUE`, a section `[NAME = VALUE]` or `[NAME]`; an empty line ends a case. A lone word, `FAIL`, is
    a name with an empty value.
    """
    section: dict[str, str] = {}
    case: dict[str, str] = {}
    for raw in (ROOT / name).read_text().splitlines():
        line = raw.strip()
        if line.startswith("["):
            head, _, value = line.strip("[]").partition("=")
            if not value:
                section = {}
            section[head.strip()] = value.strip()
        elif line and not line.startswith("#"):
            head, _, value = line.partition("=")
            case[head.strip()] = value.strip()
        elif case:
            yield {**section, **case}
            case = {}
    if case:
        yield {**section, **case}


def oaep_groups(name: str) -> Iterator[tuple[dict[str, int], list[tuple[bytes, bytes]]]]:
    """Yield, for each key of an RSA Laboratories file, its numbers and its pairs of message and ciphertext."""
    numbers: dict[str, int] = {}
    pairs: list[tuple[bytes, bytes]] = []
    heading, digits = "", ""
    for raw in [*(ROOT / name).read_text().splitlines(), "# Modulus:"]:
        line = raw.strip()
        if not line.startswith("#"):
            digits += line.replace(" ", "") if heading else ""
            continue
        if heading and digits:
            _store(heading, digits, numbers, pairs)
        if line == "# Modulus:" and pairs:
            yield numbers, pairs
            numbers, pairs = {}, []
        heading, digits = (line.strip("# :"), "") if line.endswith(":") else ("", "")


def _store(heading: str, digits: str, numbers: dict[str, int], pairs: list[tuple[bytes, bytes]]) -> None:
    if heading == "Message":
        pairs.append((bytes.fromhex(digits), b""))
    elif heading == "Encryption":
        pairs[-1] = (pairs[-1][0], bytes.fromhex(digits))
    elif heading != "Seed":
        numbers.setdefault(heading, int(digits, 16))
