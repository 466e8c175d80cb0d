"""What makes drift the same drift: the same object of the same state, of the same kind, in the same attributes.

Values are not part of it. A tag that goes from one wrong value to another is still the finding that somebody has been
working on since Monday; so is one whose declaration moved to another line.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.plan.plan import Drift

DIGITS: Final = 16


def fingerprint(lineage: str, drift: Drift) -> str:
    """Return the fingerprint of a finding: 16 hex digits."""
    return _digest(lineage, drift, (one.name for one in drift.attributes))


def traces(lineage: str, drift: Drift) -> tuple[str, ...]:
    """Return what a finding is remembered by: one fingerprint for each attribute, so that others may come and go."""
    names = [one.name for one in drift.attributes]
    return tuple(_digest(lineage, drift, (name,)) for name in names) or (_digest(lineage, drift, ()),)


def _digest(lineage: str, drift: Drift, names: Iterable[str]) -> str:
    about = [lineage, drift.address or drift.identity, drift.kind, sorted(names)]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:DIGITS]
