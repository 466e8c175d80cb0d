"""New root keys, new keyring keys and seals by command, while other processes have the engine open."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.engines import Clock, Lab, new_instance, new_key
from tests.project import KMSPLAN, SOFTHSM, Project
from tests.served import serve
from tests.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.served import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server in a folder of its own, with its engine sealed by a key file."""
    yield from serve(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def client(served: Served) -> Signer:
    """Signs with the server's access key."""
    return Signer(served.endpoint, served.access_key_id, served.access_key_secret)


@pytest.fixture(scope="module")
def key(served: Served) -> str:
    """A software key."""
    lab = Lab(served.project.root / "state" / "engine", clock=Clock())
    engine = lab.open()
    made = new_key(engine, new_instance(engine))
    lab.close()
    return made


def encrypt(client: Signer, key: str) -> str:
    """Return a ciphertext from the server."""
    parameters = {"KeyId": key, "Plaintext": base64.b64encode(b"plaintext").decode()}
    reply = client.call("Encrypt", parameters)
    assert reply.status == 200, reply.body
    return str(reply.json["CiphertextBlob"])


def decrypts(client: Signer, blob: str) -> bool:
    """Return whether the server opens a ciphertext."""
    reply = client.call("Decrypt", {"CiphertextBlob": blob})
    assert reply.status == 200, reply.body
    return base64.b64decode(reply.json["Plaintext"]) == b"plaintext"


@contextmanager
def load(client: Signer, key: str) -> Iterator[list[Any]]:
    """Keep the server busy meanwhile; what went wrong is in the list."""
    stop, wrong, done = threading.Event(), [], []

    def call() -> None:
        while not stop.is_set():
            try:
                done.append(decrypts(client, encrypt(client, key)))
            except (AssertionError, OSError) as error:
                wrong.append(error)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        assert done
        assert all(done)


def status(project: Project) -> dict[str, Any]:
    facts: dict[str, Any] = project.run("engine", "status", "--json").json()
    return facts


def test_a_server_goes_on_while_root_key_and_keyring_are_renewed(served: Served, client: Signer, key: str) -> None:
    blob, term = encrypt(client, key), status(served.project)["keyring_term"]
    with load(client, key) as wrong:
        assert "The root key is a new one." in served.project.run("engine", "rotate-root").out
        answer = served.project.run("engine", "rotate-keyring")
        assert f"The keyring is in term {term + 1}; " in answer.out
        served.project.run("engine", "rotate-root")
        served.project.run("engine", "rotate-keyring")
        served.project.run("engine", "backup", "--output", "b", "--key-file", "backup.key")
    assert wrong == []
    assert decrypts(client, blob)
    facts = status(served.project)
    assert (facts["keyring_term"], facts["versions_of_older_terms"], facts["rewrapping"]) == (term + 2, 0, False)
    assert "verified" in served.project.run("engine", "audit", "verify").out


def test_status_says_what_a_running_engine_does_in_words_and_in_json(served: Served, key: str) -> None:
    assert key
    facts = status(served.project)
    assert (facts["nodes"], facts["scheduler_runs"], facts["seal"], facts["sealed"]) == (1, True, "file", False)
    assert facts["format_version"] == "1.0"
    lines = served.project.run("engine", "status").out.splitlines()
    shown = {line[:24].strip(): line[24:].strip() for line in lines}
    assert shown.keys() == {name.replace("_", " ") for name in facts if name != "format_version"}
    assert (shown["seal"], shown["sealed"], shown["scheduler runs"], shown["keys"]) == (
        "file",
        "no",
        "yes",
        "1 Enabled",
    )
    root = (served.project.root / "state" / "engine" / "root.key").read_bytes()
    for secret in (root.hex(), base64.b64encode(root).decode(), served.access_key_secret):
        assert secret not in "".join(lines) + str(facts)


def test_a_server_is_shut_by_seal_and_comes_back_by_itself_after_unseal(
    served: Served, client: Signer, key: str
) -> None:
    blob = encrypt(client, key)
    assert "kmsplan engine unseal opens it again" in served.project.run("engine", "seal").out
    assert client.send("GET", "/readyz").json == {"status": "sealed"}
    assert client.call("Decrypt", {"CiphertextBlob": blob}).status != 200
    assert status(served.project)["sealed"]
    refused = served.project.run("engine", "rotate-root", code=1)
    assert "Unseal it: kmsplan engine unseal" in refused.err
    refused = served.project.run("engine", "backup", "--output", "b2", "--key-file", "backup.key", code=1)
    assert "Unseal it: kmsplan engine unseal" in refused.err
    assert served.project.run("engine", "unseal").out == "Unsealed.\n"
    assert client.send("GET", "/readyz").status == 200
    assert decrypts(client, blob)


def test_new_wrapping_that_is_killed_is_finished_by_a_tick(project: Project) -> None:
    project.write("kmsplan: 1\n")
    lab = Lab(project.root / "state" / "engine", clock=Clock())
    lab.create()
    engine = lab.open()
    instance = new_instance(engine)
    keys = [new_key(engine, instance) for _ in range(450)]
    blobs = [engine.encrypt(key, b"plaintext")[0] for key in keys[::50]]
    lab.close()
    # Each transaction ends with a flush of the log: the term's own, then 200 versions at each.
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"]
    killed = subprocess.run(
        [*command, "inject=fdatasync:signal=SIGKILL:when=3", KMSPLAN, "engine", "rotate-keyring"],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    facts = status(project)
    assert (facts["keyring_term"], facts["rewrapping"]) == (2, True)
    assert 0 < facts["versions_of_older_terms"] <= 450
    project.run("engine", "tick")
    facts = status(project)
    assert (facts["rewrapping"], facts["versions_of_older_terms"]) == (False, 0)
    engine = lab.open()
    assert [engine.decrypt(blob)[0] for blob in blobs] == [b"plaintext"] * len(blobs)
    assert engine.audit_verify().entries > 450
    lab.close()


def _configure(project: Project, seal: str) -> None:
    project.write(f"kmsplan: 1\nengine: {{embedded: {{seal: {seal}}}}}\n")


def test_a_server_with_the_old_seal_goes_on_until_the_keyring_changes_and_then_says_what_to_do(
    project: Project,
) -> None:
    project.environ["ENGINE_PASSPHRASE"] = "correct-horse-battery-staple"
    server = serve(project.root)
    served = next(server)
    client = Signer(served.endpoint, served.access_key_id, served.access_key_secret)
    lab = Lab(project.root / "state" / "engine", clock=Clock())
    engine = lab.open()
    key = new_key(engine, new_instance(engine))
    lab.close()
    blob = encrypt(client, key)
    answer = project.run("engine", "rotate-root", "--to-passphrase-env", "ENGINE_PASSPHRASE")
    assert "It is sealed by a passphrase now. Before the next command, say so in the configuration" in answer.out
    assert "Then start servers again: those that run have the old seal." in answer.out
    assert decrypts(client, blob)
    refused = project.run("engine", "rotate-keyring", code=1)
    assert "the engine's root key is sealed by a passphrase, and a file was given. Correct engine: " in refused.err
    _configure(project, "{passphrase: {env: ENGINE_PASSPHRASE}}")
    project.run("engine", "rotate-keyring")
    reply = client.call("Decrypt", {"CiphertextBlob": blob})
    assert (reply.status, reply.code) == (503, "ServiceUnavailableTemporary")
    assert "passphrase" not in reply.body.decode()
    assert client.send("GET", "/readyz").json == {"status": "sealed"}
    with pytest.raises(StopIteration):
        next(server)
    process = project.start("engine", "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log", "off")
    assert process.stdout is not None
    client.endpoint = process.stdout.readline().removeprefix("listening on http://").strip()
    assert decrypts(client, blob)
    process.terminate()
    process.communicate(timeout=60)


@pytest.mark.hsm
def test_a_root_key_goes_into_an_hsm_and_back(token: Project) -> None:
    token.write("kmsplan: 1\n")
    token.run("engine", "init")
    token.run("engine", "rotate-root", "--to-hsm", str(SOFTHSM), "test", "--pin-env", "HSM_PIN")
    refused = token.run("engine", "seal", code=1)
    assert "the engine's root key is sealed by an HSM, and a file was given" in refused.err
    _configure(token, f"{{hsm: {{module: {SOFTHSM}, token: test, pin: {{env: HSM_PIN}}}}}}")
    facts = status(token)
    assert (facts["seal"], facts["seal_token"]) == ("hsm", {"module": str(SOFTHSM), "token": "test"})
    assert re.search(r"^seal token +.*test token", token.run("engine", "status").out, re.MULTILINE)
    token.run("engine", "seal")
    _refused_without_the_token(token)
    token.run("engine", "unseal")
    answer = token.run("engine", "backup", "--output", "b", "--key-file", "backup.key")
    assert "The root key was sealed by token 'test' of" in answer.out
    assert "no key works without that token, or its own backup" in answer.out
    token.run("engine", "rotate-keyring")
    answer = token.run("engine", "restore", "b", "--key-file", "backup.key", "--into", "copy", code=1)
    assert "the engine's root key is sealed by an HSM, and a file was given" in answer.err
    token.run("engine", "rotate-root", "--to-file", "new.key")
    _configure(token, "{file: new.key}")
    token.run("engine", "seal")
    token.run("engine", "unseal")
    assert status(token)["seal"] == "file"
    assert "verified" in token.run("engine", "audit", "verify").out


def _refused_without_the_token(project: Project) -> None:
    """Check what is said where the token is away, and where its PIN is wrong."""
    tokens = project.root / "tokens"
    tokens.rename(project.root / "elsewhere")
    tokens.mkdir()
    refused = project.run("engine", "unseal", code=1)
    assert f"the token 'test' of {SOFTHSM}, whose key seals the engine's root key, cannot be used: " in refused.err
    tokens.rmdir()
    (project.root / "elsewhere").rename(tokens)
    pin, project.environ["HSM_PIN"] = project.environ["HSM_PIN"], "0000-0000"
    refused = project.run("engine", "unseal", code=1)
    assert "refuses the PIN" in refused.err
    assert "0000-0000" not in refused.text
    project.environ["HSM_PIN"] = pin
    assert status(project)["sealed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--to-file", "a.key", "--to-passphrase-env", "P"), "give one of --to-passphrase-env, --to-file and --to-hsm"),
        (("--to-hsm", "m.so", "t"), "--to-hsm MODULE TOKEN and --pin-env NAME go together"),
        (("--pin-env", "PIN"), "--to-hsm MODULE TOKEN and --pin-env NAME go together"),
        (("--to-passphrase-env", "UNSET"), "the environment variable UNSET is not set, or empty"),
        (("--to-hsm", "m.so", "t", "--pin-env", "UNSET"), "Set it to the token's PIN."),
        (("--to-file", "kmsplan.yaml"), "kmsplan.yaml is open to others than its owner"),
        (("--to-hsm", "/nowhere.so", "t", "--pin-env", "PIN"), "the token 't' of /nowhere.so, whose key seals"),
    ],
)
def test_a_new_seal_that_cannot_be_is_refused_and_the_old_one_stays(
    project: Project, options: tuple[str, ...], words: str
) -> None:
    project.environ["PIN"] = "4711"
    project.write("kmsplan: 1\n")
    (project.root / "kmsplan.yaml").chmod(0o644)
    project.run("engine", "init")
    assert words in project.run("engine", "rotate-root", *options, code=1).err
    project.run("engine", "seal")
    project.run("engine", "unseal")
