"""Laws of the wire: whatever comes, the answer is JSON with a code and an id, and never the server's own failure."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmsplan.server.action.table import ROWS
from tests.calls import CALLS, Stage
from tests.wire import HOST, api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.signing import Reply

GENTLE: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
DESTRUCTIVE: Final = {"ReleaseKmsInstance", "ScheduleKeyDeletion", "DisableKey", "CreateKmsInstance"}
HEADERS: Final = (
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
)
ODD: Final = st.text(max_size=30) | st.sampled_from(
    [
        *("", "true", "-1", "1e9", "9" * 30, "[]", "{}", "null", '[{"TagKey":"a"}]', '{"a":"b"}', "AAAA", "alias/x"),
        *("acs:", "acs:kms:local:1:key/x", "[" * 5000, '{"a":' * 3000, "\u0000", "ü" * 20, "%00", "' OR 1=1 --"),
    ]
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with api(tmp_path_factory.mktemp("wire")) as served:
        yield Stage(served)
        assert served.log.read_text() == ""


def _sound(reply: Reply) -> bool:
    """Return whether an answer is one of the API's own: JSON with an id, and an error's code and message."""
    body: Any = reply.json
    told = {"RequestId"} if reply.status == 200 else {"RequestId", "HttpStatus", "Code", "Message"}
    return body.keys() >= told and (reply.status == 200 or 400 <= reply.status < 500)


def _nonce() -> str:
    return os.urandom(8).hex()


@GENTLE
@given(data=st.data(), action=st.sampled_from(sorted(ROWS.keys() - DESTRUCTIVE)))
def test_whatever_the_parameters_an_action_answers(stage: Stage, data: st.DataObject, action: str) -> None:
    names = [of.name + end for of in ROWS[action].parameters for end in ("", ".1", ".1.Key", ".1.Value", ".x")]
    sent = data.draw(st.dictionaries(st.sampled_from(names), ODD, max_size=6)) if names else {}
    fit = CALLS[action](stage) if action in CALLS and data.draw(st.booleans()) else {}
    assert _sound(stage.api.call(action, {**fit, **{name: _clean(value) for name, value in sent.items()}}))


def _clean(text: str) -> str:
    """Return a text that can be written as UTF-8; what cannot never gets onto the wire."""
    return text.encode("utf-8", "replace").decode()


@GENTLE
@given(
    headers=st.dictionaries(
        st.sampled_from([*HEADERS, "authorization", "content-type", "x-acs-security-token", "content-length"]),
        st.binary(max_size=60).map(lambda value: bytes(byte for byte in value if byte not in b"\r\n\0")),
    ),
    left=st.sets(st.sampled_from([*HEADERS, "Authorization"]), max_size=2),
)
def test_whatever_headers_are_changed_a_signed_request_answers(
    stage: Stage, headers: dict[str, bytes], left: set[str]
) -> None:
    query, signed = stage.api.signer().request("DescribeKey", {"KeyId": stage.aes})
    kept = {name: value.encode() for name, value in signed.items() if name not in left}
    lines = b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in (kept | headers).items())
    replies = stage.api.exchange(f"POST /?{query} HTTP/1.1\r\n".encode() + lines + b"\r\n")
    assert len(replies) <= 1  # a length that was announced may be waited for
    assert all(map(_sound, replies))


@GENTLE
@given(
    given_=st.dictionaries(
        st.sampled_from(["Action", "Version", "AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce"])
        | st.sampled_from(["Timestamp", "Signature", "Format", "KeyId", "SecurityToken", "Tag.1.Key"])
        | st.text(min_size=1, max_size=8),
        ODD,
    ),
    known=st.booleans(),
    method=st.sampled_from(["GET", "POST"]),
)
def test_whatever_is_sent_as_version_1_answers(
    stage: Stage, given_: dict[str, str], *, known: bool, method: str
) -> None:
    own = {
        "AccessKeyId": stage.api.key.access_key_id,
        "Action": "DescribeKey",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": _nonce(),
        "SignatureVersion": "1.0",
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "Version": "2016-01-20",
        "Signature": b64encode(bytes(20)).decode(),
    }
    sent = (own if known else {}) | given_
    query = "&".join(f"{quote(_clean(name))}={quote(_clean(value))}" for name, value in sent.items())
    reply = stage.api.request(query, {"host": HOST}, method=method)
    assert _sound(reply)
    assert reply.status != 200


@GENTLE
@given(query=st.binary(max_size=200), body=st.binary(max_size=200), kind=st.sampled_from(["", "form", "json"]))
def test_whatever_bytes_are_query_and_form_they_answer(stage: Stage, query: bytes, body: bytes, kind: str) -> None:
    content = {"form": "content-type: application/x-www-form-urlencoded\r\n", "json": "content-type: text/json\r\n"}
    url = bytes(byte for byte in query if byte > 0x20 and byte != 0x7F)
    head = f" HTTP/1.1\r\nhost: {HOST}\r\n{content.get(kind, '')}content-length: {len(body)}\r\n\r\n"
    replies = stage.api.exchange(b"POST /?" + url + head.encode() + body)
    assert len(replies) == 1
    assert _sound(replies[0])
    assert replies[0].status != 200


PIECES: Final = st.binary(max_size=60) | st.sampled_from(
    [
        b"POST / HTTP/1.1\r\n",
        b"GET /?Action=ListKeys HTTP/1.1\r\n",
        b"host: kms.test\r\n",
        b"content-length: 4\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"expect: 100-continue\r\n",
        b"authorization: ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=0\r\n",
        b"\r\n",
        b"a=b&",
        b"0\r\n\r\n",
    ]
)


@GENTLE
@given(pieces=st.lists(PIECES, max_size=12))
def test_whatever_bytes_come_over_a_connection_each_answer_is_whole(stage: Stage, pieces: list[bytes]) -> None:
    for reply in stage.api.exchange(*pieces):
        assert _sound(reply)
        assert reply.status != 200


def test_the_server_still_answers_after_all_that(stage: Stage) -> None:
    assert stage.api.ok("Encrypt", KeyId=stage.aes, Plaintext="x")["KeyId"] == stage.aes
