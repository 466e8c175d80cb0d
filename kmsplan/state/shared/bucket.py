"""Objects of one bucket: read, and written under a condition, through the AWS SDK."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from kmsplan.state.error import StateAccessError

if TYPE_CHECKING:
    from collections.abc import Mapping

_GONE: Final = frozenset({"NoSuchKey", "404"})
_REFUSED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "409", "412"})
_REMEDY: Final = (
    "Check state.s3 (bucket, key, region, endpoint), the credentials in the environment, the profile or the role, and "
    "that they may get, put, list and delete objects there. What a run has done is in its journal on its machine: run "
    "kmsplan there again."
)


@dataclass(frozen=True, slots=True)
class Object:
    """An object as it was read."""

    content: bytes
    etag: str
    age: float
    """Seconds since it was written, by the store's own clock, which counts whole ones here."""


class ConditionError(Exception):
    """The object is not there as the condition says."""


class Bucket:
    """One bucket. Credentials come from where the SDK finds them: environment, profile, role.

    Args:
        options: `bucket`, `region`, `endpoint`, `profile`, `path_style`, as in the configuration.
        attempts: so often a request is sent at most.
    """

    def __init__(self, options: Mapping[str, Any], attempts: int) -> None:
        self._bucket = options["bucket"]
        style = "path" if options.get("path_style") else "auto"
        config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": style},
            request_checksum_calculation="when_required",  # other makers' stores do not know the newer ones
            response_checksum_validation="when_required",
        )
        try:
            session = boto3.session.Session(
                profile_name=options.get("profile"),
                region_name=options.get("region"),
            )
            self._client = session.client("s3", endpoint_url=options.get("endpoint"), config=config)
        except (BotoCoreError, ValueError) as error:
            raise self._failed(error) from error

    def get(self, key: str, *, size: int | None = None) -> Object | None:
        """Return an object, or its first `size` bytes; None where there is none.

        Raises:
            StateAccessError: the store cannot be reached or refuses.
        """
        part = {} if size is None else {"Range": f"bytes=0-{size - 1}"}
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **part)
            with contextlib.closing(answer["Body"]) as body:
                content = body.read()
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise self._failed(error) from error
        except BotoCoreError as error:
            raise self._failed(error) from error
        return Object(content, answer["ETag"], _age(answer))

    def put(self, key: str, content: bytes, **condition: str) -> str:
        """Write an object, and return its ETag.

        Args:
            key: its name.
            content: the whole of it.
            condition: `IfMatch` or `IfNoneMatch`.

        Raises:
            ConditionError: the condition does not hold.
            StateAccessError: the store cannot be reached or refuses.
        """
        try:
            answer = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=content, ContentType="application/json", **condition
            )
        except ClientError as error:
            if condition and _code(error) in _REFUSED | _GONE:
                raise ConditionError(key) from error
            raise self._failed(error) from error
        except BotoCoreError as error:
            raise self._failed(error) from error
        return str(answer["ETag"])

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error.

        Raises:
            StateAccessError: the store cannot be reached or refuses.
        """
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            raise self._failed(error) from error

    def names(self, prefix: str) -> list[str]:
        """Return the names of all objects that begin so.

        Raises:
            StateAccessError: the store cannot be reached or refuses.
        """
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [found["Key"] for page in pages for found in page.get("Contents", ())]
        except (ClientError, BotoCoreError) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close idle connections; they are opened anew where they are needed."""
        self._client.close()

    def _failed(self, error: Exception) -> StateAccessError:
        return StateAccessError(f"the bucket {self._bucket} cannot be used: {' '.join(str(error).split())}", _REMEDY)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _age(answer: Mapping[str, Any]) -> float:
    written: datetime = answer["LastModified"]
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return (now - written).total_seconds()
