"""Queries and forms, before anybody asks what they mean."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.kms.error import KmsError
from kmsplan.server.call import PARAMETER_LIMIT, Call, decode, form, pairs


def test_plus_and_percent_both_mean_a_space() -> None:
    assert decode(pairs(b"a=b+c%20d&e=%2B")) == {"a": "b c d", "e": "+"}


def test_empty_parts_and_empty_values_are_kept_apart() -> None:
    assert decode(pairs(b"&a=&b&&=c&d=e=f")) == {"a": "", "b": "", "d": "e=f"}


@pytest.mark.parametrize("query", [b"a=1&a=2", b"a=1&%61=2", b"a=%FF", b"%FF=a", b"a=\xff"])
def test_what_could_mean_two_things_or_none_is_refused(query: bytes) -> None:
    with pytest.raises(KmsError) as refused:
        decode(pairs(query))
    assert refused.value.code == "ParseRequestParameterException"


def test_a_thousand_parameters_and_no_more() -> None:
    assert len(pairs(b"&".join(b"%d=" % number for number in range(PARAMETER_LIMIT)))) == PARAMETER_LIMIT
    with pytest.raises(KmsError, match="more than 1000 parameters"):
        pairs(b"&" * PARAMETER_LIMIT)


def test_a_body_is_a_form() -> None:
    headers = {b"content-type": b"application/x-www-form-urlencoded; charset=UTF-8"}
    assert form(Call(b"POST", b"/", b"", headers, b"a=b+c")) == [(b"a", b"b%20c")]
    assert form(Call(b"POST", b"/", b"", {}, b"")) == []


@pytest.mark.parametrize("kind", [b"", b"application/json", b"multipart/form-data"])
def test_other_bodies_are_refused(kind: bytes) -> None:
    with pytest.raises(KmsError, match="a body is a form"):
        form(Call(b"POST", b"/", b"", {b"content-type": kind}, b"{}"))


@given(st.text("%41aFg+x", max_size=12))
def test_percent_signs_mean_what_the_standard_library_makes_of_them(value: str) -> None:
    expected = unquote_to_bytes(value)
    try:
        assert decode([(b"a", value.encode())])["a"].encode() == expected
    except KmsError:
        assert "\ufffd" in expected.decode(errors="replace")


@given(st.binary(max_size=200))
def test_whatever_bytes_come_they_decode_or_are_refused(query: bytes) -> None:
    try:
        found = decode(pairs(query))
    except KmsError as error:
        assert error.code == "ParseRequestParameterException"  # noqa: PT017 - or none
    else:
        assert all(f"{name}{value}".encode() is not None for name, value in found.items())
