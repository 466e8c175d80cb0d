from __future__ import annotations

import base64
import dataclasses
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from kmsplan.engine.xks import connection as connections
from kmsplan.engine.xks import fault
from kmsplan.engine.xks.breaker import FAILURES, PAUSE
from kmsplan.engine.xks.client import BUDGET, ProxyClient, ProxyUnreachableError
from kmsplan.engine.xks.fault import STATUS, XksError
from kmsplan.engine.xks.message import Metadata, Sealed
from kmsplan.engine.xks.signature import Credential, Signable, verify
from kmsplan.kms.secret import SecretBytes
from tests.ports import held_port, number
from tests.xks import ScriptedProxy, http, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tests.xks import Script

PATIENT = 30.0
"""Seconds for a call where its time is not what is looked at: on a busy machine a quarter of one may be too little."""
CALLER = Metadata(operation="Encrypt", request_id="r-1", principal="arn:a", key_arn="arn:k")
AAD = b"the associated data"
SEALED = Sealed(ciphertext=b"12345", iv=bytes(12), tag=bytes(16), metadata=b"v1")
HEALTHY = b'{"ekmFleetDetails": [{"id": "a", "model": "m", "healthStatus": "ACTIVE"}]}'
ENABLED = b'{"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}'


def encrypted(**changes: Any) -> bytes:
    integrity = base64.b64encode(SEALED.integrity(AAD)).decode()
    return orjson.dumps({**SEALED.fields(), "ciphertextDataIntegrityValue": integrity, **changes})


def refused(name: str, status: int | None = None) -> Script:
    return says(orjson.dumps({"errorName": name, "errorMessage": "because"}), f"{status or STATUS[name]} X")


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def client(scripted: ScriptedProxy, credential: Credential, now: datetime, seconds: Seconds) -> Iterator[ProxyClient]:
    client = ProxyClient(scripted.address, lambda: credential, clock=lambda: now, budget=PATIENT, monotonic=seconds)
    yield client
    client.close()


@pytest.fixture
def hurried(scripted: ScriptedProxy, credential: Credential, now: datetime, seconds: Seconds) -> Iterator[ProxyClient]:
    """One that has the time of the specification."""
    client = ProxyClient(scripted.address, lambda: credential, clock=lambda: now, monotonic=seconds)
    yield client
    client.close()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end of a test: whoever waits for it is silent for as long as the test takes."""
    event = threading.Event()
    yield event
    event.set()


def encrypt(client: ProxyClient) -> Sealed:
    return client.encrypt("a.b", b"hello", AAD, CALLER, "local")


def test_a_request_is_what_the_specification_says_and_signed(
    client: ProxyClient, scripted: ScriptedProxy, credential: Credential, now: datetime
) -> None:
    scripted.scripts = [says(encrypted())]
    assert encrypt(client) == SEALED
    head, _, body = scripted.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /kms/xks/v1/keys/a.b/encrypt HTTP/1.1"
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert headers["content-type"] == "application/json"
    assert orjson.loads(body) == {
        "requestMetadata": CALLER.fields(),
        "plaintext": "aGVsbG8=",
        "additionalAuthenticatedData": base64.b64encode(AAD).decode(),
        "encryptionAlgorithm": "AES_GCM",
        "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
    }
    request = Signable(method="POST", path="/kms/xks/v1/keys/a.b/encrypt", headers=headers, body=body)
    assert verify(request, {credential.access_key_id: credential.secret}, now, "local")


def test_a_plaintext_comes_back_for_the_parts_of_its_ciphertext(client: ProxyClient, scripted: ScriptedProxy) -> None:
    scripted.scripts = [says(b'{"plaintext": "aGVsbG8="}')]
    assert client.decrypt("k", SEALED, AAD, CALLER, "local") == b"hello"
    assert orjson.loads(scripted.requests[0].partition(b"\r\n\r\n")[2]).items() >= SEALED.fields().items()


def test_key_metadata_and_health_are_read(client: ProxyClient, scripted: ScriptedProxy) -> None:
    scripted.scripts = [says(ENABLED), says(HEALTHY)]
    assert client.key_metadata("k", CALLER, "local").enabled
    assert client.health(CALLER, "local")[0].health == "ACTIVE"


def test_calls_share_a_connection(client: ProxyClient, scripted: ScriptedProxy) -> None:
    scripted.scripts = [says(encrypted())]
    for _ in range(5):
        encrypt(client)
    assert scripted.connections == 1


def test_a_connection_that_was_closed_between_two_calls_is_made_anew(
    client: ProxyClient, scripted: ScriptedProxy
) -> None:
    def once(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(http(encrypted()))
        connection.close()

    scripted.scripts = [once, once, says(encrypted())]
    for _ in range(3):
        assert encrypt(client) == SEALED
    assert scripted.connections == 3


def test_where_a_kept_connection_has_gone_dead_no_other_kept_one_is_waited_for(
    client: ProxyClient, scripted: ScriptedProxy, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another machine takes a proxy's address, and nobody tells those who are connected to the first one."""
    both = threading.Barrier(2)

    def together(connection: socket.socket, _request: bytes) -> None:
        both.wait(PATIENT)
        connection.sendall(http(encrypted()))

    def silent(_connection: socket.socket, _request: bytes) -> None:
        released.wait(PATIENT)

    scripted.scripts = [together, together, silent, says(encrypted())]
    with ThreadPoolExecutor(2) as callers:
        assert list(callers.map(encrypt, [client, client])) == [SEALED, SEALED]
    with monkeypatch.context() as hurry:
        hurry.setattr(client, "_budget", BUDGET)
        with pytest.raises(ProxyUnreachableError, match="did not answer within 250 ms"):
            encrypt(client)
    assert encrypt(client) == SEALED
    assert scripted.connections == 3


