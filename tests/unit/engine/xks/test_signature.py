from __future__ import annotations

import dataclasses
import hashlib
import hmac
from datetime import datetime, timedelta

import pytest

from kmsplan.engine.xks.signature import Credential, Signable, SignatureError, sign, verify
from kmsplan.kms.secret import SecretBytes

PATH, BODY = "/kms/xks/v1/keys/a.b/encrypt", b'{"a": 1}'


@pytest.fixture
def signed(credential: Credential, now: datetime) -> Signable:
    headers = sign(credential, "local", host="proxy:8443", path=PATH, body=BODY, now=now)
    return Signable(
        method="POST", path=PATH, headers={name.lower(): value for name, value in headers.items()}, body=BODY
    )


@pytest.fixture
def secrets(credential: Credential) -> dict[str, SecretBytes]:
    return {credential.access_key_id: credential.secret, "OTHERKEY234567ABCDEF": SecretBytes(b"another")}


def changed(request: Signable, **headers: str) -> Signable:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dataclasses.replace(request, headers={**request.headers, **named})


def test_a_signature_is_the_published_algorithm_step_by_step(signed: Signable, credential: Credential) -> None:
    canonical = (
        f"POST\n{PATH}\n\nhost:proxy:8443\nx-amz-date:20260101T120000Z\n\nhost;x-amz-date\n"
        f"{hashlib.sha256(BODY).hexdigest()}"
    )
    scope = "20260101/local/kms-xks-proxy/aws4_request"
    text = f"AWS4-HMAC-SHA256\n20260101T120000Z\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + credential.secret.reveal()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert signed.headers["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={credential.access_key_id}/{scope}, SignedHeaders=host;x-amz-date, "
        f"Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"
    )


def test_what_was_signed_is_verified_and_names_its_access_key(
    signed: Signable, secrets: dict[str, SecretBytes], credential: Credential, now: datetime
) -> None:
    assert verify(signed, secrets, now) == credential.access_key_id
    assert verify(signed, secrets, now, "local") == credential.access_key_id


@pytest.mark.parametrize("minutes", [-5, 5])
def test_clocks_may_differ_by_five_minutes(
    signed: Signable, secrets: dict[str, SecretBytes], now: datetime, minutes: int
) -> None:
    assert verify(signed, secrets, now + timedelta(minutes=minutes))
    beyond = timedelta(minutes=minutes, seconds=minutes // 5)
    with pytest.raises(SignatureError, match="compare the clocks"):
        verify(signed, secrets, now + beyond)


@pytest.mark.parametrize("change", [{"method": "GET"}, {"path": PATH + "x"}, {"path": "/kms//xks/v1"}, {"body": b"{}"}])
def test_whatever_is_signed_cannot_be_changed(
    signed: Signable, secrets: dict[str, SecretBytes], now: datetime, change: dict[str, str]
) -> None:
    with pytest.raises(SignatureError, match="not its own"):
        verify(dataclasses.replace(signed, **change), secrets, now)  # type: ignore[arg-type]


def test_host_and_time_are_signed(signed: Signable, secrets: dict[str, SecretBytes], now: datetime) -> None:
    with pytest.raises(SignatureError, match="not its own"):
        verify(changed(signed, host="elsewhere"), secrets, now)
    with pytest.raises(SignatureError, match="not its own"):
        verify(changed(signed, x_amz_date="20260101T120001Z"), secrets, now)


def test_each_digit_of_a_signature_counts(signed: Signable, secrets: dict[str, SecretBytes], now: datetime) -> None:
    head, _, digits = signed.headers["authorization"].rpartition("=")
    for at, digit in enumerate(digits):
        other = digits[:at] + ("0" if digit != "0" else "1") + digits[at + 1 :]
        with pytest.raises(SignatureError, match="not its own"):
            verify(changed(signed, authorization=f"{head}={other}"), secrets, now)


def test_an_unknown_access_key_is_refused_in_the_words_of_a_wrong_signature(
    signed: Signable, secrets: dict[str, SecretBytes], now: datetime, credential: Credential
) -> None:
    del secrets[credential.access_key_id]
    with pytest.raises(SignatureError, match="the access key is unknown, or the signature is not its own"):
        verify(signed, secrets, now)


def test_another_keys_secret_does_not_do(signed: Signable, secrets: dict[str, SecretBytes], now: datetime) -> None:
    other = signed.headers["authorization"].replace("AKIDEXAMPLE234567ABC", "OTHERKEY234567ABCDEF")
    with pytest.raises(SignatureError, match="not its own"):
        verify(changed(signed, authorization=other), secrets, now)


def test_another_region_is_refused_where_one_alone_may_call(
    signed: Signable, secrets: dict[str, SecretBytes], now: datetime
) -> None:
    with pytest.raises(SignatureError, match="cn-hangzhou alone may call"):
        verify(signed, secrets, now, "cn-hangzhou")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic YTpi",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/20260101/local/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature="
        + "0" * 64,
        "AWS4-HMAC-SHA256 Credential=a/20260101/local/kms-xks-proxy/aws4_request, SignedHeaders=host;x-amz-date",
        "AWS4-HMAC-SHA256 Credential=a/b/c/kms-xks-proxy/aws4_request, SignedHeaders=host;x-amz-date, Signature="
        + "0" * 64,
    ],
)
def test_other_authorizations_are_refused(
    signed: Signable, secrets: dict[str, SecretBytes], now: datetime, authorization: str
) -> None:
    with pytest.raises(SignatureError, match="Authorization is missing or not that"):
        verify(changed(signed, authorization=authorization), secrets, now)


@pytest.mark.parametrize("names", ["host", "x-amz-date", "host;x-amz-date;not-there", "host;;x-amz-date"])
def test_a_signature_covers_host_and_time_and_only_what_is_there(
    signed: Signable, secrets: dict[str, SecretBytes], now: datetime, names: str
) -> None:
    authorization = signed.headers["authorization"].replace("host;x-amz-date", names)
    with pytest.raises(SignatureError, match="does not cover"):
        verify(changed(signed, authorization=authorization), secrets, now)


def _signed_at(credential: Credential, time: str, date: str) -> Signable:
    """A request whose time is signed and of another form."""
    headers = {"host": "p", "x-amz-date": time}
    canonical = f"POST\n/\n\nhost:p\nx-amz-date:{time}\n\nhost;x-amz-date\n{hashlib.sha256(b'').hexdigest()}"
    scope = f"{date}/local/kms-xks-proxy/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + credential.secret.reveal()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential.access_key_id}/{scope}, SignedHeaders=host;x-amz-date, "
        f"Signature={signature}"
    )
    return Signable(method="POST", path="/", headers=headers, body=b"")


@pytest.mark.parametrize(
    ("time", "date", "words"),
    [("yesterday", "20260101", "YYYYMMDD"), ("20260101T120000Z", "20260102", "differ")],
)
def test_a_time_of_another_form_is_refused_though_it_is_signed(
    credential: Credential, secrets: dict[str, SecretBytes], now: datetime, time: str, date: str, words: str
) -> None:
    with pytest.raises(SignatureError, match=words):
        verify(_signed_at(credential, time, date), secrets, now)


def test_the_secret_shows_nowhere(signed: Signable, credential: Credential) -> None:
    assert "a-secret-of-256-bits" not in repr(credential) + repr(signed)
