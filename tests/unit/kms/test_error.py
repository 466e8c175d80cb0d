from __future__ import annotations

import pytest

from kmsplan.kms.error import ERRORS, KmsError


def test_not_found_answers_404_under_a_forbidden_code() -> None:
    assert ERRORS["Forbidden.KeyNotFound"].status == 404


def test_a_message_names_code_and_request() -> None:
    assert str(KmsError("Rejected.Disabled", request_id="r-1")) == (
        "The request was rejected because the key state is Disabled. (Rejected.Disabled) (request id r-1)"
    )


def test_an_unknown_code_is_a_final_rejection() -> None:
    facts = KmsError("Something.New", "news").facts
    assert (facts.retry, facts.in_doubt, facts.message) == (False, False, "news")


@pytest.mark.parametrize("code", sorted(code for code, facts in ERRORS.items() if facts.in_doubt))
def test_only_server_errors_leave_an_operation_in_doubt(code: str) -> None:
    assert ERRORS[code].status >= 500


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("DryRunOperationError", 400),
        ("SignatureDoesNotMatch", 400),
        ("SignatureNonceUsed", 400),
        ("InvalidTimeStamp.Expired", 400),
        ("IncompleteSignature", 400),
        ("InvalidAccessKeyId.NotFound", 404),
        ("InvalidAccessKeyId.Inactive", 403),
        ("InvalidAction.NotFound", 404),
        ("UnsupportedHTTPMethod", 403),
        ("InvalidImportToken", 400),
        ("ExpiredImportToken", 400),
        ("Forbidden.Opened", 400),
        ("Rejected.Throttling", 429),
        ("Forbidden.DKMSInstanceNotFound", 404),
    ],
)
def test_codes_have_the_published_status(code: str, status: int) -> None:
    assert ERRORS[code].status == status
    assert ERRORS[code].message.endswith((".", "Failure"))
