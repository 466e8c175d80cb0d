from __future__ import annotations

import json
import ssl

import pytest

from kmsplan.kms.error import ERRORS
from kmsplan.provider.alibaba import failure
from kmsplan.provider.alibaba.failure import CallError, answered, unanswered

WHERE = {"action": "CreateKey", "endpoint": "kms.example.org"}


def _wrapped(error: BaseException) -> Exception:
    """Return an error as the SDK passes it on: around what the libraries below it raised."""
    outer = RuntimeError("SDKError")
    outer.__cause__ = error
    return outer


def _named(name: str, text: str = "text") -> BaseException:
    """Return an exception of a library that is not imported here."""
    kind: type[Exception] = type(name, (Exception,), {})
    return kind(text)


def _tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] text")
    error.reason = reason
    return error


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_an_answer_with_a_known_code_means_what_the_error_table_says(code: str) -> None:
    error = answered(400, {"Code": code, "Message": "text", "RequestId": "r-1"}, action="CreateKey")
    assert (error.code, error.facts, error.answered) == (code, ERRORS[code], True)
    assert "r-1" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "retry", "in_doubt"),
    [
        (429, "Odd", True, False),
        (400, "Odd", False, False),
        (404, "Odd", False, False),
        (500, "Odd", True, True),
        (503, "Odd", True, True),
        (302, "Odd", True, True),
        (400, "Throttling.User", True, False),
    ],
)
def test_an_unknown_code_means_what_its_status_says(status: int, code: str, *, retry: bool, in_doubt: bool) -> None:
    facts = answered(status, {"Code": code}, action="CreateKey").facts
    assert (facts.retry, facts.in_doubt) == (retry, in_doubt)


def test_an_answer_without_code_or_request_id_is_not_the_kms_s_own() -> None:
    error = answered(502, {}, action="CreateKey")
    assert (error.code, error.answered, error.status) == ("HTTP 502", False, 502)
    assert "CreateKey" in error.message


def test_a_missing_permission_is_named() -> None:
    error = answered(403, {"Code": "Forbidden.NoPermission", "Message": "No."}, action="TagResources")
    assert "kms:TagResources" in error.message


@pytest.mark.parametrize(
    ("error", "code", "retry", "in_doubt"),
    [
        (_named("NameResolutionError"), failure.NOT_SENT, True, False),
        (_named("NewConnectionError"), failure.NOT_SENT, True, False),
        (_named("ConnectTimeoutError"), failure.NOT_SENT, True, False),
        (_named("ProxyError"), failure.NOT_SENT, True, False),
        (_named("ReadTimeoutError"), failure.LOST, True, True),
        (ConnectionResetError(104, "Connection reset by peer"), failure.LOST, True, True),
        (json.JSONDecodeError("text", "<html>", 0), failure.UNREADABLE, True, True),
        (_tls("CERTIFICATE_VERIFY_FAILED"), failure.NOT_SENT, False, False),
        (_tls("WRONG_VERSION_NUMBER"), failure.NOT_SENT, False, False),
        (_tls("UNEXPECTED_EOF_WHILE_READING"), failure.LOST, True, True),
        (_named("CredentialException"), failure.NO_CREDENTIALS, False, False),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_without_an_answer_it_depends_on_how_far_the_request_got(
    error: Exception, code: str, *, retry: bool, in_doubt: bool, wrapped: bool
) -> None:
    told = unanswered(_wrapped(error) if wrapped else error, **WHERE)
    assert (told.code, told.facts.retry, told.facts.in_doubt, told.answered) == (code, retry, in_doubt, False)


def test_a_certificate_that_does_not_verify_names_the_setting() -> None:
    assert "ca_file" in unanswered(_tls("CERTIFICATE_VERIFY_FAILED"), **WHERE).message
    assert "protocol" in unanswered(_tls("WRONG_VERSION_NUMBER"), **WHERE).message


@pytest.mark.parametrize(
    ("verify_code", "words"),
    [
        (9, "this machine's clock"),
        (10, "this machine's clock"),
        (18, "ca_file"),
        (20, "ca_file"),
        (62, "{endpoint: ...}"),
        (64, "{endpoint: ...}"),
    ],
)
def test_what_is_wrong_with_a_certificate_decides_what_to_do(verify_code: int, words: str) -> None:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] text")
    error.reason, error.verify_code = "CERTIFICATE_VERIFY_FAILED", verify_code
    assert words in unanswered(error, **WHERE).message


@pytest.mark.parametrize("error", [_named("CredentialException", "hunter2"), json.JSONDecodeError("hunter2", "", 0)])
def test_what_may_quote_a_secret_or_an_answer_is_not_repeated(error: Exception) -> None:
    told = unanswered(error, **WHERE)
    assert "hunter2" not in f"{told} {told!r}"


def test_errors_that_name_each_other_in_a_circle_are_told_too() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    assert isinstance(unanswered(first, **WHERE), CallError)


@pytest.mark.parametrize(
    "error",
    [_named("InvalidHeader", "'Credential=LTAI5tSecret\\n'"), _named("UnicodeEncodeError")],
    ids=["break", "accent"],
)
def test_an_access_key_that_cannot_be_sent_is_told_without_being_shown(error: BaseException) -> None:
    told = unanswered(_wrapped(error), **WHERE)
    assert (told.code, told.facts.retry, told.facts.in_doubt) == (failure.NO_CREDENTIALS, False, False)
    assert "line break" in told.message
    assert "LTAI5tSecret" not in str(told)


@pytest.mark.parametrize(("action", "words"), [("ListKeys", "It changes nothing."), ("CreateKey", "It may have been")])
def test_only_of_what_changes_something_is_it_said_that_it_may_have_been_carried_out(action: str, words: str) -> None:
    lost = unanswered(_wrapped(_named("ProtocolError")), action=action, endpoint="kms.example.org")
    for error in (lost, failure.unreadable(action, "kms.example.org")):
        assert words in error.message
