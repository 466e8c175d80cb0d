"""TLS of a served engine: real clients that trust it, that do not, and that have to show who they are."""

from __future__ import annotations

import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config

from tests.certificates import authority, certificate
from tests.clients import Node, OldPython
from tests.served import serve
from tests.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.certificates import Issued
    from tests.project import Project
    from tests.served import Served

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
# uvloop ends a connection whose handshake fails without OpenSSL's alert. TLS 1.3's client has finished it by then.
CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)
"""How it looks depends on who is first: the end of TLS, of the stream, or of the connection."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def trusted(folder: Path) -> Issued:
    return authority(folder)


@pytest.fixture(scope="module")
def server(folder: Path, trusted: Issued) -> Issued:
    return certificate(folder, "server", trusted)


@pytest.fixture(scope="module")
def options(server: Issued) -> tuple[str, ...]:
    return ("--tls-cert", str(server.certificate), "--tls-key", str(server.key))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...]) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("tls"), *options)


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...], trusted: Issued) -> Iterator[Served]:
    """A server that takes only clients of the authority."""
    yield from serve(tmp_path_factory.mktemp("mutual"), *options, "--client-ca", str(trusted.certificate))


def signer(served: Served, context: ssl.SSLContext) -> Signer:
    return Signer(served.endpoint, served.access_key_id, served.access_key_secret, tls=context)


def trusting(trusted: Issued, shown: Issued | None = None) -> ssl.SSLContext:
    """A client's side that trusts the authority, and may have a certificate to show."""
    context = ssl.create_default_context(cafile=trusted.certificate)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


def new_sdk(served: Served, **options: Any) -> Client:
    given = {"access_key_id": served.access_key_id, "access_key_secret": served.access_key_secret}
    return Client(Config(endpoint=served.endpoint, protocol="https", region_id=served.region, **given, **options))


def test_the_python_sdk_reaches_it_with_its_authority_and_not_without(served: Served, trusted: Issued) -> None:
    request = models.ListKeysRequest()
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        new_sdk(served).list_keys(request)
    assert new_sdk(served, ca=str(trusted.certificate)).list_keys(request).status_code == 200


# Its own copy of urllib3 is of 2018.
@pytest.mark.filterwarnings("ignore:ssl\\..* is deprecated:DeprecationWarning")
def test_the_older_python_sdk_reaches_it_with_its_authority_and_not_without(served: Served, trusted: Issued) -> None:
    assert OldPython(served, scheme="https", verify=str(trusted.certificate)).send("ListKeys", {}).status == 200
    refused = OldPython(served, scheme="https").send("ListKeys", {})
    assert refused.status == 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.body["Message"]


def test_the_node_sdk_reaches_it_with_its_authority_and_not_without(served: Served, trusted: Issued) -> None:
    with Node(served, {"KMS_PROTOCOL": "https", "NODE_EXTRA_CA_CERTS": str(trusted.certificate)}) as client:
        assert client.send("ListKeys", {}).status == 200
    with Node(served, {"KMS_PROTOCOL": "https"}) as stranger:
        refused = stranger.send("ListKeys", {})
    assert refused.status == 0
    assert "unable to verify the first certificate" in refused.body["Message"]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_tls_1_2_and_1_3_are_spoken(served: Served, trusted: Issued, version: ssl.TLSVersion) -> None:
    context = trusting(trusted)
    context.minimum_version = context.maximum_version = version
    assert signer(served, context).call("ListKeys").status == 200


def test_tls_1_1_is_refused_by_the_server(served: Served, trusted: Issued) -> None:
    context = trusting(trusted)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL would not even ask
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(CUT_OFF):
        signer(served, context).call("ListKeys")


def test_http_without_tls_is_not_answered_there(served: Served, trusted: Issued) -> None:
    with pytest.raises(ConnectionError):
        Signer(served.endpoint, served.access_key_id, served.access_key_secret).call("ListKeys")
    host, _, port = served.endpoint.partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"HTTP/" not in plain.recv(4096)
    assert signer(served, trusting(trusted)).send("GET", "/healthz").status == 200


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_client_without_a_certificate_is_refused(mutual: Served, trusted: Issued, version: ssl.TLSVersion) -> None:
    context = trusting(trusted)
    context.minimum_version = context.maximum_version = version
    with pytest.raises(CUT_OFF):
        signer(mutual, context).send("GET", "/healthz")


def test_a_client_with_a_certificate_of_others_is_refused(mutual: Served, trusted: Issued, tmp_path: Path) -> None:
    other = certificate(tmp_path, "client", authority(tmp_path))
    with pytest.raises(CUT_OFF):
        signer(mutual, trusting(trusted, other)).send("GET", "/healthz")


