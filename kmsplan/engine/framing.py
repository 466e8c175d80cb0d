"""Byte strings joined so that no two lists of them give the same bytes."""

from __future__ import annotations


def framed(*fields: bytes) -> bytes:
    """Return the fields, each behind its length (4 bytes, big-endian).

    A plain join lets bytes move from one field to the next: `k=v&k=v` reads {"a": "b&c=d"} and {"a": "b", "c": "d"}
    alike. With lengths the list can be read back, so two different lists differ.
    """
    return b"".join(part for field in fields for part in (len(field).to_bytes(4), field))
