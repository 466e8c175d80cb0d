"""Tags of keys and instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.action.work import find_instance
from kmsplan.engine.keystore import tag as tags
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import TAG_LIMIT

if TYPE_CHECKING:
    from kmsplan.engine.action.work import Work
    from kmsplan.kms.operation import TagResources, UntagResources


def put(work: Work, operation: TagResources) -> None:
    """Add tags, or change their values."""
    resource = _find(work, operation.resource_type, operation.resource)
    tags.put(work.db, resource, operation.tags)
    count = tags.count(work.db, resource)
    if count > TAG_LIMIT:
        raise KmsError(
            "Rejected.LimitExceeded", f"A resource has at most {TAG_LIMIT} tags; {resource} would have {count}."
        )


def remove(work: Work, operation: UntagResources) -> None:
    """Remove tags by their names."""
    tags.remove(work.db, _find(work, operation.resource_type, operation.resource), operation.tag_keys)


def _find(work: Work, resource_type: str, resource: object) -> str:
    if resource_type == "instance":
        return find_instance(work.db, resource).instance_id
    return work.key(resource).key_id
