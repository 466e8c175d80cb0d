"""Since when drift is known: what `drift --memory FILE` keeps between two runs.

The file holds, by lineage, the time at which each trace of a finding was first reported. What is not found any more is
forgotten, so that the file is as large as the drift, and what comes back counts as new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kmsplan.drift.fingerprint import traces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.plan.plan import Drift

FORMAT_VERSION: Final = "1.0"
Memory: TypeAlias = Mapping[str, Mapping[str, str]]
"""By lineage, then trace: when it was first reported, RFC 3339."""


class MemoryDamagedError(Exception):
    """A file is no memory of drift; the message says why."""


def parse(content: bytes) -> Memory:
    """Read a memory.

    Raises:
        MemoryDamagedError: it is none.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise MemoryDamagedError("it is not JSON") from None
    seen = document.get("first_seen") if isinstance(document, dict) else None
    if not isinstance(seen, dict) or document.get("format_version") != FORMAT_VERSION:
        raise MemoryDamagedError(f"it has no first_seen, or is not of format {FORMAT_VERSION}")
    for traced in seen.values():
        if not isinstance(traced, dict) or not all(map(_is_time, traced.values())):
            raise MemoryDamagedError("a time in it is none")
    return seen


def dump(memory: Memory) -> bytes:
    """Return a memory as a file's content; the same memory gives the same bytes."""
    document = {"format_version": FORMAT_VERSION, "first_seen": memory}
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def remember(memory: Memory, lineage: str, drift: Iterable[Drift], now: str) -> Memory:
    """Return the memory after a report: new drift gets `now`, what is gone is forgotten, other lineages stay."""
    known = memory.get(lineage, {})
    seen = {trace: known.get(trace, now) for one in drift for trace in traces(lineage, one)}
    return {**memory, lineage: seen}


def first_seen(memory: Memory, lineage: str, drift: Drift) -> str | None:
    """Return when anything of a finding was first reported; None where that is not remembered."""
    known = memory.get(lineage)
    if not known:
        return None
    return min((known[trace] for trace in traces(lineage, drift) if trace in known), default=None)


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
