"""Tags of keys and instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.engine.action.work import find_instance
from kmsplan.engine.keystore import tag as tags
from kmsplan.engine.parameter import invalid
from kmsplan.kms.error import KmsError
from kmsplan.kms.naming import TAG_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.engine.action.work import Work
    from kmsplan.kms.operation import TagResource, TagResources, UntagResource, UntagResources


def put(work: Work, operation: TagResources) -> None:
    """Add tags to resources, or change their values: to all of them or to none."""
    for resource in _found(work, operation.resource_type, operation.resource):
        _put(work, resource, operation.tags)


def remove(work: Work, operation: UntagResources) -> None:
    """Remove tags from resources by their names, or all of them."""
    if bool(operation.tag_keys) == bool(operation.every):
        raise invalid("TagKey", "either TagKey names the tags to remove, or All says that every one goes")
    for resource in _found(work, operation.resource_type, operation.resource):
        if operation.every:
            tags.remove_all(work.db, resource)
        else:
            tags.remove(work.db, resource, operation.tag_keys)


def put_one(work: Work, operation: TagResource) -> None:
    """Add tags to one key."""
    _put(work, work.key(operation.key).key_id, operation.tags)


def remove_one(work: Work, operation: UntagResource) -> None:
    """Remove tags from one key by their names; those that are not there are no error."""
    tags.remove(work.db, work.key(operation.key).key_id, operation.tag_keys)


def _put(work: Work, resource: str, added: Mapping[str, str]) -> None:
    tags.put(work.db, resource, added)
    count = tags.count(work.db, resource)
    if count > TAG_LIMIT:
        raise KmsError(
            "Rejected.LimitExceeded", f"A resource has at most {TAG_LIMIT} tags; {resource} would have {count}."
        )


def _found(work: Work, resource_type: str, resources: object) -> Iterator[str]:
    """Yield the id of each resource, once it was checked."""
    for resource in resources if isinstance(resources, tuple) else (resources,):
        if resource_type == "instance":
            yield find_instance(work.db, resource).instance_id
        else:
            yield work.key(resource).key_id
