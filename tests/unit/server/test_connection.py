"""Bytes to calls and back, within limits on size and time."""

from __future__ import annotations

import gc
import itertools
import re
import weakref
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmsplan.server.connection import Connection
from kmsplan.server.refusal import Refusal
from tests.unit.server.conftest import Visited

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tests.unit.server.conftest import Visit

GET = b"GET /?a=b HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\na=b"
CHUNKED = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\nHost: there\r\n\r\n"


def statuses(visit: Visit) -> list[int]:
    """Return the statuses of all answers."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", visit.wire.written)]


def test_a_request_becomes_a_call(visit: Visit) -> None:
    visit.send(GET)
    (call,) = visit.site.calls
    assert (call.method, call.path, call.query, call.body) == (b"GET", b"/", b"a=b", b"")
    assert call.headers == {b"host": b"here"}
    assert visit.connection.peer == "192.0.2.1:4711"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://here/?a=b", b"/"),
        (b"HTTPS://here:8443/?a=b", b"/"),
        (b"http://here?a=b", b"/"),
        (b"http://here/metrics?a=b", b"/metrics"),
        (b"//here/?a=b", b"//here/"),
    ],
)
def test_a_target_may_name_the_server_as_proxies_write_it(visit: Visit, target: bytes, path: bytes) -> None:
    visit.send(b"GET " + target + b" HTTP/1.1\r\nHost: here\r\n\r\n")
    (call,) = visit.site.calls
    assert (call.path, call.query) == (path, b"a=b")


@pytest.mark.parametrize("request_", [POST, CHUNKED])
def test_a_body_comes_whole_and_a_trailer_changes_nothing(visit: Visit, request_: bytes) -> None:
    visit.send(request_)
    (call,) = visit.site.calls
    assert call.body == b"a=b"
    assert call.headers[b"host"] == b"here"


@pytest.mark.parametrize("request_", [GET, POST, CHUNKED])
def test_it_may_come_byte_by_byte(visit: Visit, request_: bytes) -> None:
    for byte in request_:
        visit.send(bytes([byte]))
    assert len(visit.site.calls) == 1


@pytest.mark.parametrize(
    ("begun", "endless"),
    [(b"0\r\nX: ", b"y" * 1000), (b"3;x=", b"y" * 1000), (b"", b"1\r\na\r\n" * 200)],
    ids=["trailer", "extension", "chunks"],
)
def test_what_stands_around_a_body_has_a_limit_too(
    visiting: Callable[..., Visit], begun: bytes, endless: bytes
) -> None:
    visit = visiting(limits={"body": 8_000, "headers": 1_000})
    visit.send(CHUNKED.partition(b"3\r\n")[0] + begun)
    for _ in range(30):
        visit.send(endless)
    assert visit.site.refusals == [Refusal.BODY_TOO_LARGE]


def test_a_body_as_long_as_it_may_be_comes_in_small_chunks(visiting: Callable[..., Visit]) -> None:
    visit = visiting(limits={"body": 8_000, "headers": 1_000})
    visit.send(CHUNKED.partition(b"3\r\n")[0])
    for _ in range(500):
        visit.send(b"10\r\n" + b"y" * 16 + b"\r\n")
    visit.send(b"0\r\n\r\n")
    (call,) = visit.site.calls
    assert (len(call.body), visit.site.refusals) == (8_000, [])


def test_an_answer_is_whole_http(visit: Visit) -> None:
    visit.send(GET)
    head, _, body = visit.wire.written.partition(b"\r\n\r\n")
    assert body == b"1"
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"content-type: application/json;charset=utf-8",
        b"content-length: 1",
        b"cache-control: no-store",
        b"date: Thu, 01 Jan 2026 00:00:00 GMT",
        b"x-acs-request-id: id",
    ]


def test_the_answer_to_head_has_no_body(visit: Visit) -> None:
    visit.send(b"HEAD / HTTP/1.1\r\nHost: here\r\n\r\n")
    assert b"content-length: 1\r\n" in visit.wire.written
    assert visit.wire.written.endswith(b"\r\n\r\n")


def test_requests_that_wait_are_answered_in_their_order_and_nothing_more_is_read(
    visiting: Callable[..., Visit],
) -> None:
    visit = visiting(at_once=False)
    visit.send(GET * 3)
    assert len(visit.site.calls) == 1
    assert not visit.wire.reading
    for count in (2, 3, 3):
        visit.connection.answer(200, b"x", b"id")
        assert len(visit.site.calls) == count
    assert visit.wire.reading
    assert statuses(visit) == [200, 200, 200]


def test_a_thousand_requests_in_one_packet_are_no_problem(visit: Visit) -> None:
    visit.send(GET * 2000)
    assert len(visit.site.calls) == 2000


def test_a_client_that_does_not_read_gets_nothing_more_done(visit: Visit) -> None:
    visit.connection.pause_writing()
    visit.send(GET * 2)
    assert visit.site.calls == []
    visit.connection.resume_writing()
    assert len(visit.site.calls) == 2


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.0\r\nHost: here\r\n\r\n", b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"],
)
def test_a_client_that_wants_to_part_is_let_go(visit: Visit, request_: bytes) -> None:
    visit.send(request_)
    assert b"connection: close\r\n" in visit.wire.written
    assert visit.wire.ended


def test_a_connection_that_has_ended_is_freed_at_once(visit: Visit) -> None:
    site, wire = Visited(), visit.wire
    connection, kept = Connection(site, lambda: 0.0), weakref.ref(site)
    connection.connection_made(cast("asyncio.Transport", wire))
    connection.data_received(GET)
    gc.disable()  # which frees what nobody can reach any more, but looks at long-lived things once in a blue moon
    try:
        connection.connection_lost(None)
        del connection, site
        assert kept() is None
    finally:
        gc.enable()


def test_another_protocol_is_not_taken_up(visit: Visit) -> None:
    visit.send(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert statuses(visit) == [200]
    visit.send(b"\x81\x05hello")
    assert visit.site.refusals in ([], [Refusal.MALFORMED])


def test_a_client_that_asks_first_is_told_to_go_on(visit: Visit) -> None:
    visit.send(b"POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert visit.wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    visit.send(b"a=b")
    assert visit.site.calls[0].body == b"a=b"


def test_a_client_of_http_1_0_which_knows_no_100_is_not_told_so(visit: Visit) -> None:
    visit.send(b"POST / HTTP/1.0\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\na=b")
    assert statuses(visit) == [200]


def test_to_go_on_is_said_after_the_answer_to_the_request_before(visit: Visit) -> None:
    visit.site.at_once = False
    visit.send(GET + b"POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert statuses(visit) == []
    visit.connection.answer(200, b"1", b"id")
    assert statuses(visit) == [200, 100]
    visit.send(b"a=b")
    assert visit.site.calls[1].body == b"a=b"


def test_a_client_that_did_not_wait_is_not_told_to_go_on_any_more(visit: Visit) -> None:
    visit.site.at_once = False
    asking = b"POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\na=b"
    visit.send(GET + asking)
    for _ in range(2):
        visit.connection.answer(200, b"1", b"id")
    assert statuses(visit) == [200, 200]


def test_who_is_not_heard_any_more_is_not_told_to_go_on(visit: Visit) -> None:
    visit.site.at_once = False
    asking = b"POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    visit.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + asking)
    visit.connection.answer(200, b"1", b"id")
    visit.connection.resume_writing()
    assert statuses(visit) == [200]


MALFORMED = [
    b"nonsense\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client
    b"GET / HTTP/1.1\r\n\r\n",  # no host
    b"GET / HTTP/1.1\r\nHost: here\r\nHost : there\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: here\r\nA: b\x00c\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: here\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
]


@pytest.mark.parametrize("request_", MALFORMED)
def test_what_is_no_http_is_refused_in_words(visit: Visit, request_: bytes) -> None:
    visit.send(request_)
    assert visit.site.refusals == [Refusal.MALFORMED]
    assert statuses(visit) == [400]
    assert visit.wire.ended
    assert visit.site.calls == []


def test_a_refusal_waits_for_the_answers_before_it(visiting: Callable[..., Visit]) -> None:
    visit = visiting(at_once=False)
    visit.send(GET + b"nonsense\r\n\r\n")
    assert visit.wire.written == b""
    visit.connection.answer(200, b"", b"id")
    assert statuses(visit) == [200, 400]


def test_a_refused_client_may_finish_sending_and_is_not_listened_to(visit: Visit) -> None:
    visit.send(b"nonsense\r\n\r\n")
    visit.send(GET)
    assert visit.site.calls == []
    assert not visit.wire.closed
    visit.connection.expire()
    assert visit.wire.closed


def test_over_tls_a_refused_client_is_cut_off(visiting: Callable[..., Visit]) -> None:
    visit = visiting(half=False)
    visit.send(b"nonsense\r\n\r\n")
    assert visit.wire.closed


SMALL = {"url": 20, "headers": 30, "header_count": 2, "body": 5}


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (b"GET /?aaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: here\r\n\r\n", None),
        (b"GET /?aaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: here\r\n\r\n", Refusal.URL_TOO_LONG),
        (b"GET / HTTP/1.1\r\nHost: here\r\nA: 012345678901234567890\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: here\r\nA: 0123456789012345678901\r\n\r\n", Refusal.HEADERS_TOO_LARGE),
        (b"GET / HTTP/1.1\r\nHost: here\r\nA: b\r\nC: d\r\n\r\n", Refusal.HEADERS_TOO_LARGE),
        (b"GET / HTTP/1.1\r\nHost: here\r\n" + b"A" * 60, Refusal.HEADERS_TOO_LARGE),
        (b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n01234", None),
        (b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 6\r\n\r\n", Refusal.BODY_TOO_LARGE),
        (
            b"POST / HTTP/1.1\r\nHost: here\r\ntransfer-encoding: chunked\r\n\r\n3\r\n012\r\n3\r\n345\r\n0\r\n\r\n",
            Refusal.HEADERS_TOO_LARGE,
        ),
    ],
)
def test_sizes_have_limits(visiting: Callable[..., Visit], request_: bytes, refusal: Refusal | None) -> None:
    visit = visiting(limits=SMALL)
    visit.send(request_)
    assert visit.site.refusals == ([] if refusal is None else [refusal])
    assert len(visit.site.calls) == (1 if refusal is None else 0)


def test_a_chunked_body_has_a_limit_too(visiting: Callable[..., Visit]) -> None:
    visit = visiting(limits={"body": 5})
    visit.send(b"POST / HTTP/1.1\r\nHost: here\r\ntransfer-encoding: chunked\r\n\r\n3\r\n012\r\n3\r\n345\r\n0\r\n\r\n")
    assert visit.site.refusals == [Refusal.BODY_TOO_LARGE]


def test_time_has_limits(visit: Visit) -> None:
    limits, connection = visit.site.limits, visit.connection
    assert connection.deadline == visit.now + limits.header_seconds
    visit.send(b"POST / HTTP/1.1\r\n")
    assert connection.deadline == visit.now + limits.header_seconds
    visit.send(b"Host: here\r\nContent-Length: 3\r\n\r\n")
    assert connection.deadline == visit.now + limits.body_seconds
    visit.send(b"a=b")
    assert connection.deadline == visit.now + limits.idle_seconds


def test_a_slow_request_is_told_so(visit: Visit) -> None:
    visit.send(b"POST / HTTP/1.1\r\nHost")
    visit.connection.expire()
    assert statuses(visit) == [408]


def test_an_idle_connection_just_ends(visit: Visit) -> None:
    visit.send(GET)
    visit.connection.expire()
    assert statuses(visit) == [200]
    assert visit.wire.closed


def test_a_client_that_cannot_be_served_is_told_so_at_once(visiting: Callable[..., Visit]) -> None:
    visit = visiting(full=Refusal.TOO_MANY)
    assert statuses(visit) == [503]
    assert b"ServiceUnavailableTemporary" in visit.wire.written


def test_the_answer_to_a_client_that_has_gone_goes_nowhere(visiting: Callable[..., Visit]) -> None:
    visit = visiting(at_once=False)
    visit.send(GET)
    visit.connection.connection_lost(None)
    visit.connection.answer(200, b"", b"id")
    assert visit.wire.written == b""
    assert visit.site.here == 0


def test_a_client_that_only_stopped_sending_still_gets_its_answer(visiting: Callable[..., Visit]) -> None:
    visit = visiting(at_once=False)
    visit.send(GET)
    assert visit.connection.eof_received() is True
    visit.connection.answer(200, b"", b"id")
    assert statuses(visit) == [200]
    assert visit.wire.ended


def test_a_throttled_client_is_told_when_to_come_back(visiting: Callable[..., Visit]) -> None:
    visit = visiting(at_once=False)
    visit.send(GET)
    visit.connection.answer(429, b"", b"id", retry_after=1000)
    assert b"x-acs-retry-after: 1000\r\n" in visit.wire.written


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_whatever_bytes_come_nothing_is_raised(visiting: Callable[..., Visit], data: bytes, cuts: list[int]) -> None:
    visit = visiting()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        visit.send(data[start:end])
    assert all(status in {200, 400, 408, 413, 414, 431} for status in statuses(visit))


@given(
    line=st.sampled_from([b"GET / HTTP/1.1\r\n", b"POST /?a=%zz HTTP/1.1\r\n"]),
    headers=st.lists(st.tuples(st.binary(min_size=1, max_size=12), st.binary(max_size=20)), max_size=6),
    body=st.binary(max_size=50),
)
def test_whatever_headers_come_nothing_is_raised(
    visiting: Callable[..., Visit], line: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    visit = visiting()
    visit.send(line + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + body)
    assert all(status in {200, 400, 413, 414, 431} for status in statuses(visit))
