"""Keys with imported material, from YAML to an engine: made, given their material, and nothing of it left anywhere."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.project import KMSPLAN, SOFTHSM, Answer
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.project import Project

CORE = "kmsplan: 1\ninstances: {core: {type: software}}\n"
VAULT = f"""\
kmsplan: 1
instances:
  vault: {{type: hardware, hsm: {{module: {SOFTHSM}, token: test, pin: {{env: HSM_PIN}}}}}}
"""
# Runs the command line, and dies where a step has just been made, or is about to be.
_DYING = """
import os, signal, sys
from kmsplan.engine.keystore import imported, token
from kmsplan.engine.service import Engine
from kmsplan.provider.importing import Importing

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    def dying(*arguments, **options):
        function(*arguments, **options)
        die()
    return dying

where = sys.argv.pop(1)
if where == "before parameters": Engine.parameters_for_import = die
if where == "before import": Engine.import_material = die
if where == "in the transaction": imported.arrived = after(imported.arrived)
if where == "after everything": Importing.carry_out = after(Importing.carry_out)
from kmsplan.cli.main import main
main()
"""
_POINTS = ("before parameters", "before import", "in the transaction", "after everything")


def key(name: str = "imported", instance: str = "core", material: str = "{file: material.bin}", more: str = "") -> str:
    return f"  {name}: {{instance: {instance}, origin: EXTERNAL, material: {material}{more}}}\n"


def give(project: Project, name: str = "material.bin") -> bytes:
    """Write new material into a file."""
    return put(project, name, os.urandom(32))


def put(project: Project, name: str, material: bytes) -> bytes:
    """Write material into a file that is its owner's alone."""
    (project.root / name).touch(mode=0o600)
    (project.root / name).write_bytes(material)
    return material


def traces(secret: bytes) -> tuple[bytes, ...]:
    """Return the forms in which somebody might write a secret."""
    encoded = base64.b64encode(secret)
    url_safe = base64.urlsafe_b64encode(secret)
    return secret, secret.hex().encode(), secret.hex().upper().encode(), encoded, url_safe, repr(secret)[2:-1].encode()


def files(project: Project, but: set[str]) -> Iterator[tuple[Path, bytes]]:
    for path in project.root.rglob("*"):
        if path.is_file() and path.name not in but:
            yield path, path.read_bytes()


def find(project: Project, secret: bytes, answers: list[Answer], but: set[str]) -> list[str]:
    """Return where a secret stands: files of the project, outputs of commands."""
    places = [str(path) for path, content in files(project, but) if any(form in content for form in traces(secret))]
    texts = [answer.text.encode(errors="surrogateescape") for answer in answers]
    return places + ["output" for text in texts if any(form in text for form in traces(secret))]


