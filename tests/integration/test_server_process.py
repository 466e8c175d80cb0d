"""The served engine as a process: health, metrics, log, limits, and what sealing does to it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import resource
import select
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.postgres import PostgresServer
from tests.project import Project
from tests.running import MARKER, received, running, statuses, wait_until
from tests.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.running import Running
    from tests.signing import Reply


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for what leaves a server as it was."""
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def trickle(server: Running) -> Iterator[Callable[[], tuple[bytes, float]]]:
    """A request that never gets to the end of its headers; sent from the beginning, because it takes its time."""
    with server.connect() as slow, ThreadPoolExecutor(1) as thread:

        def send() -> tuple[bytes, float]:
            begun = time.monotonic()
            slow.sendall(b"POST / HTTP/1.1\r\nx: ")
            while not select.select([slow], [], [], 0.25)[0]:
                slow.sendall(b"y")
            return received(slow), time.monotonic() - begun

        yield thread.submit(send).result


@pytest.mark.usefixtures("trickle")
def test_a_server_is_alive_and_ready(server: Running) -> None:
    assert (server.page("/healthz").status, server.page("/healthz").json) == (200, {"status": "ok"})
    assert server.ready() == (200, "ok")


def test_where_nonces_cannot_be_kept_nothing_is_served(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("kmsplan: 1\n")
    project.run("engine", "init")
    (engine,) = (found.parent for found in tmp_path.rglob("keystore.db"))
    (engine / "nonces").mkdir()
    refused = project.run("engine", "serve", "--listen", "127.0.0.1:0", code=1)
    assert f"the nonces of requests cannot be kept in {engine} (Is a directory)" in refused.text
    assert "move to another place" in " ".join(refused.text.split())


def test_strangers_who_hold_connections_take_nothing_from_whoever_is_served(tmp_path: Path) -> None:
    with running(tmp_path) as server, contextlib.ExitStack() as strangers:
        served = http.client.HTTPConnection(server.served.endpoint, timeout=20)
        strangers.callback(served.close)
        (worker,) = server.workers()
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (64, 64))
        assert asked(served, server, "DescribeKey", {"KeyId": server.key}) == 200
        for _ in range(100):
            strangers.enter_context(server.connect())
        wait_until(lambda: len(list(Path(f"/proc/{worker}/fd").iterdir())) >= 48)
        for number in range(20):
            assert asked(served, server, "CreateAlias", {"KeyId": server.key, "AliasName": f"alias/a{number}"}) == 200
            assert asked(served, server, "Encrypt", {"KeyId": server.key, "Plaintext": MARKER}) == 200


def asked(connection: http.client.HTTPConnection, server: Running, action: str, parameters: dict[str, str]) -> int:
    """The status of the answer to one more request on a connection."""
    query, headers = server.signer.request(action, parameters)
    connection.request("POST", f"/?{query}", b"", headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_metrics_parse_and_count_what_was_done(server: Running) -> None:
    before = [server.count("Encrypt", "OK"), server.count("Decrypt", "InvalidParameter"), server.count("-", "OK")]
    for _ in range(5):
        assert server.encrypt().status == 200
    for _ in range(3):
        assert server.decrypt("AAAA").code == "InvalidParameter"
    after = [server.count("Encrypt", "OK"), server.count("Decrypt", "InvalidParameter"), server.count("-", "OK")]
    assert (after[0] - before[0], after[1] - before[1]) == (5, 3)
    assert after[2] > before[2]  # the questions for metrics themselves
    counted = server.metric("kmsplan_request_duration_seconds_count", action="Encrypt")
    assert counted == server.metric("kmsplan_requests_total", action="Encrypt")
    assert server.metric("kmsplan_request_duration_seconds_bucket", action="Encrypt", le="+Inf") == counted
    assert server.metric("process_resident_memory_bytes") > 1_000_000
    assert server.key not in server.page("/metrics").body.decode()


def test_sealing_while_it_serves_stops_cryptography_and_unsealing_lets_it_go_on(server: Running) -> None:
    blob = server.encrypt().json["CiphertextBlob"]
    server.served.project.run("engine", "seal")
    assert server.ready() == (503, "sealed")
    assert server.metric("kmsplan_sealed") == 1
    for refused in (server.encrypt(), server.decrypt(blob)):
        assert (refused.status, refused.code) == (503, "Rejected.Sealed")
    assert server.page("/healthz").status == 200
    server.served.project.run("engine", "unseal")
    assert server.ready() == (200, "ok")
    assert server.decrypt(blob).json["Plaintext"] == MARKER


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"POST /?%b HTTP/1.1\r\nhost: here\r\n\r\n" % (b"a" * 300_000), 414, "RequestUrlTooLong"),
        (b"POST / HTTP/1.1\r\nhost: here\r\na: %b\r\n\r\n" % (b"a" * 40_000), 431, "RequestHeadersTooLarge"),
        (b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(b"a%d: b\r\n" % n for n in range(200)), 431, "RequestHeadersTooLarge"),
        (b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 2000000\r\n\r\n", 413, "RequestBodyTooLarge"),
        (
            b"POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n"
            + b"10000\r\n%b\r\n" % bytes(65536) * 17,
            413,
            "RequestBodyTooLarge",
        ),
        (b"\x16\x03\x01 TLS, as it were\r\n\r\n", 400, "ParseRequestParameterException"),
    ],
    ids=["url", "header", "headers", "announced body", "chunked body", "no HTTP"],
)
def test_what_is_too_large_or_no_http_is_answered_and_ends_the_connection(
    server: Running, request_: bytes, status: int, code: str
) -> None:
    with server.connect() as connection:
        connection.sendall(request_)
        data = received(connection)
    assert statuses(data) == [status]
    assert json.loads(data.partition(b"\r\n\r\n")[2])["Code"] == code
    assert server.encrypt().status == 200


