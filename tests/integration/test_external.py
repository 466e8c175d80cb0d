"""Both sides of the proxy API as real processes: one engine offers its keys, another one uses them as external keys."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import socket
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.certificates import authority, certificate, fingerprint
from tests.forking import XKS_SECONDS
from tests.ports import held_port, number
from tests.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROVIDER = """\
kmsplan: 1
instances: {core: {type: software}}
keys:
  master: {instance: core, aliases: [master]}
  second: {instance: core, aliases: [second]}
  signer: {instance: core, spec: EC_P256, aliases: [signer]}
"""
CONSUMER = """\
kmsplan: 1
instances:
  byo:
    type: external
    proxy: {{url: "{url}", {more}access_key: {{id: {id}, secret: {{env: PROXY_SECRET}}}}}}
keys:
  theirs: {{instance: byo, external_key: first, aliases: [theirs]}}
"""
PATH = "/kms/xks/v1"


@dataclass
class Side:
    """The engine that offers keys, and the access key for its proxy."""

    project: Project
    access_key_id: str
    secret: str

    @contextmanager
    def proxy(self, *options: str, listen: str = "127.0.0.1:0", path: str = PATH) -> Iterator[str]:
        """Run the proxy; yield its URL without the path."""
        running = self.project.start(
            "engine", "xks-proxy", "--key", "first=alias/master", "--key", "other=alias/second",
            "--listen", listen, "--credential-file", "credential.json", "--path", path, *options,
        )  # fmt: skip
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            assert line.startswith("listening on "), running.communicate()[1]
            yield line.removeprefix("listening on ").strip().removesuffix(path)
        finally:
            running.send_signal(signal.SIGTERM)
            _, log = running.communicate(timeout=60)
            self.log = [json.loads(entry) for entry in log.splitlines() if entry.startswith("{")]
            assert running.returncode == 0, log
            assert "Traceback" not in log


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an engine, keys and an access key in it; each test works on a copy."""
    folder = tmp_path_factory.mktemp("prepared")
    project = Project(folder)
    project.write(PROVIDER)
    project.apply()
    project.run("engine", "xks-credential", "credential.json")
    return folder


@pytest.fixture
def side(tmp_path: Path, prepared: Path) -> Side:
    folder = shutil.copytree(prepared, tmp_path / "provider")
    found = json.loads((folder / "credential.json").read_text())["XksProxyAuthenticationCredential"]
    return Side(Project(folder), found["AccessKeyId"], found["RawSecretAccessKey"])


@pytest.fixture
def consumer(tmp_path: Path, side: Side) -> Project:
    folder = tmp_path / "consumer"
    folder.mkdir()
    return Project(folder, {"PROXY_SECRET": side.secret, XKS_SECONDS: "20"})


def declare(consumer: Project, side: Side, url: str, more: str = "") -> None:
    consumer.write(CONSUMER.format(url=url, more=more, id=side.access_key_id))


def encrypt(project: Project, text: str, code: int = 0) -> str:
    return project.run("engine", "encrypt", "alias/theirs", stdin=text, code=code).out


def test_keys_of_one_engine_are_planned_applied_used_and_watched_by_another(side: Side, consumer: Project) -> None:
    with side.proxy() as url:
        declare(consumer, side, url)
        consumer.run("plan", "--detailed-exitcode", code=2)
        consumer.apply()
        consumer.run("plan", "--detailed-exitcode")
        consumer.run("drift")
        blob = encrypt(consumer, "hello")
        assert consumer.run("engine", "decrypt", stdin=blob).out == "hello"
    used = [entry for entry in side.log if entry.get("operation") == "decrypt"]
    assert {entry["access_key_id"] for entry in used} == {side.access_key_id}
    trail = side.project.run("engine", "audit", "export").out
    assert used[-1]["kms_request_id"] in trail
    assert used[-1]["kms_request_id"] in consumer.run("engine", "audit", "export").out


def test_the_secret_is_in_no_file_of_either_side_and_in_no_output(side: Side, consumer: Project) -> None:
    with side.proxy() as url:
        declare(consumer, side, url)
        saved = consumer.run("plan", "-o", "saved.plan")
        applied = consumer.run("apply", "saved.plan")
        encrypt(consumer, "hello")
    assert side.secret not in saved.text + applied.text + json.dumps(side.log)
    holders = {"credential.json"}
    for project in (side.project, consumer):
        for path in project.root.rglob("*"):
            if path.is_file() and path.name not in holders:
                assert side.secret.encode() not in path.read_bytes(), path


@pytest.fixture
def listen() -> Iterator[str]:
    """An address that is nobody else's, also while no proxy is there."""
    with held_port() as held:
        yield f"127.0.0.1:{number(held)}"


