"""SDKs of other times and languages against a served engine, called by the API's own names."""

from __future__ import annotations

import json
import os
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.client import AcsClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.served import Served

NODE = Path(__file__).with_name("node")


@dataclass(frozen=True)
class Answer:
    """What an SDK made of a response."""

    status: int
    """Of HTTP; 0 where there was no response."""
    body: dict[str, Any]
    """Of a refusal: Code, Message, RequestId."""


class ApiClient(ABC):
    """A client that takes and gives plain dictionaries with the API's names."""

    served: Served

    @abstractmethod
    def send(self, action: str, fields: dict[str, Any]) -> Answer:
        """Call an action."""

    @cached_property
    def placed(self) -> dict[str, str]:
        """What says where a new key is to be."""
        return {"DKMSInstanceId": self("ListKmsInstances")["KmsInstances"]["KmsInstance"][0]["KmsInstanceId"]}

    def __call__(self, action: str, **fields: Any) -> dict[str, Any]:
        answer = self.send(action, fields)
        assert answer.status == 200, answer
        assert answer.body.pop("RequestId")
        return answer.body

    def refused(self, action: str, **fields: Any) -> tuple[int, str]:
        """Return status and code of a refusal, which has everything that an SDK looks for."""
        answer = self.send(action, fields)
        assert answer.status != 200, answer
        assert answer.body["RequestId"]
        assert answer.body["Message"]
        return answer.status, answer.body["Code"]

    def key(self, **options: Any) -> str:
        return str(self("CreateKey", **self.placed, **options)["KeyMetadata"]["KeyId"])

    def version(self, key: str) -> str:
        return str(self("ListKeyVersions", KeyId=key)["KeyVersions"]["KeyVersion"][0]["KeyVersionId"])

    def metadata(self, key: str) -> dict[str, Any]:
        seen: dict[str, Any] = self("DescribeKey", KeyId=key)["KeyMetadata"]
        return seen


class OldPython(ApiClient):
    """`aliyunsdkkms`: RPC requests with signature version 1 (HMAC-SHA1), everything in the URL.

    Args:
        served: where to.
        method: of HTTP; the SDK's own choice is POST, and an application may set GET.
        options: other credentials, and what else `AcsClient` takes.
    """

    def __init__(self, served: Served, method: str = "POST", **options: Any) -> None:
        self.served = served
        self._method = method
        self._host, _, port = served.endpoint.partition(":")
        given = {
            "ak": served.access_key_id,
            "secret": served.access_key_secret,
            "region_id": served.region,
            "port": int(port),
            "auto_retry": False,
        }
        self._scheme = options.pop("scheme", "http")
        self._client = AcsClient(**(given | options))

    def send(self, action: str, fields: dict[str, Any]) -> Answer:
        request = getattr(import_module(f"aliyunsdkkms.request.v20160120.{action}Request"), f"{action}Request")()
        request.set_endpoint(self._host)
        request.set_protocol_type(self._scheme)
        request.set_method(self._method)
        for name, value in fields.items():
            # This SDK takes a mapping as the JSON that its application makes of it.
            getattr(request, f"set_{name}")(json.dumps(value) if isinstance(value, dict) else value)
        try:
            return Answer(200, json.loads(self._client.do_action_with_exception(request)))
        except ServerException as error:
            told = {
                "Code": error.get_error_code(),
                "Message": error.get_error_msg(),
                "RequestId": error.get_request_id(),
            }
            return Answer(error.get_http_status(), told)
        except ClientException as error:
            return Answer(0, {"Code": error.get_error_code(), "Message": error.get_error_msg()})


@dataclass
class Node(ApiClient):
    """`@alicloud/kms20160120`: RPC requests of a JavaScript program, which runs as long as this is entered."""

    served: Served
    options: dict[str, str] = field(default_factory=dict)
    """Other variables for the program."""

    def __enter__(self) -> Self:
        assert any(NODE.glob("node_modules/.kmsplan-*")), (
            f"the Node SDK is not installed in {NODE}; from the top of the project run "
            "bash -c '. tests/setup.sh; node_packages tests/node', or tests/run, which does that too"
        )
        self._process = subprocess.Popen(
            ["node", "client.mjs"],
            cwd=NODE,
            env={**os.environ, **self.served.environ, "KMS_ENDPOINT": self.served.endpoint, **self.options},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        errors = self._process.communicate(timeout=60)[1]
        assert self._process.returncode == 0, errors

    def send(self, action: str, fields: dict[str, Any]) -> Answer:
        (answer,) = self.send_all([(action, fields)])
        return answer

    def send_all(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Answer]:
        """Call actions at the same time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([{"action": action, "fields": fields} for action, fields in calls]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the program has ended; what it said is told at its end"
        return [Answer(**answer) for answer in json.loads(line)]
