"""Signatures: what the SDKs sign verifies, and nothing else does."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.kms.error import KmsError
from kmsplan.kms.secret import SecretBytes
from kmsplan.server import signature
from kmsplan.server.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_ID = "LTAItestAccessKeyId00001"
SECRET = b"testAccessKeySecret0000000000001"
VERSION_3 = ("python_create_key", "python_encrypt", "python_form", "python_lists", "python_get")
VERSION_1 = ("python_rpc", "old_python_post", "old_python_get", "node_post", "node_tags")
SIGNED = (b"x-acs-action", b"x-acs-date", b"x-acs-signature-nonce", b"host", b"user-agent", b"accept")


def code_of(call: Call, secret: bytes = SECRET) -> str:
    """Return the code with which a request is refused; empty where it is not."""
    try:
        signature.read(call).verify(signature.Secret(SecretBytes(secret)))
    except KmsError as error:
        return error.code
    return ""


@pytest.mark.parametrize("name", VERSION_3 + VERSION_1)
def test_what_a_real_sdk_sent_verifies(sent: Callable[[str], Call], name: str) -> None:
    signed = signature.read(sent(name))
    signed.verify(signature.Secret(SecretBytes(SECRET)))
    assert signed.access_key_id == KEY_ID
    assert signed.time == 1795474840 or signed.time == 1795474841  # noqa: PLR1714 - two seconds of one recording


@pytest.mark.parametrize(
    ("name", "action", "parameters"),
    [
        (
            "python_create_key",
            "CreateKey",
            {
                "Description": "a b*~+/=&ü",
                "EnableAutomaticRotation": "True",
                "Policy": "",
                "RotationInterval": "30d",
            },
        ),
        (
            "python_encrypt",
            "Encrypt",
            {"EncryptionContext": '{"a":"ü b","c":"*"}', "KeyId": "alias/orders", "Plaintext": "hällo w+r=d"},
        ),
        ("python_form", "Decrypt", {"CiphertextBlob": "AAAA", "Recipient": "x y"}),
        ("python_get", "GetClientKey", {"ClientKeyId": "KAAP.x"}),
    ],
)
def test_parameters_come_out_as_they_were_given(
    sent: Callable[[str], Call], name: str, action: str, parameters: dict[str, str]
) -> None:
    signed = signature.read(sent(name))
    assert signed.action == action
    assert signed.parameters == parameters


@pytest.mark.parametrize(
    ("name", "plaintext"),
    [
        ("python_rpc", "hällo w+r=d*~"),
        ("old_python_post", "hello w+r=d*~ /"),
        ("node_post", "hällo w+r=d*~ !'()"),
    ],
)
def test_old_clients_encode_in_their_own_ways(sent: Callable[[str], Call], name: str, plaintext: str) -> None:
    signed = signature.read(sent(name))
    assert signed.action == "Encrypt"
    assert signed.parameters["Plaintext"] == plaintext


@pytest.mark.parametrize("name", VERSION_3 + VERSION_1)
def test_another_secret_does_not_verify(sent: Callable[[str], Call], name: str) -> None:
    assert code_of(sent(name), SECRET[:-1] + b"2") == "SignatureDoesNotMatch"


@pytest.mark.parametrize("name", VERSION_3 + VERSION_1)
def test_another_parameter_does_not_verify(sent: Callable[[str], Call], name: str) -> None:
    call = sent(name)
    call.query += b"&DryRun=true"
    assert code_of(call) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("name", VERSION_3 + VERSION_1)
def test_another_method_does_not_verify(sent: Callable[[str], Call], name: str) -> None:
    call = sent(name)
    call.method = b"GET" if call.method == b"POST" else b"POST"
    assert code_of(call) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("header", SIGNED)
def test_a_changed_header_does_not_verify(sent: Callable[[str], Call], header: bytes) -> None:
    call = sent("python_encrypt")
    call.headers[header] = call.headers[header][:-2] + b"1Z"
    assert code_of(call) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("header", SIGNED[:4])
def test_a_missing_header_is_named(sent: Callable[[str], Call], header: bytes) -> None:
    call = sent("python_encrypt")
    del call.headers[header]
    with pytest.raises(KmsError, match=re.escape(header.decode())) as refused:
        signature.read(call)
    assert refused.value.code == "IncompleteSignature"


@pytest.mark.parametrize("header", SIGNED[:4])
def test_what_means_something_must_be_signed(sent: Callable[[str], Call], header: bytes) -> None:
    call = sent("python_encrypt")
    call.headers[b"authorization"] = call.headers[b"authorization"].replace(b";" + header, b"").replace(header, b"")
    with pytest.raises(KmsError, match="must be signed") as refused:
        signature.read(call)
    assert refused.value.code == "IncompleteSignature"


def test_a_body_that_was_exchanged_is_refused(sent: Callable[[str], Call]) -> None:
    call = sent("python_form")
    call.body = b"Recipient=x+z"
    assert code_of(call) == "IncompleteSignature"


def test_the_kind_of_a_body_must_be_signed(sent: Callable[[str], Call]) -> None:
    call = sent("python_form")
    authorization = call.headers[b"authorization"]
    call.headers[b"authorization"] = authorization.replace(b"content-type;", b"")
    with pytest.raises(KmsError, match="content-type must be among the signed headers"):
        signature.read(call)


def test_a_parameter_cannot_be_swallowed_by_an_encoded_name() -> None:
    """`a=1&b=2` was signed; one parameter called `a=1&b` would read the same if names were decoded and not encoded."""
    assert b"a=1&b=2" in set(signature.canonical_queries([(b"a", b"1"), (b"b", b"2")]))
    assert b"a=1&b=2" not in set(signature.canonical_queries([(b"a%3D1%26b", b"2")]))


def test_security_tokens_are_refused_in_both_versions(sent: Callable[[str], Call]) -> None:
    third, first = sent("python_encrypt"), sent("python_rpc")
    third.headers[b"x-acs-security-token"] = b"token"
    first.query += b"&SecurityToken=token"
    assert code_of(third) == code_of(first) == "InvalidSecurityToken.NotSupported"


@pytest.mark.parametrize(
    ("authorization", "word"),
    [
        (b"", "ACS3-HMAC-SHA256"),
        (b"Basic QTpC", "ACS3-HMAC-SHA256"),
        (b"ACS4-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=0", "ACS3-HMAC-SHA256"),
        (b"ACS3-HMAC-SHA256", "Credential"),
        (b"ACS3-HMAC-SHA256 Credential=a,Signature=0", "Credential"),
        (b"ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=0", "access key id"),
    ],
)
def test_other_authorizations_are_refused(sent: Callable[[str], Call], authorization: bytes, word: str) -> None:
    call = sent("python_encrypt")
    call.headers[b"authorization"] = authorization
    with pytest.raises(KmsError, match=word) as refused:
        signature.read(call)
    assert refused.value.code == "IncompleteSignature"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"SignatureMethod=HMAC-SHA1", b"SignatureMethod=HMAC-SHA256", "IncompleteSignature"),
        (b"SignatureVersion=1.0", b"SignatureVersion=2.0", "IncompleteSignature"),
        (b"&SignatureMethod=HMAC-SHA1", b"", "IncompleteSignature"),
        (b"AccessKeyId=", b"AccessKey=", "IncompleteSignature"),
        (b"Version=2016-01-20", b"Version=2015-01-20", "InvalidVersion"),
        (b"Timestamp=2026-11-23T23%3A00%3A40Z", b"Timestamp=yesterday", "IllegalTimestamp"),
        (b"Timestamp=", b"Time=", "IllegalTimestamp"),
        (b"Signature=", b"Signature=x", "SignatureDoesNotMatch"),
        (b"KeyId=", b"KeyId=%FF", "ParseRequestParameterException"),
        (b"KeyId=", b"KeyId=a&KeyId=", "ParseRequestParameterException"),
    ],
)
def test_a_broken_request_of_version_1_says_what_is_wrong(
    sent: Callable[[str], Call], old: bytes, new: bytes, code: str
) -> None:
    call = sent("python_rpc")
    assert old in call.query
    call.query = call.query.replace(old, new, 1)
    assert code_of(call) == code


@pytest.mark.parametrize("seconds", [-900, 0, 900])
def test_a_clock_may_be_fifteen_minutes_off(seconds: int) -> None:
    signature.check_time(1_000_000 + seconds, 1_000_000.0)


@pytest.mark.parametrize("seconds", [-901, 901])
def test_a_clock_may_not_be_more_than_fifteen_minutes_off(seconds: int) -> None:
    with pytest.raises(KmsError, match="901 seconds") as refused:
        signature.check_time(1_000_000 + seconds, 1_000_000.0)
    assert refused.value.code == "InvalidTimeStamp.Expired"


@given(content=st.binary(max_size=200), digest=st.binary(max_size=200))
def test_version_3_signs_with_hmac_sha256(content: bytes, digest: bytes) -> None:
    secret = signature.Secret(SecretBytes(content))
    for _ in range(2):
        assert secret.third(digest) == hmac.digest(content, b"ACS3-HMAC-SHA256\n" + digest, "sha256").hex().encode()


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            b"authorization",
            b"host",
            b"content-type",
            b"x-acs-action",
            b"x-acs-version",
            b"x-acs-date",
            b"x-acs-signature-nonce",
            b"x-acs-content-sha256",
        ]
    ),
    st.binary(max_size=40)
    | st.sampled_from([b"2016-01-20", b"2026-01-01T00:00:00Z", b"application/x-www-form-urlencoded"]),
)
AUTHORIZATIONS = st.builds(
    lambda *parts: b"ACS3-HMAC-SHA256 Credential=%b,SignedHeaders=%b,Signature=%b" % parts,
    st.binary(max_size=12),
    st.binary(max_size=12)
    | st.just(b"host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"),
    st.binary(max_size=64),
)
QUERIES = st.binary(max_size=80) | st.lists(
    st.tuples(
        st.sampled_from(["Action", "Version", "Timestamp", "SignatureMethod", "AccessKeyId", "KeyId"]), st.text()
    ),
    max_size=8,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode(errors="replace"))


@given(
    headers=HEADERS,
    authorization=AUTHORIZATIONS | st.none(),
    query=QUERIES,
    body=st.binary(max_size=40),
    method=st.sampled_from([b"GET", b"POST"]),
)
def test_whatever_comes_is_refused_with_a_code(
    headers: dict[bytes, bytes], authorization: bytes | None, query: bytes, body: bytes, method: bytes
) -> None:
    given_headers = headers if authorization is None else {**headers, b"authorization": authorization}
    assert code_of(Call(method, b"/", query, given_headers, body)) != ""


@given(values=st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=20), max_size=5))
def test_version_1_verifies_whatever_the_parameters(values: dict[str, str]) -> None:
    """Signed by the rules of the API reference, written out here once more; sent in the least encoded form there is."""
    from urllib.parse import quote, quote_plus  # noqa: PLC0415 - of this one

    own = {
        "AccessKeyId": "AK",
        "Action": "X",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "n",
        "SignatureVersion": "1.0",
        "Timestamp": "2026-01-01T00:00:00Z",
        "Version": "2016-01-20",
    }
    parameters = {f"P{name}": value for name, value in values.items()} | own
    canonical = "&".join(f"{quote(name, safe='~')}={quote(parameters[name], safe='~')}" for name in sorted(parameters))
    mac = hmac.digest(SECRET + b"&", f"POST&%2F&{quote(canonical, safe='~')}".encode(), "sha1")
    parameters["Signature"] = b64encode(mac).decode()
    query = "&".join(f"{quote_plus(name)}={quote_plus(value, safe='!*()')}" for name, value in parameters.items())
    assert code_of(Call(b"POST", b"/", query.encode(), {})) == ""
