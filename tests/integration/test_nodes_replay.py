"""The same signed bytes at two nodes of one engine: whoever has recorded a request gets it answered nowhere else."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.project import Project
from tests.running import PATIENCE, first
from tests.signing import Signer

if TYPE_CHECKING:
    import socket
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import PostgresServer

ROUNDS = 100
CONFIGURATION = "kmsplan: 1\nengine: {embedded: {postgres: {env: KEYSTORE}, seal: {passphrase: {env: PHRASE}}}}\n"
_LISTENING = re.compile("listening on http://(.+):([0-9]+)")
ONCE = [(200, None), (400, "SignatureNonceUsed")]
Sent = tuple[int, str | None]


@dataclass
class Node:
    """A machine, so to speak: a folder with a served engine in it, and a connection to that."""

    project: Project
    process: subprocess.Popen[str] | None = None
    place: tuple[str, int] = ("", 0)
    connections: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        self.process = self.project.start(
            "engine", "serve", "--listen", "127.0.0.1:0", "--workers", "2", "--log", "off"
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        listening = _LISTENING.match(line)
        assert listening is not None, line + self.process.communicate(timeout=PATIENCE)[1]
        self.place = listening[1], int(listening[2])

    def connect(self) -> None:
        """Connect anew: a server ends what nobody has sent anything on for a while."""
        self.close()
        # More than one, so that both workers get some.
        self.connections = [_connected(*self.place) for _ in range(4)]

    def close(self) -> None:
        for connection in self.connections:
            connection.close()

    def stop(self) -> int:
        """Tell it to stop; return its exit code."""
        self.close()
        if self.process is None:
            return 0
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


def _connected(host: str, port: int) -> socket.socket:
    import socket  # noqa: PLC0415 - the rest of the module has it for types alone

    connection = socket.create_connection((host, port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@dataclass
class Cluster:
    """Two nodes, and who calls them."""

    nodes: tuple[Node, Node]
    signer: Signer
    instance: str
    key: str = ""

    def recorded(self, action: str, **headers: str) -> bytes:
        """A signed request as it goes over the wire."""
        parameters = {
            "Encrypt": {"KeyId": self.key, "Plaintext": "x"},
            "CreateKey": {"DKMSInstanceId": self.instance},
            "DescribeKey": {"KeyId": self.key},
        }
        query, signed = self.signer.request(action, parameters[action], **headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        return f"POST /?{query} HTTP/1.1\r\n{lines}content-length: 0\r\n\r\n".encode()

    def at_once(self, number: int, *requests: bytes) -> list[Sent]:
        """Send a request to each node, and only then look at the answers."""
        connections = [node.connections[number % 4] for node in self.nodes]
        order = slice(None, None, 1 if number % 2 else -1)
        for connection, data in list(zip(connections, requests, strict=True))[order]:
            connection.sendall(data)
        return sorted((_answer(connection) for connection in connections), key=lambda sent: sent[0])

    def in_turn(self, number: int, data: bytes) -> list[Sent]:
        """Send a request to one node, and once it has answered to the other and to itself again."""
        there, here = (node.connections[number % 4] for node in self.nodes[:: 1 if number % 2 else -1])
        answers = []
        for connection in (there, here, there):
            connection.sendall(data)
            answers.append(_answer(connection))
        return answers

    def told(self) -> Counter[tuple[str, str]]:
        """How many entries of the audit trail there are of each action and result."""
        lines = self.nodes[0].project.run("engine", "audit", "export").out.splitlines()
        entries = [json.loads(line) for line in lines]
        return Counter((entry["action"], entry["result"]) for entry in entries if "action" in entry)


def _answer(connection: socket.socket) -> Sent:
    status, body = first(connection)
    return status, body.get("Code")


@contextlib.contextmanager
def _cluster(root: Path, url: str) -> Iterator[Cluster]:
    environ = {"KEYSTORE": url, "PHRASE": "correct horse battery staple"}
    nodes = []
    for name in ("one", "two"):
        (root / name).mkdir()
        nodes.append(Node(Project(root / name, environ)))
        nodes[-1].project.write(CONFIGURATION)
    project = nodes[0].project
    project.run("engine", "init")
    made = project.run("engine", "access-key", "create", "--role", "administrator", "--json").json()
    instance = project.call("CreateInstance", "ProductType=software", "Spec=4000", "KeyNum=1000")
    cluster = Cluster(
        (nodes[0], nodes[1]), Signer("kms.test", made["access_key_id"], made["access_key_secret"]), instance
    )
    try:
        for node in nodes:
            node.start()
        nodes[0].connect()
        connection = nodes[0].connections[0]
        connection.sendall(cluster.recorded("CreateKey"))
        status, body = first(connection)
        assert status == 200, body
        cluster.key = body["KeyMetadata"]["KeyId"]
        yield cluster
    finally:
        codes = [node.stop() for node in nodes]
    assert codes == [0, 0]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Cluster]:
    """Two nodes that serve one engine."""
    with _cluster(tmp_path_factory.mktemp("cluster"), postgres.url(postgres.new_schema())) as made:
        yield made


@pytest.fixture(autouse=True)
def connected(cluster: Cluster) -> None:
    for node in cluster.nodes:
        node.connect()


@pytest.mark.parametrize("action", ["Encrypt", "CreateKey", "DescribeKey"])
def test_of_two_nodes_that_get_a_request_at_once_one_answers(cluster: Cluster, action: str) -> None:
    for number in range(ROUNDS):
        data = cluster.recorded(action)
        assert cluster.at_once(number, data, data) == ONCE, number


@pytest.mark.parametrize("action", ["Encrypt", "CreateKey", "DescribeKey"])
def test_a_request_that_one_node_has_answered_is_not_answered_by_the_other(cluster: Cluster, action: str) -> None:
    for number in range(ROUNDS):
        assert cluster.in_turn(number, cluster.recorded(action)) == [*ONCE, ONCE[1]], number
    assert cluster.told()[action, "SignatureNonceUsed"] >= ROUNDS


def test_a_creation_that_is_signed_anew_with_its_nonce_is_carried_out_once(cluster: Cluster) -> None:
    for number in range(10):
        nonce = os.urandom(16).hex()
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
        requests = [
            cluster.recorded("CreateKey", x_acs_signature_nonce=nonce),
            cluster.recorded("CreateKey", x_acs_signature_nonce=nonce, x_acs_date=later),
        ]
        assert requests[0] != requests[1]
        assert cluster.at_once(number, *requests) == ONCE


def test_a_request_from_before_a_restart_of_both_nodes_is_answered_by_neither(cluster: Cluster) -> None:
    requests = {action: cluster.recorded(action) for action in ("Encrypt", "CreateKey")}
    for node, data in zip(cluster.nodes, requests.values(), strict=True):  # the other one has never seen it
        node.connections[0].sendall(data)
        assert _answer(node.connections[0]) == ONCE[0]
    before = cluster.told()
    for node in cluster.nodes:
        node.stop()
    for node in cluster.nodes:
        node.start()
    for node in cluster.nodes:
        node.connect()
    for number, data in enumerate(requests.values()):
        assert cluster.in_turn(number, data) == [ONCE[1]] * 3
        assert cluster.at_once(number, data, data) == [ONCE[1]] * 2
    after = cluster.told()
    assert [after[action, "OK"] for action in requests] == [before[action, "OK"] for action in requests]
