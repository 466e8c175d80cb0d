"""Digests of what was observed, so that an apply can tell whether it still is what the plan was made from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import orjson

from kmsplan.resource.value import Present, Unreadable
from kmsplan.state.plain import plain

if TYPE_CHECKING:
    from kmsplan.resource.value import Observation

ABSENT_DIGEST: Final = "absent"
UNREADABLE_DIGEST: Final = "unreadable"


def object_digest(observation: Observation) -> str:
    """Return sha256 hex over attributes, state and owner.

    What the KMS computes (last use, next rotation) is left out: using a key does not make a plan stale.
    """
    if isinstance(observation, Unreadable):
        return UNREADABLE_DIGEST
    if not isinstance(observation, Present):
        return ABSENT_DIGEST
    content = [
        observation.kind,
        observation.identity,
        observation.state,
        observation.owner,
        dict(observation.attributes),
    ]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS, default=plain)).hexdigest()