def test_a_connection_that_breaks_under_a_call_is_made_anew_once(client: ProxyClient, scripted: ScriptedProxy) -> None:
    def breaks(connection: socket.socket, _request: bytes) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    scripted.scripts = [says(encrypted()), breaks, says(encrypted())]
    encrypt(client)
    assert encrypt(client) == SEALED
    scripted.scripts = [breaks]
    with pytest.raises(ProxyUnreachableError, match="cannot be reached"):
        encrypt(client)


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(
    client: ProxyClient, scripted: ScriptedProxy
) -> None:
    taken, sent = threading.Semaphore(0), threading.Semaphore(0)

    def twice(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(http(b'{"plaintext": "aGVsbG8="}'))
        taken.acquire(timeout=PATIENT)  # or both would be read at once
        connection.sendall(http(b'{"plaintext": "V1JPTkc="}'))
        sent.release()

    scripted.scripts = [twice]
    for _ in range(3):
        assert client.decrypt("k", SEALED, AAD, CALLER, "local") == b"hello"
        taken.release()
        assert sent.acquire(timeout=PATIENT)
    assert scripted.connections == 3


# Each goes on for much longer than a call may take, and most would end with an answer.
def _late(connection: socket.socket, released: threading.Event) -> None:
    released.wait(PATIENT)
    connection.sendall(http(encrypted()))


def _drop_by_drop(connection: socket.socket, released: threading.Event) -> None:
    for byte in http(encrypted()):
        connection.sendall(bytes((byte,)))
        released.wait(BUDGET / 10)


def _endless_headers(connection: socket.socket, released: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not released.wait(BUDGET / 10):
        connection.sendall(b"X-More: 1\r\n")


def _silent(connection: socket.socket, released: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    released.wait(PATIENT)


@pytest.mark.parametrize("script", [_late, _drop_by_drop, _silent, _endless_headers])
def test_an_answer_that_is_not_there_in_time_is_none(
    hurried: ProxyClient,
    scripted: ScriptedProxy,
    released: threading.Event,
    script: Callable[[socket.socket, threading.Event], None],
) -> None:
    scripted.scripts = [lambda connection, _request: script(connection, released)]
    with pytest.raises(ProxyUnreachableError, match="did not answer within 250 ms"):
        encrypt(hurried)


def test_the_budget_is_for_a_call_as_a_whole_and_not_for_each_attempt(
    client: ProxyClient, scripted: ScriptedProxy, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def takes_all(connection: socket.socket, _request: bytes) -> None:
        seconds.now += PATIENT
        connection.shutdown(socket.SHUT_RDWR)

    monkeypatch.setattr(connections, "monotonic", seconds)
    scripted.scripts = [says(encrypted()), takes_all, says(encrypted())]
    encrypt(client)
    with pytest.raises(ProxyUnreachableError, match="did not answer within 30000 ms"):
        encrypt(client)
    assert len(scripted.requests) == 2


def _dropped(connection: socket.socket, _request: bytes) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def _raw(data: bytes) -> Script:
    def send(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return send


@pytest.mark.parametrize(
    "script",
    [
        _dropped,
        _raw(http(encrypted())[:-20]),
        _raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
        _raw(b"HTTP/1.1 200 OK\r\n\r\n" + encrypted()[:-5]),
        _raw(b"SSH-2.0-OpenSSH\r\n\r\n"),
        _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b" " * 70000),
        _raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 70000),
        says(b"<html>"),
        says(b"[]"),
        says(b"", "204 No Content"),
        says(b"Bad Gateway", "502 Bad Gateway"),
        says(b'{"errorName": "FutureException"}', "400 X"),
        refused(fault.KEY_NOT_FOUND, 500),
        says(encrypted(), "201 Created"),
    ],
)
def test_what_is_no_answer_of_the_api_says_nothing(
    client: ProxyClient, scripted: ScriptedProxy, script: Script
) -> None:
    scripted.scripts = [script]
    with pytest.raises(ProxyUnreachableError):
        encrypt(client)


@pytest.mark.parametrize(
    "data",
    [
        b'{"plaintext": "c2VjcmV0"}',
        b'HTTP/9 {"plaintext": "c2VjcmV0"}\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{"plaintext": "c2VjcmV0"}\r\n',
    ],
)
def test_a_plaintext_that_comes_where_none_belongs_is_not_repeated(
    client: ProxyClient, scripted: ScriptedProxy, data: bytes
) -> None:
    scripted.scripts = [_raw(data)]
    with pytest.raises(ProxyUnreachableError, match="is no HTTP") as caught:
        client.decrypt("theirs", SEALED, AAD, CALLER, "local")
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ciphertextDataIntegrityValue": "AAAA"}, "something was altered"),
        ({"ciphertextDataIntegrityValue": None}, "ciphertextDataIntegrityValue is missing"),
        ({"ciphertext": "MTIzNDY="}, "something was altered"),
        ({"ciphertext": "MTIz"}, "not as long as the plaintext"),
        ({"initializationVector": "AAAAAAAAAAAAAAAB"}, "something was altered"),
        ({"authenticationTag": "AAAAAAAAAAAAAAAAAAAAAQ=="}, "something was altered"),
        ({"ciphertextMetadata": "djI="}, "something was altered"),
        ({"ciphertextMetadata": None}, "something was altered"),
        ({"ciphertextMetadata": "A" * 28}, "ciphertextMetadata has 21 bytes"),
    ],
)
def test_a_ciphertext_that_was_altered_on_its_way_is_not_believed(
    client: ProxyClient, scripted: ScriptedProxy, change: dict[str, Any], words: str
) -> None:
    scripted.scripts = [says(encrypted(**change))]
    with pytest.raises(ProxyUnreachableError, match=words):
        encrypt(client)


def test_an_answer_to_another_request_is_not_believed(client: ProxyClient, scripted: ScriptedProxy) -> None:
    scripted.scripts = [says(encrypted())]
    with pytest.raises(ProxyUnreachableError, match="something was altered"):
        client.encrypt("a.b", b"hello", b"other data", CALLER, "local")


def test_a_plaintext_of_another_length_is_not_believed(client: ProxyClient, scripted: ScriptedProxy) -> None:
    scripted.scripts = [says(b'{"plaintext": "aGVs"}')]
    with pytest.raises(ProxyUnreachableError, match="not as long as the ciphertext"):
        client.decrypt("k", SEALED, AAD, CALLER, "local")


@pytest.mark.parametrize("name", sorted(STATUS))
def test_each_error_name_arrives_with_its_reason(client: ProxyClient, scripted: ScriptedProxy, name: str) -> None:
    scripted.scripts = [refused(name)]
    with pytest.raises(XksError, match="because") as caught:
        encrypt(client)
    assert caught.value.name == name


def test_what_a_proxy_says_cannot_steer_a_terminal(client: ProxyClient, scripted: ScriptedProxy) -> None:
    scripted.scripts = [says(b'{"errorName": "ValidationException", "errorMessage": "\\u001b[2J"}', "400 X")]
    with pytest.raises(XksError, match=r"\?\[2J"):
        encrypt(client)


def test_nobody_listening_is_unreachable_and_says_where(
    credential: Credential, now: datetime, scripted: ScriptedProxy
) -> None:
    with held_port() as held:
        address = dataclasses.replace(scripted.address, port=number(held))
        client = ProxyClient(address, lambda: credential, clock=lambda: now, budget=PATIENT)
        where = f"http://127.0.0.1:{address.port}/kms/xks/v1 cannot be reached"
        with pytest.raises(ProxyUnreachableError, match=f"{where}: .*refused"):
            encrypt(client)


def test_a_name_that_is_none_is_unreachable(credential: Credential, now: datetime, scripted: ScriptedProxy) -> None:
    address = dataclasses.replace(scripted.address, host="no-such-host.invalid")
    client = ProxyClient(address, lambda: credential, clock=lambda: now)
    with pytest.raises(ProxyUnreachableError, match=r"cannot be reached|did not answer"):
        encrypt(client)


def test_a_name_that_cannot_be_looked_up_is_unreachable_without_a_trace(
    credential: Credential, now: datetime, scripted: ScriptedProxy
) -> None:
    address = dataclasses.replace(scripted.address, host="a..b")
    client = ProxyClient(address, lambda: credential, clock=lambda: now, budget=PATIENT)
    with pytest.raises(ProxyUnreachableError, match=r"cannot be reached: a\.\.b is no host's name"):
        encrypt(client)


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    credential: Credential, now: datetime, scripted: ScriptedProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a name has an IPv6 address that leads nowhere, before one that works."""
    real: Callable[..., Any] = socket.getaddrinfo
    connect, tried = connections._Connection._connected, list[int]()

    def noted(self: Any, plain: Any, place: Any, waiting: int) -> Any:
        tried.append(place[1])
        return connect(self, plain, place, waiting)

    monkeypatch.setattr(connections._Connection, "_connected", noted)
    scripted.scripts = [says(encrypted())]
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for waiting in (first, second):  # they fill its queue; what else comes is dropped
            waiting.settimeout(0)
            waiting.connect_ex(deaf.getsockname())
        found = [*real(*deaf.getsockname(), type=socket.SOCK_STREAM)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: [*found, *real(*given, **more)])
        client = ProxyClient(scripted.address, lambda: credential, clock=lambda: now, budget=2.0)
        assert encrypt(client) == SEALED
        client.close()
        assert encrypt(client) == SEALED
        client.close()
        answers = scripted.address.port
        assert tried == [deaf.getsockname()[1], answers, answers], "the one that answered is tried first from then on"


def test_a_lookup_that_hangs_does_not_hold_a_call(
    hurried: ProxyClient, scripted: ScriptedProxy, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = socket.getaddrinfo

    def slow(*arguments: Any, **options: Any) -> Any:
        released.wait(PATIENT)
        return real(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    scripted.scripts = [says(encrypted())]
    with pytest.raises(ProxyUnreachableError, match="250 ms"):
        encrypt(hurried)
    released.set()
    monkeypatch.setattr(hurried, "_budget", PATIENT)
    assert encrypt(hurried) == SEALED


def test_a_proxy_that_does_not_answer_is_left_alone_for_a_while(
    client: ProxyClient, scripted: ScriptedProxy, seconds: Seconds
) -> None:
    scripted.scripts = [_dropped]
    for _ in range(FAILURES):
        with pytest.raises(ProxyUnreachableError, match="cannot be reached"):
            encrypt(client)
    asked = len(scripted.requests)
    with pytest.raises(ProxyUnreachableError, match="asked again in 5 s"):
        encrypt(client)
    assert len(scripted.requests) == asked
    scripted.scripts = [says(encrypted())]
    seconds.now += PAUSE
    assert encrypt(client) == SEALED
    assert encrypt(client) == SEALED


@pytest.mark.parametrize("name", [fault.INTERNAL, fault.DEPENDENCY_TIMEOUT])
def test_a_key_manager_that_fails_opens_the_circuit(client: ProxyClient, scripted: ScriptedProxy, name: str) -> None:
    scripted.scripts = [refused(name)]
    for _ in range(FAILURES):
        with pytest.raises(XksError):
            encrypt(client)
    with pytest.raises(ProxyUnreachableError, match="asked again"):
        encrypt(client)


def test_answers_that_cannot_be_believed_open_the_circuit(client: ProxyClient, scripted: ScriptedProxy) -> None:
    scripted.scripts = [says(encrypted(ciphertextDataIntegrityValue="AAAA"))]
    for _ in range(FAILURES):
        with pytest.raises(ProxyUnreachableError, match="altered"):
            encrypt(client)
    with pytest.raises(ProxyUnreachableError, match="asked again"):
        encrypt(client)


def test_refusals_do_not_open_the_circuit(client: ProxyClient, scripted: ScriptedProxy) -> None:
    scripted.scripts = [refused(fault.INVALID_CIPHERTEXT)]
    for _ in range(FAILURES * 2):
        with pytest.raises(XksError):
            encrypt(client)


def test_the_access_key_is_asked_for_again_after_it_was_refused(
    scripted: ScriptedProxy, credential: Credential, now: datetime
) -> None:
    asked: list[Credential] = []

    def ask() -> Credential:
        asked.append(dataclasses.replace(credential, secret=SecretBytes(b"%d" % len(asked))))
        return asked[-1]

    client = ProxyClient(scripted.address, ask, clock=lambda: now, budget=PATIENT)
    scripted.scripts = [says(encrypted()), refused(fault.AUTHENTICATION_FAILED), says(encrypted())]
    encrypt(client)
    with pytest.raises(XksError):
        encrypt(client)
    encrypt(client)
    client.close()
    assert len(asked) == 2
