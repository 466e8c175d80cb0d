"""Dry runs: they never succeed, and say what the call would have come to."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import ScheduleKeyDeletion, UpdateKeyDescription
from kmsplan.server.rehearsal import verdict
from tests.calls import CALLS, CRYPTO

if TYPE_CHECKING:
    from tests.calls import Stage


@pytest.mark.parametrize("action", sorted(CRYPTO))
def test_a_dry_run_of_what_would_succeed_says_so(stage: Stage, action: str) -> None:
    reply = stage.api.call(action, {**CALLS[action](stage), "DryRun": "True"})
    assert (reply.status, reply.code) == (400, "DryRunOperationError")


@pytest.mark.parametrize("action", sorted(CRYPTO))
def test_a_dry_run_of_what_is_wrong_says_what_is(stage: Stage, action: str) -> None:
    sent = CALLS[action](stage)
    wrong = {
        "CiphertextBlob": b64encode(bytes(100)).decode(),
        **{name: "key-none" for name in sent if name.endswith("KeyId")},
    }
    reply = stage.api.call(action, {**sent, **wrong, "DryRun": "true"})
    assert (reply.status, reply.code) == (400, "ValidationError")
    for name in sent:
        rest = {key: value for key, value in sent.items() if key != name}
        reply = stage.api.call(action, {**rest, "DryRun": "true"})
        assert (reply.status, reply.code) == (400, "ValidationError")
        assert f'"{name}" is needed' in reply.json["Message"]


def test_a_dry_run_answers_for_its_moment_only_where_that_is_the_calls_fault(stage: Stage) -> None:
    sent = {"KeyId": stage.fresh(), "Plaintext": "x", "DryRun": "true"}
    stage.api.ok("DisableKey", KeyId=sent["KeyId"])
    reply = stage.api.call("Encrypt", sent)
    assert (reply.status, reply.code) == (400, "ValidationError")
    assert "Rejected.Disabled" in reply.json["Message"]
    assert stage.api.call("Encrypt", {**sent, "DryRun": "false"}).code == "Rejected.Disabled"
    assert stage.api.call("DescribeKey", {"KeyId": "key-none", "DryRun": "true"}).code == "Forbidden.KeyNotFound"


def test_a_dry_run_is_made_again_where_another_process_has_changed_the_key(stage: Stage) -> None:
    sent = {"KeyId": stage.fresh(), "Plaintext": "x", "DryRun": "true"}
    assert stage.api.call("Encrypt", sent).code == "DryRunOperationError"
    other = stage.api.lab.open(actor="another process")
    other.execute(UpdateKeyDescription(key=sent["KeyId"], description="changed"))
    assert stage.api.call("Encrypt", sent).code == "DryRunOperationError"
    other.execute(ScheduleKeyDeletion(key=sent["KeyId"], window_days=366))
    reply = stage.api.call("Encrypt", sent)
    assert (reply.code, "Rejected.PendingDeletion" in reply.json["Message"]) == ("ValidationError", True)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("Forbidden.NoPermission", "AccessDeniedError"),
        ("Forbidden.KeyNotFound", "ValidationError"),
        ("Rejected.Disabled", "ValidationError"),
        ("DryRunOperationError", "DryRunOperationError"),
        ("Rejected.Throttling", "Rejected.Throttling"),
        ("Rejected.Unavailable", "Rejected.Unavailable"),
        ("Rejected.Sealed", "Rejected.Sealed"),
        ("InternalFailure", "InternalFailure"),
        ("InvalidAccessKeyId.Inactive", "InvalidAccessKeyId.Inactive"),
    ],
)
def test_what_is_no_fault_of_the_call_is_told_as_it_is(code: str, told: str) -> None:
    assert verdict(KmsError(code)).code == told