def test_a_proxy_that_is_down_blocks_its_keys_and_nothing_is_planned_for_them(
    side: Side, consumer: Project, listen: str
) -> None:
    with side.proxy(listen=listen) as url:
        declare(consumer, side, url)
        consumer.apply()
        blob = encrypt(consumer, "hello")
    planned = consumer.run("plan", "--json", code=None)
    assert {change["address"]: change["change"]["actions"] for change in planned.json()["resource_changes"]} == {
        "alias.theirs": ["no-op"],
        "instance.byo": ["no-op"],
        "key.theirs": ["no-op"],
    }
    drift = consumer.run("drift", "--json", code=None).json()
    assert [(each["address"], each["kind"]) for each in drift["drift"]] == [("key.theirs", "unreadable")]
    refused = consumer.run("engine", "decrypt", stdin=blob, code=1)
    assert "Rejected.Unavailable" in refused.text
    assert "cannot be reached" in refused.text
    with side.proxy(listen=listen):
        assert consumer.run("engine", "decrypt", stdin=blob).out == "hello"
        consumer.run("drift")


def test_a_key_disabled_at_its_key_manager_is_unavailable(side: Side, consumer: Project) -> None:
    with side.proxy() as url:
        declare(consumer, side, url)
        consumer.apply()
        side.project.call("DisableKey", f"KeyId={side.project.identity('key.master')}")
        drift = consumer.run("drift", "--json", code=None).json()
        assert drift["drift"][0]["address"] == "key.theirs"
        assert "disabled there; enable it there" in consumer.run("engine", "encrypt", "alias/theirs", code=1).text


def test_a_proxy_that_moves_is_an_update_in_place(side: Side, consumer: Project) -> None:
    with side.proxy() as url:
        declare(consumer, side, url)
        consumer.apply()
        blob = encrypt(consumer, "hello")
    with side.proxy(path=f"/tenant{PATH}") as url:
        declare(consumer, side, url, f"path: /tenant{PATH}, ")
        assert "instance.byo: updated" in consumer.apply(code=8).out  # its key could not be read before
        assert consumer.run("engine", "decrypt", stdin=blob).out == "hello"
        consumer.run("plan", "--detailed-exitcode")


def test_another_access_key_is_refused_and_says_what_to_compare(side: Side, consumer: Project) -> None:
    with side.proxy() as url:
        declare(consumer, side, url)
        consumer.environ["PROXY_SECRET"] = "another-secret"
        answer = consumer.apply(code=1)
        assert "compare `access_key`" in answer.text
        assert "another-secret" not in answer.text
    assert {entry.get("error") for entry in side.log} == {"AuthenticationFailedException"}


def test_an_access_key_that_is_not_there_is_missed_before_anything_begins(side: Side, consumer: Project) -> None:
    declare(consumer, side, "https://proxy.example")
    del consumer.environ["PROXY_SECRET"]
    assert "PROXY_SECRET is not set" in consumer.run("plan", code=1).text


def test_two_access_keys_may_call_while_one_is_exchanged(side: Side, consumer: Project) -> None:
    side.project.run("engine", "xks-credential", "next.json")
    following = json.loads((side.project.root / "next.json").read_text())["XksProxyAuthenticationCredential"]
    with side.proxy("--credential-file", "next.json") as url:
        declare(consumer, side, url)
        consumer.apply()
        consumer.environ["PROXY_SECRET"] = following["RawSecretAccessKey"]
        consumer.write(CONSUMER.format(url=url, more="", id=following["AccessKeyId"]))
        consumer.run("plan", "--detailed-exitcode")
        encrypt(consumer, "hello")


def test_a_pinned_certificate_is_trusted_and_another_is_not(side: Side, consumer: Project, tmp_path: Path) -> None:
    right, wrong = certificate(tmp_path, "right"), certificate(tmp_path, "wrong")
    options = ("--tls-cert", str(right.certificate), "--tls-key", str(right.key))
    with side.proxy(*options) as url:
        declare(consumer, side, url, f"fingerprint: '{fingerprint(wrong)}', ")
        answer = consumer.apply(code=1)
        assert f"not the pinned {fingerprint(wrong).replace(':', '').lower()}" in answer.text
        assert "somebody is in between" in answer.text
        declare(consumer, side, url, f"fingerprint: '{fingerprint(right)}', ")
        consumer.apply()
        assert consumer.run("engine", "decrypt", stdin=encrypt(consumer, "hello")).out == "hello"
        declare(consumer, side, url, f"fingerprint: '{fingerprint(wrong)}', ")
        assert "somebody is in between" in consumer.run("apply", "--auto-approve", code=None).text
        declare(consumer, side, url, f"fingerprint: '{fingerprint(right)}', ")
        consumer.run("plan", "--detailed-exitcode")


