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