def test_a_server_without_its_database_is_alive_and_not_ready(tmp_path: Path) -> None:
    database = PostgresServer.create()
    try:
        configuration = "kmsplan: 1\nengine: {embedded: {postgres: {env: KEYSTORE}}}\n"
        environ = {"KEYSTORE": database.url(database.new_schema())}
        with running(tmp_path, configuration=configuration, environ=environ) as server:
            assert server.ready() == (200, "ok")
            database.stop()
            assert server.ready() == (503, "database")
            refused = server.encrypt()
            assert (refused.status, refused.code) == (503, "ServiceUnavailableTemporary")
            assert server.page("/healthz").status == 200
            database.start()
            wait_until(lambda: server.ready() == (200, "ok"))
            assert server.encrypt().status == 200
    finally:
        database.remove()


def test_a_server_whose_database_takes_no_writes_is_not_ready_from_the_first_failure_on(tmp_path: Path) -> None:
    database = PostgresServer.create()
    try:
        configuration = "kmsplan: 1\nengine: {embedded: {postgres: {env: KEYSTORE}}}\n"
        environ = {"KEYSTORE": database.url(database.new_schema())}
        with running(tmp_path, configuration=configuration, environ=environ) as server, database.connect() as db:
            db.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            db.execute("SELECT pg_reload_conf()")
            wait_until(lambda: server.encrypt().status == 503)
            assert server.ready() == (503, "database")
            db.execute("SET default_transaction_read_only = off")
            db.execute("ALTER SYSTEM RESET default_transaction_read_only")
            db.execute("SELECT pg_reload_conf()")
            wait_until(lambda: server.ready() == (200, "ok"))
            assert server.encrypt().status == 200
    finally:
        database.remove()


def test_a_token_that_the_server_has_no_pin_for_is_unavailable_and_nothing_is_in_doubt(server: Running) -> None:
    hsm = json.dumps({"module": "/nowhere.so", "token": "theirs"})
    asked = {"ProductType": "hardware", "Spec": "1000", "KeyNum": "100", "Hsm": hsm}
    refused = server.signer.call("CreateKmsInstance", asked)
    assert (refused.status, refused.code) == (409, "Rejected.Unavailable")
    assert "nowhere" not in refused.json["Message"]


def test_health_and_metrics_may_have_an_address_of_their_own(tmp_path: Path) -> None:
    with running(tmp_path, "--admin-listen", "127.0.0.1:0") as server:
        assert server.admin != server.served.endpoint
        assert server.ready() == (200, "ok")
        assert server.count("Encrypt", "OK") == 0
        assert server.encrypt().status == 200
        assert server.count("Encrypt", "OK") == 1
        for path in ("/healthz", "/readyz", "/metrics"):
            assert server.signer.send("GET", path).status == 404
        signed_there = Signer(server.admin, server.served.access_key_id, server.served.access_key_secret)
        assert signed_there.call("ListKeys").status == 404


def requested(server: Running) -> list[Reply]:
    """A request that goes well, one that is refused, and one that nobody has signed."""
    sealed = server.encrypt()
    replies = [
        sealed,
        server.decrypt(sealed.json["CiphertextBlob"]),
        server.decrypt(f"{MARKER}=="),
        server.page("/none"),
    ]
    assert [reply.status for reply in replies] == [200, 200, 400, 404]
    return replies


def unlogged(server: Running, replies: list[Reply]) -> list[str]:
    """What must never be in a log: parameters, answers, secrets."""
    blob = replies[0].json["CiphertextBlob"]
    return [MARKER, base64.b64encode(MARKER.encode()).decode(), blob, blob[:40], server.key, server.signer.secret]


def test_a_log_line_is_json_and_tells_everything_but_what_was_asked(tmp_path: Path) -> None:
    with running(tmp_path, "--log", "json") as server:
        replies = requested(server)
        log = server.end()
        lines = [json.loads(line) for line in log.splitlines()]
        assert not [secret for secret in unlogged(server, replies) if secret in log]
        assert [(line["action"], line["code"], line["status"]) for line in lines] == [
            ("CreateKey", "OK", 200),
            ("Encrypt", "OK", 200),
            ("Decrypt", "OK", 200),
            ("Decrypt", "InvalidParameter", 400),
            ("-", "InvalidAction.NotFound", 404),
        ]
        assert [line["request_id"] for line in lines[1:]] == [reply.json["RequestId"] for reply in replies]
        assert {line["access_key_id"] for line in lines[:4]} == {server.signer.access_key_id}
        assert all(0 < line["ms"] < 60_000 for line in lines)
        assert all(line["peer"].startswith("127.0.0.1:") and line["time"].endswith("Z") for line in lines)


def test_a_log_may_be_text_with_the_same_in_it(tmp_path: Path) -> None:
    with running(tmp_path, "--log", "text") as server:
        replies = requested(server)
        log = server.end()
        assert not [secret for secret in unlogged(server, replies) if secret in log]
        lines = log.splitlines()[1:]
        assert all(reply.json["RequestId"] in line for reply, line in zip(replies, lines, strict=True))
        assert re.search(r"info  request request_id=\S+ action=Decrypt status=400 code=InvalidParameter ", log)


def test_a_log_may_be_off(tmp_path: Path) -> None:
    with running(tmp_path, "--log", "off") as server:
        requested(server)
        assert server.end() == ""


def test_a_request_that_trickles_in_is_told_so_after_ten_seconds(
    server: Running, trickle: Callable[[], tuple[bytes, float]]
) -> None:
    data, seconds = trickle()
    assert statuses(data) == [408]
    assert 9.0 < seconds < 25.0
    assert server.encrypt().status == 200