def test_a_certificate_without_a_pin_is_checked_by_authority_and_name(
    side: Side, consumer: Project, tmp_path: Path
) -> None:
    root = authority(tmp_path)
    issued = certificate(tmp_path, "issued", issuer=root)
    with side.proxy("--tls-cert", str(issued.certificate), "--tls-key", str(issued.key)) as url:
        declare(consumer, side, url)
        assert "certificate verify failed" in consumer.apply(code=1).text
        consumer.environ["SSL_CERT_FILE"] = str(root.certificate)
        consumer.apply()
        elsewhere = url.replace("127.0.0.1", "127.0.0.2")
        declare(consumer, side, elsewhere)
        assert "cannot be reached" in consumer.run("apply", "--auto-approve", code=None).text


def test_clients_without_a_certificate_are_turned_away_where_one_is_wanted(side: Side, tmp_path: Path) -> None:
    root = authority(tmp_path)
    served, client = certificate(tmp_path, "served", issuer=root), certificate(tmp_path, "client", issuer=root)
    options = (
        "--tls-cert",
        str(served.certificate),
        "--tls-key",
        str(served.key),
        "--client-ca",
        str(root.certificate),
    )
    with side.proxy(*options) as url:
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        context = ssl.create_default_context(cafile=root.certificate)
        with pytest.raises((ssl.SSLError, ConnectionError)), _connected(context, place) as connection:
            _ping(connection)
        context.load_cert_chain(client.certificate, client.key)
        with _connected(context, place) as connection:
            assert _ping(connection).startswith(b"HTTP/1.1 200")


def test_of_clients_with_a_certificate_the_named_one_alone_is_let_in(side: Side, tmp_path: Path) -> None:
    root = authority(tmp_path)
    served, client = certificate(tmp_path, "served", issuer=root), certificate(tmp_path, "client", issuer=root)
    stranger = certificate(tmp_path, "stranger", issuer=root)
    options = ("--tls-cert", str(served.certificate), "--tls-key", str(served.key))
    named = ("--client-ca", str(root.certificate), "--client-name", "Client")
    with side.proxy(*options, *named) as url:
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        for issued, lets_in in ((client, True), (stranger, False)):
            context = ssl.create_default_context(cafile=root.certificate)
            context.load_cert_chain(issued.certificate, issued.key)
            with _connected(context, place) as connection:
                if lets_in:
                    assert _ping(connection).startswith(b"HTTP/1.1 200")
                else:
                    assert _answer_or_end(connection) == b""
    assert [entry["reason"] for entry in side.log if entry["event"] == "refused"] == [
        "the client's certificate is for stranger, and not for Client"
    ]
    answer = side.project.run(
        "engine", "xks-proxy", "--key", "alias/master", *options, "--client-name", "client", code=1
    )
    assert "--client-name needs --client-ca" in answer.text


def _answer_or_end(connection: ssl.SSLSocket) -> bytes:
    try:
        return _ping(connection)
    except OSError:
        return b""


@contextmanager
def _connected(context: ssl.SSLContext, place: tuple[str, int]) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(place, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=place[0]) as secured,
    ):
        yield secured