def test_a_client_with_a_certificate_of_the_authority_still_has_to_sign(
    mutual: Served, trusted: Issued, tmp_path: Path
) -> None:
    context = trusting(trusted, certificate(tmp_path, "client", trusted))
    known = signer(mutual, context)
    assert known.call("ListKeys").status == 200
    known.secret = "wrong"
    assert known.call("ListKeys").code == "SignatureDoesNotMatch"


def test_the_python_sdk_shows_its_certificate(mutual: Served, trusted: Issued, tmp_path: Path) -> None:
    shown = certificate(tmp_path, "client", trusted)
    both = tmp_path / "both.pem"
    both.write_bytes(shown.certificate.read_bytes() + shown.key.read_bytes())
    client = new_sdk(mutual, ca=str(trusted.certificate), cert=str(both))
    assert client.list_keys(models.ListKeysRequest()).status_code == 200


@pytest.fixture(scope="module")
def founded(served: Served) -> Project:
    """A folder with an engine, for commands that end before they serve it."""
    return served.project


@pytest.fixture(scope="module")
def unfit(folder: Path, server: Issued, trusted: Issued) -> dict[str, str]:
    """Files by what they are."""
    certificate(folder, "another", trusted)
    (folder / "text").write_text("no PEM\n")
    (folder / "text").chmod(0o600)
    for name, mode in (("seen.key", 0o644), ("shared.key", 0o660)):
        (folder / name).write_bytes(server.key.read_bytes())
        (folder / name).chmod(mode)
    subprocess.run(
        ["openssl", "ec", "-in", server.key, "-aes256", "-passout", "pass:4711", "-out", folder / "encrypted.key"],
        check=True,
        capture_output=True,
    )
    names = {"cert": "server.pem", "key": "server.key", "other key": "another.key", "encrypted key": "encrypted.key"}
    names |= {name: name for name in ("text", "nothing", "seen.key", "shared.key")}
    return {what: str(folder / name) for what, name in names.items()}


@pytest.mark.parametrize(
    ("certificate_", "key", "client_ca", "said"),
    [
        ("text", "key", None, "{text} holds no certificate in PEM"),
        ("cert", "text", None, "{text} holds no private key in PEM"),
        ("cert", "other key", None, "{other key} holds no private key in PEM, or another certificate's"),
        ("cert", "encrypted key", None, "{encrypted key} is encrypted with a passphrase"),
        ("cert", "key", "text", "{text} holds no certificate in PEM"),
        ("cert", "seen.key", None, "open to others than its owner (mode 0644)\nClose it: chmod 600 {seen.key}"),
        ("cert", "shared.key", None, "open to others than its owner (mode 0660)\nClose it: chmod 600 {shared.key}"),
        ("nothing", "key", None, "'{nothing}' does not exist"),
        ("cert", None, None, "--tls-cert and --tls-key go together"),
        (None, None, "cert", "--client-ca needs --tls-cert and --tls-key"),
    ],
)
def test_files_that_do_not_fit_are_named(
    founded: Project,
    unfit: dict[str, str],
    certificate_: str | None,
    key: str | None,
    client_ca: str | None,
    said: str,
) -> None:
    named = {"--tls-cert": certificate_, "--tls-key": key, "--client-ca": client_ca}
    options = [part for option, what in named.items() if what for part in (option, unfit[what])]
    answer = founded.run("engine", "serve", "--listen", "127.0.0.1:0", *options, code=1)
    for what, path in unfit.items():
        said = said.replace(f"{{{what}}}", path)
    assert said in answer.err
    assert answer.out == ""


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--listen", "8443"), "--listen: an address is written HOST:PORT, not '8443'"),
        (("--admin-listen", "here:http"), "--admin-listen: an address is written HOST:PORT, not 'here:http'"),
        (
            ("--listen", "{taken}"),
            "cannot listen on {taken}: Address already in use\nName another address with --listen",
        ),
        (
            ("--admin-listen", "{taken}"),
            "cannot listen on {taken}: Address already in use\nName another address with --a",
        ),
    ],
)
def test_addresses_that_cannot_be_had_are_named(served: Served, option: tuple[str, str], said: str) -> None:
    given = [part.format(taken=served.endpoint) for part in option]
    answer = served.project.run("engine", "serve", "--listen", "127.0.0.1:0", *given, code=1)
    assert said.format(taken=served.endpoint) in answer.err
