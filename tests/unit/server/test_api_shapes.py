"""What each action answers: every field, with its type, as the SDK's models have it."""

from __future__ import annotations

import inspect
import json
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from kmsplan.kms.lifecycle import KeyState
from kmsplan.server.action import unsupported
from kmsplan.server.action.table import ROWS
from kmsplan.server.reference import OWN
from tests.calls import CALLS

if TYPE_CHECKING:
    from tests.calls import Stage
    from tests.wire import Api

models = pytest.importorskip("alibabacloud_kms20160120.models")

SHAPES: Final[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "case" / "server" / "shapes.json").read_text())
ABSENT: Final = {
    ("AsymmetricDecrypt", "CiphertextForRecipient"): "no enclave is attested, so nothing is encrypted for one",
    ("Decrypt", "CiphertextForRecipient"): "as above",
    ("GenerateDataKey", "CiphertextForRecipient"): "as above",
}
"""Fields of the SDK's models that are never answered."""
OWN_FIELDS: Final = {
    ("DescribeKey", "KeyMetadata.KeyStorageMechanism"): "plans compare it; the cloud does not tell",
    ("DescribeKey", "KeyMetadata.LastUsedDate"): "plans warn before a key in use is deleted",
    ("DescribeKey", "KeyMetadata.UsageTrackedSince"): "as above",
    ("GetKmsInstance", "KmsInstance.InstanceType"): "ProductVersion does not tell external instances",
}
"""Fields that they do not have; clients pass over them."""
_WRITTEN: Final = re.compile(r"result\['([^']+)'\] = (?:self\.(\w+)|\[\]\n\s+if self\.(\w+) is not None)")
_KINDS: Final[dict[Any, str]] = {str: "text", int: "number", bool: "truth"}
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def fields(model: Any) -> dict[str, Any]:
    """Return what a model of the SDK reads, by name on the wire, with types."""
    hints = typing.get_type_hints(model.__init__)
    found = _WRITTEN.findall(inspect.getsource(model.to_map))
    assert len(found) == len(hints), model
    return {name: _kind(hints[one or many]) for name, one, many in found}


def _kind(hint: Any) -> Any:
    if typing.get_origin(hint) is list:
        return [_kind(typing.get_args(hint)[0])]
    return _KINDS.get(hint) or fields(hint)


def shape(value: Any) -> Any:
    """Return what a part of an answer looks like; a list as its first item, which stands for all of them."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        assert value, "an empty list shows nothing"
        assert [item for item in value if shape(item) != shape(value[0])] == []
        return [shape(value[0])]
    return _KINDS[type(value)]


def _at(tree: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *parts, last = path.split(".")
    for part in parts:
        tree = tree[part]
    return tree, last


def test_every_action_that_is_served_has_a_shape_and_a_call() -> None:
    assert SHAPES.keys() == CALLS.keys() == ROWS.keys() - unsupported.ROWS.keys()


@pytest.mark.parametrize("action", sorted(CALLS.keys() - {"OpenKmsService"}))
def test_an_answer_has_these_fields_and_no_others(stages: dict[KeyState, Stage], action: str) -> None:
    stage = stages[KeyState.PENDING_DELETION if action == "CancelKeyDeletion" else KeyState.ENABLED]
    assert shape(stage.api.ok(action, **CALLS[action](stage))) == SHAPES[action]


@pytest.mark.parametrize("action", sorted(SHAPES.keys() - OWN.keys()))
def test_the_fields_are_those_of_the_sdk(action: str) -> None:
    expected = {"RequestId": "text", **json.loads(json.dumps(SHAPES[action]))}
    for of, path in OWN_FIELDS:
        if of == action:
            tree, name = _at(expected, path)
            del tree[name]
    for of, path in ABSENT:
        if of == action:
            tree, name = _at(expected, path)
            tree[name] = "text"
    assert fields(getattr(models, f"{action}ResponseBody")) == expected


def test_what_says_nothing_about_a_key_is_absent_or_empty(stage: Stage) -> None:
    api, key = stage.api, stage.fresh()
    seen = api.ok("DescribeKey", KeyId=key)["KeyMetadata"]
    assert (seen["DeleteDate"], seen["MaterialExpireTime"], seen["AutomaticRotation"]) == ("", "", "Disabled")
    assert seen.keys() & {"NextRotationDate", "RotationInterval"} == set()
    asymmetric = api.ok("DescribeKey", KeyId=stage.signing["KeyId"])["KeyMetadata"]
    assert "PrimaryKeyVersion" not in asymmetric
    waiting = api.ok("CreateKey", DKMSInstanceId=stage.instance, Origin="EXTERNAL")["KeyMetadata"]
    assert (waiting["KeyState"], waiting["LastRotationDate"]) == ("PendingImport", "")
    assert "PrimaryKeyVersion" not in waiting


def test_dates_have_seconds_and_no_fraction_and_durations_are_seconds(stage: Stage) -> None:
    seen = stage.api.ok("DescribeKey", KeyId=stage.aes)["KeyMetadata"]
    assert seen["RotationInterval"] == "2592000s"
    dates = ("CreationDate", "LastRotationDate", "NextRotationDate")
    assert [name for name in dates if not _TIME.fullmatch(seen[name])] == []
    going = stage.fresh()
    stage.api.ok("ScheduleKeyDeletion", KeyId=going, PendingWindowInDays="7")
    assert _TIME.fullmatch(stage.api.ok("DescribeKey", KeyId=going)["KeyMetadata"]["DeleteDate"])


def test_a_list_without_items_is_a_list(served: Api) -> None:
    answer = served.ok("ListKeys", Filters='[{"Key":"KeyState","Values":["none"]}]')
    assert answer == {"Keys": {"Key": []}, "PageNumber": 1, "PageSize": 10, "TotalCount": 0}


@pytest.mark.parametrize("action", sorted(unsupported.ROWS))
def test_what_is_not_served_says_so(served: Api, action: str) -> None:
    reply = served.call(action, {"SecretName": "x", "Name": "x"})
    assert (reply.status, reply.code) == (400, "UnsupportedOperation")
    assert reply.json["Message"].startswith(f"{action} is not supported by this server: ")


def test_the_service_is_open_already(served: Api) -> None:
    reply = served.call("OpenKmsService")
    assert (reply.status, reply.code) == (400, "Forbidden.Opened")


def test_what_nobody_knows_is_no_action(served: Api) -> None:
    reply = served.call("DestroyEverything")
    assert (reply.status, reply.code) == (404, "InvalidAction.NotFound")