def debugged(project: Project, *arguments: str) -> Answer:
    """Run a command that may show where it failed."""
    done = subprocess.run(
        [KMSPLAN, "--debug", *arguments],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        timeout=120,
        check=False,
        text=True,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def state_of(project: Project, address: str = "key.imported") -> str:
    answer = project.run("state", "show", address)
    return str(project.state()["records"][address]["attributes"]["imported"]) if answer.code == 0 else ""


def works(project: Project, address: str = "key.imported") -> bool:
    name = project.identity(address)
    blob = project.run("engine", "encrypt", name, stdin="page").out
    return project.run("engine", "decrypt", stdin=blob).out == "page"


def verify(project: Project, private: ec.EllipticCurvePrivateKey) -> None:
    """Let the engine sign, and verify that with the public key that we had before."""
    message = b"message"
    digest = hashlib.sha256(message).hexdigest()
    signature = project.run("engine", "sign", project.identity("key.signer"), "--digest", digest).out
    private.public_key().verify(base64.b64decode(signature), message, ec.ECDSA(hashes.SHA256()))


def test_material_is_nowhere_but_where_it_was_found(project: Project) -> None:
    material = give(project)
    project.write(CORE + "keys:\n" + key(more="") + key("later", material="{file: material.bin, expires: 2099-12-31}"))
    answers = [
        project.run("validate"),
        project.run("plan", "-o", "saved.plan"),
        project.run("plan", "--json"),
        debugged(project, "apply", "saved.plan"),
        project.run("show", "--json"),
        project.run("state", "show", "key.imported"),
        project.run("drift"),
        project.run("engine", "audit", "export"),
        project.run("apply", "--auto-approve", "--json"),
    ]
    assert works(project)
    assert works(project, "key.later")
    assert find(project, material, answers, but={"material.bin"}) == []
    assert find(project, material, answers, but=set()) == [str(project.root / "material.bin")]


@pytest.mark.parametrize("bad", [b"too short for it", bytes(range(31)) + b"\xff\xfe"], ids=["short", "long"])
def test_material_that_does_not_fit_is_not_shown_either(project: Project, bad: bytes) -> None:
    project.write(CORE + "keys:\n" + key(material="{env: MATERIAL, format: base64}"))
    project.environ["MATERIAL"] = base64.b64encode(bad).decode()
    answers = [debugged(project, "apply", "--auto-approve"), project.run("plan"), project.apply(code=1)]
    assert all("K607" in answer.err for answer in (answers[0], answers[2]))
    assert find(project, bad, answers, but=set()) == []
    assert not (project.root / "state" / "engine" / "keystore.db").exists()


def test_material_is_wanted_before_anything_begins(project: Project) -> None:
    project.write(CORE + "keys:\n" + key() + key("other", material="{env: NOT_SET}"))
    answer = project.apply(code=1)
    assert "K604" in answer.err or "K603" in answer.err
    assert not (project.root / "state" / "kmsplan.state.json").exists()
    give(project)
    project.environ["NOT_SET"] = "x" * 32
    project.apply()
    assert works(project)
    assert works(project, "key.other")


def test_a_command_tells_material_once_and_its_words_are_no_shells(project: Project) -> None:
    material = give(project)
    script = "import sys; open('told', 'a').write('x'); sys.stdout.buffer.write(open('material.bin', 'rb').read())"
    project.write(CORE + "keys:\n" + key(material=f'{{exec: ["{sys.executable}", "-c", "{script}"]}}'))
    answers = [project.run("plan"), project.apply(), project.apply()]
    assert (project.root / "told").read_text() == "x"
    assert works(project)
    assert find(project, material, answers, but={"material.bin"}) == []


def test_a_private_key_in_a_pem_file_signs_with_its_own_public_key(project: Project) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    put(project, "signer.pem", pem)
    project.write(CORE + "keys:\n" + key("signer", material="{file: signer.pem}", more=", spec: EC_P256"))
    answers = [project.apply()]
    verify(project, private)
    number = private.private_numbers().private_value.to_bytes(32, "big")
    assert find(project, number, answers, but={"signer.pem"}) == []
    assert find(project, pem.split(b"\n")[1], answers, but={"signer.pem"}) == []


def test_material_that_was_deleted_behind_our_back_is_imported_again(project: Project) -> None:
    give(project)
    project.write(CORE + "keys:\n" + key())
    project.apply()
    project.call("DeleteKeyMaterial", f"KeyId={project.identity('key.imported')}")
    drift = project.run("drift", "--json", code=2).json()
    (entry,) = drift["drift"]
    assert [(one["name"], one["recorded"], one["observed"]) for one in entry["attributes"]] == [
        ("imported", "never", "absent")
    ]
    assert "ImportKeyMaterial" in project.run("plan").out
    project.apply()
    assert works(project)
    project.run("plan", "--detailed-exitcode", code=0)


def test_another_material_is_refused_and_the_first_one_stays(project: Project) -> None:
    give(project)
    project.write(CORE + "keys:\n" + key())
    project.apply()
    other = give(project)
    project.write(CORE + "keys:\n" + key(material="{file: material.bin, expires: 2099-01-01}"))
    answer = project.run("apply", "--auto-approve", code=None)
    assert answer.code != 0
    assert "takes the material that was imported first" in answer.text
    assert find(project, other, [answer], but={"material.bin"}) == []
    assert works(project)


def test_another_expiry_date_is_another_import(project: Project) -> None:
    give(project)
    project.write(CORE + "keys:\n" + key(material="{file: material.bin, expires: 2098-12-31}"))
    project.apply()
    project.write(CORE + "keys:\n" + key(material="{file: material.bin, expires: 2099-12-31}"))
    assert '"2098-12-31T00:00:00Z" -> "2099-12-31T00:00:00Z"' in project.run("plan").out
    project.apply()
    project.run("plan", "--detailed-exitcode", code=0)
    assert works(project)


def test_a_date_that_has_passed_stops_apply_and_no_look_at_drift(project: Project) -> None:
    give(project)
    project.write(CORE + "keys:\n" + key(material="{file: material.bin, expires: 2020-01-01}"))
    assert "`expires` has passed" in project.run("validate", code=1).text
    project.run("plan", code=1)
    project.run("apply", "--auto-approve", code=1)
    project.run("drift")


def test_a_file_that_others_can_read_is_told_by_who_plans_and_applies_and_read_all_the_same(project: Project) -> None:
    material = give(project)
    (project.root / "material.bin").chmod(0o644)
    project.write(CORE + "keys:\n" + key())
    path = project.root / "material.bin"
    told = (
        f"Warning: kmsplan.yaml:4:58: The file '{path}' is open to others than its owner (mode 0644), and there is a "
        f"secret in it. Close it: chmod 600 {path} (K609)\n"
    )
    assert project.run("plan").err.count(told) == 1
    assert project.run("--quiet", "plan").err == ""
    answers = [project.apply()]
    assert answers[0].err.count("Warning: ") == answers[0].err.count(told) == 1
    assert works(project)
    for others in (("drift",), ("state", "list"), ("engine", "status"), ("inventory",)):
        assert "K609" not in project.run(*others).err
    validated = project.run("validate")
    assert "Warning: Secret file open to others (K609)\n  on kmsplan.yaml line 4, column 58:\n" in validated.err
    assert "Success!" in validated.out
    (warning,) = project.run("validate", "--json").json()["diagnostics"]
    assert (warning["code"], warning["severity"]) == ("K609", "warning")
    assert find(project, material, answers, but={"material.bin"}) == []
    path.chmod(0o600)
    assert "Warning" not in project.run("plan").err + project.run("validate").err


def test_a_file_of_another_size_is_found_out_at_validate_time(project: Project) -> None:
    (project.root / "material.bin").write_bytes(b"hunter2")
    project.write(CORE + "keys:\n" + key())
    answer = project.run("validate", code=1)
    assert "The file has 7 bytes, and Aliyun_AES_256 takes 32" in answer.text
    assert "hunter2" not in answer.text


def killed(project: Project, point: str) -> None:
    """Run an apply that dies at a point."""
    done = subprocess.run(
        [sys.executable, "-c", _DYING, point, "apply", "--auto-approve"],
        cwd=project.root,
        env={**project.environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize("point", _POINTS)
def test_an_import_that_is_killed_anywhere_is_finished_by_the_next_apply(project: Project, point: str) -> None:
    material = give(project)
    project.write(CORE + "keys:\n" + key())
    killed(project, point)
    answer = project.apply()
    assert works(project)
    assert state_of(project) == "never"
    project.run("plan", "--detailed-exitcode", code=0)
    assert len(project.run("engine", "status", "--json").json()["keys"]) == 1
    assert find(project, material, [answer], but={"material.bin"}) == []


def tokens_of(project: Project) -> int:
    database = sqlite3.connect(f"file:{project.root / 'state' / 'engine' / 'keystore.db'}?mode=ro", uri=True)
    with contextlib.closing(database):
        number: int = database.execute("SELECT count(*) FROM import_token").fetchone()[0]
    return number


@pytest.mark.hsm
@pytest.mark.parametrize("point", _POINTS)
def test_an_import_into_an_hsm_that_is_killed_anywhere_is_finished(
    token: Project, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    material = give(token)
    token.write(VAULT + "keys:\n" + key(instance="vault"))
    killed(token, point)
    answer = token.apply()
    assert works(token)
    token.run("plan", "--detailed-exitcode", code=0)
    assert token.run("engine", "status", "--json").json()["keys"] == {"Enabled": 1}
    assert find(token, material, [answer], but={"material.bin"}) == []
    # Beside the key nothing is left in the HSM but the wrapping keys of tokens that have not expired.
    monkeypatch.setenv("SOFTHSM2_CONF", token.environ["SOFTHSM2_CONF"])
    protection = SoftHsm(token.root).protection()
    report = protection.probe()
    protection.close()
    assert (report.keys, report.strays) == (1 + tokens_of(token), ())


@pytest.mark.hsm
def test_hsm_keys_come_from_material_of_every_kind(token: Project) -> None:
    material = give(token)
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    put(token, "signer.pem", pem)
    token.write(
        VAULT
        + "keys:\n"
        + key(instance="vault")
        + key("signer", "vault", "{file: signer.pem}", ", spec: EC_P256, deletion_protection: false")
    )
    answers = [token.apply()]
    assert works(token)
    verify(token, private)
    assert find(token, material, answers, but={"material.bin"}) == []
    token.call("DeleteKeyMaterial", f"KeyId={token.identity('key.imported')}")
    token.apply()
    assert works(token)
