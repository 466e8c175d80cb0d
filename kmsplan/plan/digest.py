"""Digests of what was observed, so that an apply can tell whether it still is what the plan was made from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import orjson

from kmsplan.kms.naming import Owner
from kmsplan.resource.value import Present, Unreadable
from kmsplan.state.plain import plain

if TYPE_CHECKING:
    from kmsplan.resource.value import Observation

ABSENT_DIGEST: Final = "absent"
UNREADABLE_DIGEST: Final = "unreadable"


def object_digest(observation: Observation) -> str:
    """Return sha256 hex over attributes, a key's state, and whose it is.

    What the KMS computes (last use, next rotation) is left out: using a key does not make a plan stale. So is the owner
    tag's token, which the state does not know, so that a plan made from the state alone can hold; and so is what is
    not there, of which some KMSs tell nothing, and the state that it is not.
    """
    if isinstance(observation, Unreadable):
        return UNREADABLE_DIGEST
    if not isinstance(observation, Present):
        return ABSENT_DIGEST
    owner = Owner.parse(observation.owner) if observation.owner else None
    content = [
        observation.kind,
        observation.identity,
        None if observation.kind == "instance" else observation.state,
        owner.lineage if owner else None,
        {name: value for name, value in observation.attributes.items() if value is not None},
    ]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS, default=plain)).hexdigest()