def _ping(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(b"GET /ping HTTP/1.1\r\nHost: proxy\r\n\r\n")
    answer = connection.recv(4096)
    if not answer:
        raise ConnectionError
    return answer


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl signs independently of kmsplan")
def test_a_foreign_client_is_understood(side: Side) -> None:
    with side.proxy() as url:

        def call(path: str, **fields: Any) -> tuple[int, dict[str, Any]]:
            metadata = {"awsPrincipalArn": "a", "kmsKeyArn": "k", "kmsOperation": "Encrypt", "kmsRequestId": "r"}
            done = subprocess.run(
                [
                    "curl", "--silent", "--aws-sigv4", "aws:amz:us-east-1:kms-xks-proxy",
                    "--user", f"{side.access_key_id}:{side.secret}", "--header", "Content-Type: application/json",
                    "--data", json.dumps({"requestMetadata": metadata, **fields}),
                    "--write-out", "\n%{http_code}", f"{url}{PATH}{path}",
                ],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            body, _, status = done.stdout.rpartition("\n")
            return int(status), json.loads(body)

        assert call("/health")[0] == 200
        assert call("/keys/first/metadata")[1]["keyStatus"] == "ENABLED"
        plaintext = base64.b64encode(b"hello").decode()
        status, sealed = call("/keys/first/encrypt", plaintext=plaintext, encryptionAlgorithm="AES_GCM")
        assert status == 200
        assert call("/keys/first/decrypt", encryptionAlgorithm="AES_GCM", **sealed) == (200, {"plaintext": plaintext})
        assert call("/keys/other/decrypt", encryptionAlgorithm="AES_GCM", **sealed)[0] == 400
        assert call("/keys/nobodys/encrypt", plaintext="", encryptionAlgorithm="AES_GCM")[0] == 404


_NO_CALLS: tuple[tuple[bytes, int, bytes], ...] = (
    (b"NONSENSE\r\n\r\n", 400, b"ValidationException"),
    (b"POST /kms/xks/v1/health HTTP/1.1\r\nHost: p\r\nContent-Length: 70000\r\n\r\n", 501, b"UnsupportedOperation"),
    (b"POST /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\n\r\n", 404, b"InvalidUriPath"),
    (b"GET /kms/xks/v1/health HTTP/1.1\r\nHost: p\r\n\r\n", 405, b"MethodNotAllowed"),
    (b"POST /kms/xks/v1/health HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\n\r\n", 401, b"AuthenticationFailed"),
)


def test_what_is_no_request_of_the_api_is_answered_in_its_words(side: Side) -> None:
    with side.proxy() as url:
        for sent, status, name in _NO_CALLS:
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 5) as connection:
                connection.sendall(sent)
                answer = connection.recv(4096)
                assert answer.startswith(b"HTTP/1.1 %d" % status)
                assert name in answer


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--key", "alias/none"), "alias/none"),
        (("--key", "alias/signer"), "AES-256 keys that encrypt only"),
        (("--key", "a/b=alias/master"), "no key can be offered as 'a/b'"),
        (("--key", "a=alias/master", "--key", "a=alias/second"), "two keys are offered as 'a'"),
        (("--key", "alias/master", "--listen", "0.0.0.0:0"), "plaintext would cross the network"),
        (("--key", "alias/master", "--credential-file", "kmsplan.yaml"), "holds no access key"),
        (("--key", "alias/master", "--credential-file", "none.json"), "cannot be read"),
        (("--key", "alias/master", "--tls-cert", "kmsplan.yaml", "--tls-key", "kmsplan.yaml"), "holds no certificate"),
    ],
)
def test_a_proxy_that_cannot_be_offered_says_why(side: Side, arguments: tuple[str, ...], words: str) -> None:
    answer = side.project.run(
        "engine", "xks-proxy", "--listen", "127.0.0.1:0", "--credential-file", "credential.json", *arguments, code=1
    )
    assert words in answer.text
    assert side.secret not in answer.text


def test_a_key_that_encrypts_for_cloud_services_alone_is_not_offered(side: Side) -> None:
    made = side.project.run(
        "engine", "call", "CreateKey", "KeySpec=Aliyun_AES_256", "KeyUsage=ENCRYPT/DECRYPT", "Origin=Aliyun_KMS"
    )
    answer = side.project.run(
        "engine", "xks-proxy", "--key", made.out.strip(), "--listen", "127.0.0.1:0",
        "--credential-file", "credential.json", code=1,
    )  # fmt: skip
    assert f"{made.out.strip()} is in no instance" in answer.text


def test_one_id_with_two_secrets_is_refused(side: Side) -> None:
    other = side.project.root / "other.json"
    other.touch(mode=0o600)
    other.write_text((side.project.root / "credential.json").read_text().replace(side.secret, "a" * 43))
    answer = side.project.run(
        "engine", "xks-proxy", "--key", "alias/master", "--listen", "127.0.0.1:0",
        "--credential-file", "credential.json", "--credential-file", "other.json", code=1,
    )  # fmt: skip
    assert f"two secrets are given for the access key {side.access_key_id}" in answer.text
    assert side.secret not in answer.text


def test_an_access_key_that_others_can_read_is_refused(side: Side, tmp_path: Path) -> None:
    seen = tmp_path / "seen.json"
    seen.write_text((side.project.root / "credential.json").read_text())
    seen.chmod(0o640)
    options = ("--key", "alias/master", "--listen", "127.0.0.1:0", "--credential-file", str(seen))
    answer = side.project.run("engine", "xks-proxy", *options, code=1)
    assert f"{seen} is open to others than its owner (mode 0640), who may have a copy" in answer.text
    assert f"chmod 600 {seen}" in answer.text


def test_nobody_may_call_without_an_access_key(side: Side) -> None:
    answer = side.project.run("engine", "xks-proxy", "--key", "alias/master", code=1)
    assert "no access key is given" in answer.text


def test_an_access_key_comes_from_the_environment_too(side: Side) -> None:
    side.project.environ["KMSPLAN_XKS_CREDENTIAL"] = (side.project.root / "credential.json").read_text()
    running = side.project.start("engine", "xks-proxy", "--key", "alias/master", "--listen", "127.0.0.1:0")
    assert running.stdout is not None
    assert running.stdout.readline().startswith("listening on http://127.0.0.1:")
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 0


def test_an_access_key_file_is_for_its_owner_alone_and_never_overwritten(side: Side) -> None:
    path = side.project.root / "credential.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "File exists" in side.project.run("engine", "xks-credential", "credential.json", code=1).text
