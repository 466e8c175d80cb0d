"""The SDK's way to an endpoint: past proxies that are not for it, and nowhere else."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from kmsplan.provider.alibaba.channel import SdkChannel
from kmsplan.provider.alibaba.failure import NOT_SENT, UNREADABLE, CallError
from kmsplan.provider.alibaba.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

DEAD = "http://127.0.0.1:9"
VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


class _Answers(BaseHTTPRequestHandler):
    """Answers; who asks to be led away is shown the way."""

    def do_POST(self) -> None:
        self._answer(302 if "Away" in self.headers["x-acs-action"] else 200)

    def do_GET(self) -> None:
        self._answer(200)

    def _answer(self, status: int) -> None:
        body = b'{"answer": 1}' if status == 200 else b""
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def channel(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SdkChannel]:
    from alibabacloud_credentials.client import Client  # noqa: PLC0415 - 0.3 s
    from alibabacloud_credentials.provider import StaticAKCredentialsProvider  # noqa: PLC0415

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    provider = StaticAKCredentialsProvider(access_key_id="id", access_key_secret="secret")
    made = SdkChannel(Settings(region="cn-hangzhou", endpoint=endpoint, protocol="http"), Client(provider=provider))
    yield made
    made.close()


def test_a_proxy_of_the_environment_is_used(channel: SdkChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    with pytest.raises(CallError) as found:
        channel.call("ListKeys", {})
    assert found.value.code == NOT_SENT
    assert "NO_PROXY" in found.value.message


@pytest.mark.parametrize("exception", ["127.0.0.1", "localhost,127.0.0.0/8", "*"])
def test_an_endpoint_that_no_proxy_names_is_reached_without_one(
    channel: SdkChannel, monkeypatch: pytest.MonkeyPatch, exception: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    monkeypatch.setenv("NO_PROXY", exception)
    assert channel.call("ListKeys", {}) == {"answer": 1}


def test_an_answer_that_points_elsewhere_is_not_followed(channel: SdkChannel) -> None:
    with pytest.raises(CallError) as found:
        channel.call("ListKeysAway", {})
    assert found.value.code == UNREADABLE
