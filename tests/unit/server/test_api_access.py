"""Who calls, through the wire: signatures, nonces, clocks, access keys, policies; and what is no call at all."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from kmsplan.engine.access.rate import Rates
from kmsplan.engine.access.role import Role
from kmsplan.kms.policy import default_policy
from tests.wire import HOST, api

if TYPE_CHECKING:
    from pathlib import Path

    from tests.calls import Stage
    from tests.wire import Api

QUARTER: Final = 15 * 60
FORM: Final = "application/x-www-form-urlencoded"


def _date(offset: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))


def _version_1(served: Api, action: str, method: str, **parameters: str) -> str:
    """Return a query or a form that is signed with HMAC-SHA1."""
    signer = served.signer()
    given = {
        "AccessKeyId": signer.access_key_id,
        "Action": action,
        "Format": "JSON",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": os.urandom(8).hex(),
        "SignatureVersion": "1.0",
        "Timestamp": _date(0),
        "Version": "2016-01-20",
        **parameters,
    }
    canonical = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(given.items()))
    text = f"{method}&%2F&{quote(canonical, safe='~')}"
    mac = b64encode(hmac.digest(f"{signer.secret}&".encode(), text.encode(), "sha1")).decode()
    return f"{canonical}&Signature={quote(mac, safe='')}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_version_1_is_taken_as_a_query(served: Api, method: str) -> None:
    reply = served.request(_version_1(served, "ListKeys", method, PageSize="3"), {"host": HOST}, method=method)
    assert (reply.status, reply.json["PageSize"]) == (200, 3)


def test_version_1_is_taken_as_a_form(served: Api) -> None:
    body = _version_1(served, "ListKeys", "POST", PageSize="3").encode()
    reply = served.request("", {"host": HOST, "content-type": FORM}, body)
    assert (reply.status, reply.json["PageSize"]) == (200, 3)


def test_version_3_is_taken_with_a_form_whose_hash_is_signed(served: Api) -> None:
    body = b"PageSize=3"
    hashed = hashlib.sha256(body).hexdigest()
    query, headers = served.signer().request("ListKeys", {}, x_acs_content_sha256=hashed, content_type=FORM)
    assert served.request(query, headers, body).json["PageSize"] == 3
    query, headers = served.signer().request("ListKeys", {}, x_acs_content_sha256=hashed, content_type=FORM)
    assert served.request(query, headers, b"PageSize=4").code == "IncompleteSignature"


def test_a_wrong_secret_is_refused(served: Api) -> None:
    signer = served.signer()
    signer.secret = signer.secret[::-1]
    reply = served.request(*signer.request("ListKeys", {}))
    assert (reply.status, reply.code) == (400, "SignatureDoesNotMatch")


def test_a_request_is_answered_once(served: Api) -> None:
    signed = served.signer().request("ListKeys", {})
    assert served.request(*signed).status == 200
    again = served.request(*signed)
    assert (again.status, again.code) == (400, "SignatureNonceUsed")
    form = _version_1(served, "ListKeys", "POST")
    assert [served.request(form, {"host": HOST}).code for _ in range(2)] == ["", "SignatureNonceUsed"]


@pytest.mark.parametrize("offset", [-QUARTER - 5, QUARTER + 5])
def test_a_skewed_clock_is_refused(served: Api, offset: int) -> None:
    reply = served.call("ListKeys", x_acs_date=_date(offset))
    assert (reply.status, reply.code) == (400, "InvalidTimeStamp.Expired")


def test_a_clock_may_be_a_quarter_of_an_hour_ahead(served: Api) -> None:
    """As far behind as well, but for what was signed before the machine started."""
    assert served.call("ListKeys", x_acs_date=_date(QUARTER - 5)).status == 200


@pytest.mark.parametrize("date", ["", "yesterday", "2026-01-01 00:00:00", "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_is_refused(served: Api, date: str) -> None:
    reply = served.call("ListKeys", x_acs_date=date)
    assert (reply.status, reply.code) == (400, "IllegalTimestamp")


def test_an_unknown_access_key_is_not_found(served: Api) -> None:
    signer = served.signer()
    signer.access_key_id = "LTAInobody"
    reply = served.request(*signer.request("ListKeys", {}))
    assert (reply.status, reply.code) == (404, "InvalidAccessKeyId.NotFound")


def test_a_disabled_access_key_is_refused(served: Api) -> None:
    key = served.engine.access.create(role=Role.USER)
    assert served.call("GetCallerIdentity", key=key).status == 200
    served.engine.access.set_status(key.access_key_id, active=False)
    reply = served.call("GetCallerIdentity", key=key)
    assert (reply.status, reply.code) == (403, "InvalidAccessKeyId.Inactive")


def test_what_a_role_or_a_policy_does_not_permit_is_forbidden(stage: Stage) -> None:
    served, key = stage.api, stage.fresh()
    user = served.engine.access.create(role=Role.USER, user="user/app")
    reply = served.call("DisableKey", {"KeyId": key}, key=user)
    assert (reply.status, reply.code) == (403, "Forbidden.NoPermission")
    sent = {"KeyId": key, "Plaintext": "x"}
    assert served.call("Encrypt", sent, key=user).status == 200
    policy: dict[str, Any] = default_policy(served.engine.account)
    mine = {"RAM": [f"acs:ram::{served.engine.account}:user/app"]}
    policy["Statement"].append({"Effect": "Deny", "Principal": mine, "Action": ["kms:Encrypt"], "Resource": ["*"]})
    served.ok("SetKeyPolicy", KeyId=key, Policy=json.dumps(policy))
    reply = served.call("Encrypt", sent, key=user)
    assert (reply.status, reply.code) == (403, "Forbidden.NoPermission")
    assert served.call("Encrypt", {**sent, "DryRun": "true"}, key=user).json["Code"] == "AccessDeniedError"
    assert served.call("Encrypt", {**sent, "DryRun": "true"}, key=user).status == 403
    served.ok("Encrypt", **sent)


def test_security_tokens_are_refused(served: Api) -> None:
    reply = served.call("ListKeys", x_acs_security_token="token")
    assert (reply.status, reply.code) == (400, "InvalidSecurityToken.NotSupported")


def test_another_version_of_the_api_is_refused(served: Api) -> None:
    reply = served.call("ListKeys", x_acs_version="2015-01-01")
    assert (reply.status, reply.code) == (400, "InvalidVersion")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_api_takes_post_and_get(served: Api, method: str) -> None:
    reply = served.request("", {"host": HOST}, method=method)
    assert (reply.status, reply.code) == (403, "UnsupportedHTTPMethod")


def test_the_largest_request_that_makes_sense_is_taken_as_a_form(served: Api, stage: Stage) -> None:
    tags = [{"TagKey": f"{number:/<128}", "TagValue": "/" * 128} for number in range(20)]
    policy = json.dumps(default_policy(served.engine.account))
    given = {"Description": "\U0001f511" * 8192, "Policy": policy.ljust(32_768), "Tags": json.dumps(tags)}
    body = _version_1(served, "CreateKey", "POST", DKMSInstanceId=stage.instance, **given).encode()
    reply = served.request("", {"host": HOST, "content-type": FORM}, body)
    assert (reply.status, reply.json["KeyMetadata"]["Description"]) == (200, given["Description"])


def test_what_is_too_large_is_refused_with_an_id(served: Api) -> None:
    head = f"POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: {FORM}\r\n"
    (reply,) = served.exchange(f"{head}content-length: 262145\r\n\r\n".encode())
    assert (reply.status, reply.code, bool(reply.json["RequestId"])) == (413, "RequestBodyTooLarge", True)
    whole = f"{head}content-length: 262144\r\n\r\n".encode() + b"a" * 262144
    assert [reply.code for reply in served.exchange(whole)] == ["IncompleteSignature"]


def test_other_paths_have_nothing(served: Api) -> None:
    (reply,) = served.exchange(f"POST /v1 HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
    assert (reply.status, reply.code) == (404, "InvalidAction.NotFound")


def test_a_request_id_stands_in_body_and_header_and_never_twice(served: Api) -> None:
    replies = [served.call("DescribeRegions"), served.call("DescribeKey"), served.call("Nothing")]
    assert [reply.json["RequestId"] for reply in replies] == [reply.headers["x-acs-request-id"] for reply in replies]
    assert len({reply.json["RequestId"] for reply in replies}) == 3
    assert {reply.headers["content-type"] for reply in replies} == {"application/json;charset=utf-8"}


def test_more_than_the_spec_allows_is_throttled_and_told_when_to_come_back(tmp_path: Path) -> None:
    with api(tmp_path) as small:
        small.engine._core._rates = Rates(tmp_path / "rates", clock=lambda: 10**12)
        made = small.ok("CreateKmsInstance", ProductType="software", Spec="200", KeyNum="100")
        key = small.ok("CreateKey", DKMSInstanceId=made["KmsInstance"]["InstanceId"])["KeyMetadata"]["KeyId"]
        *answered, throttled = [small.call("Encrypt", {"KeyId": key, "Plaintext": "x"}) for _ in range(201)]
        assert {reply.status for reply in answered} == {200}
        assert (throttled.status, throttled.code) == (429, "Rejected.Throttling")
        assert int(throttled.headers["x-acs-retry-after"]) > 0


def test_a_sealed_engine_says_so(tmp_path: Path) -> None:
    with api(tmp_path) as closed:
        closed.engine.seal()
        reply = closed.call("ListKeys")
        assert (reply.status, reply.code) == (503, "Rejected.Sealed")
