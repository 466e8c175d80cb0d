"""HsmEncryptedDatabase keys as their users have them: declared, rotated, destroyed, backed up; and through kills."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client
from alibabacloud_tea_openapi.models import Config

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateInstance
from tests.engines import Lab, new_key
from tests.served import serve
from tests.softhsm import LABEL, MODULE, SoftHsm, ended

if TYPE_CHECKING:
    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
    from kmsplan.engine.service import Engine
    from tests.project import Project

pytestmark = pytest.mark.hsm
HSM = f"""\
kmsplan: 1
instances:
  vault: {{type: hardware, hsm: {{module: {MODULE}, token: test, pin: {{env: HSM_PIN}}}}}}
"""
LEDGER = """\
keys:
  ledger:
    instance: vault
    storage_mechanism: HsmEncryptedDatabase
    rotation: 90d
    deletion_protection: false
    aliases: [ledger]
"""
WRAPPED: dict[str, Any] = {"storage_mechanism": "HsmEncryptedDatabase"}
_PAST = "2020-01-01T00:00:00Z"
_CREATE = """
import os, sys
from pathlib import Path
from kmsplan.engine.service import Engine
from tests.engines import Lab, new_key
from tests.softhsm import SoftHsm
lab, token = Lab(Path(sys.argv[1])), SoftHsm(Path(sys.argv[2]))
engine = Engine.open(lab.folder, seal=lab.seal, hardware=lambda *_: token.protection(), clock=lab.clock,
                     entropy=os.urandom, actor="child")
print("ready", flush=True)
while True:
    print(new_key(engine, sys.argv[3], storage_mechanism="HsmEncryptedDatabase"), flush=True)
"""
_KEKS = "print(len(list(session.get_objects({Attribute.LABEL: 'kmsplan-kek-0001'}))))"


def _let_pass(project: Project, date: str) -> None:
    """Move a date of the key's to the past, as if the time until then had passed."""
    (database,) = project.root.rglob("keystore.db")
    with closing(sqlite3.connect(database)) as db:
        db.execute(f"UPDATE key SET {date} = ? WHERE {date} IS NOT NULL", (_PAST,))  # noqa: S608 - our own names
        db.commit()


def _encrypt(project: Project, text: str) -> str:
    return project.run("engine", "encrypt", "alias/ledger", stdin=text).out


def _decrypt(project: Project, blob: str) -> str:
    return project.run("engine", "decrypt", stdin=blob).out


def test_a_key_is_declared_used_rotated_backed_up_and_destroyed(token: Project) -> None:
    token.write(HSM + LEDGER)
    token.run("validate")
    token.apply()
    token.run("plan", "--detailed-exitcode", code=0)
    old = _encrypt(token, "page one")

    _let_pass(token, "next_rotation_date")
    assert "1 rotated" in token.run("engine", "tick").out
    new = _encrypt(token, "page two")
    assert [_decrypt(token, blob) for blob in (old, new)] == ["page one", "page two"]
    token.run("drift", code=0)

    token.run("engine", "backup", "--output", "engine.backup", "--key-file", "backup.key")
    key = token.identity("key.ledger")
    token.write(HSM)
    token.apply("--allow-delete", "1", "--allow-in-use", "key.ledger")
    _let_pass(token, "delete_date")
    assert "1 deleted" in token.run("engine", "tick").out
    assert token.run("engine", "decrypt", stdin=old, code=None).code != 0
    assert key not in token.run("engine", "status", "--json").out
    assert _token_keys(token) == 0

    (keystore,) = token.root.rglob("keystore.db")
    keystore.parent.rename(token.root / "lost")
    token.run("engine", "restore", "engine.backup", "--key-file", "backup.key")
    assert [_decrypt(token, blob) for blob in (old, new)] == ["page one", "page two"]


def _token_keys(project: Project) -> int:
    """Return how many secret keys the token holds beside what serves it."""
    script = (
        "import pkcs11, sys\n"
        "token = pkcs11.lib(sys.argv[1]).get_token(token_label='test')\n"
        "with token.open(user_pin=sys.argv[2]) as session:\n"
        "    labels = {o.label for o in session.get_objects()}\n"
        "    assert {'kmsplan-sentinel', 'kmsplan-kek-0001'} <= labels, labels\n"
        "    print(len(labels) - 2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, MODULE, project.environ["HSM_PIN"]],
        env=project.environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout)


def test_another_mechanism_is_another_key(token: Project) -> None:
    token.write(HSM + LEDGER.replace("HsmEncryptedDatabase", "HsmInternal").replace("rotation: 90d", "rotation: null"))
    token.apply()
    first = token.identity("key.ledger")
    token.write(HSM + LEDGER)
    assert "storage_mechanism" in token.run("plan", code=4).text
    token.write(HSM + LEDGER.replace("rotation: 90d", "on_replace: succeed"))
    token.apply()
    assert token.identity("key.ledger") != first
    token.run("drift", code=0)


def test_only_the_wrapped_mechanism_rotates(token: Project) -> None:
    token.write(HSM + LEDGER.replace("HsmEncryptedDatabase", "HsmInternal"))
    assert "K403" in token.run("validate", code=None).text


def test_a_served_engine_makes_it_for_the_official_sdk(token: Project) -> None:
    for served in serve(token.root, configuration=HSM, environ=token.environ):
        token.apply()
        config = Config(
            access_key_id=served.access_key_id,
            access_key_secret=served.access_key_secret,
            endpoint=served.endpoint,
            protocol="http",
            region_id=served.region,
        )
        client = Client(config)
        asked = models.CreateKeyRequest(
            dkmsinstance_id=token.identity("instance.vault"),
            key_spec="Aliyun_AES_256",
            key_storage_mechanism="HsmEncryptedDatabase",
            enable_automatic_rotation=True,
            rotation_interval="90d",
        )
        made = client.create_key(asked).body.key_metadata.to_map()
        described = client.describe_key(models.DescribeKeyRequest(key_id=made["KeyId"])).body.key_metadata.to_map()
        assert (described["ProtectionLevel"], described["AutomaticRotation"]) == ("HSM", "Enabled")
        blob = client.encrypt(models.EncryptRequest(key_id=made["KeyId"], plaintext="cGFnZQ==")).body.ciphertext_blob
        opened = client.decrypt(models.DecryptRequest(ciphertext_blob=blob)).body
        assert opened.plaintext == "cGFnZQ=="
    assert _token_keys(token) == 0


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    place = Lab(tmp_path / "engine")
    place.create()
    return place


def _open(lab: Lab, protection: Pkcs11Protection) -> Engine:
    return lab.open(hardware=lambda *_: protection)


def _vault(engine: Engine) -> str:
    hsm = {"module": MODULE, "token": LABEL}
    made = engine.execute(CreateInstance(type="hardware", spec=1000, key_quota=10_000, hsm=hsm))
    assert made is not None
    return made


def _require_whole(engine: Engine, token: SoftHsm, acknowledged: set[str]) -> None:
    """Check that every key that was acknowledged works, and that nothing else is anywhere."""
    assert engine.tick().postponed == {}
    found = engine.describe(check_material=True)
    rows = {row["key_id"]: row["state"] for row in found.keys}
    assert acknowledged <= rows.keys()
    assert set(rows.values()) == {"Enabled"}
    assert engine.describe().instances[0]["versions"] == len(rows)
    for key in list(rows)[-20:]:
        assert engine.decrypt(engine.encrypt(key, b"page").blob).plaintext == b"page"
    protection = token.protection()
    report = protection.probe()
    protection.close()
    assert (report.keys, report.strays) == (0, ())
    assert token.behind_our_back(_KEKS).strip() == "1"


def test_a_killed_engine_leaves_no_orphan_and_loses_no_key(lab: Lab, softhsm: SoftHsm) -> None:
    engine = _open(lab, softhsm.protection())
    vault = _vault(engine)
    engine.close()
    acknowledged: set[str] = set()
    for number, delay in enumerate((0.4, 0.05, 0.13)):
        process = subprocess.Popen(
            [sys.executable, "-c", _CREATE, str(lab.folder), str(softhsm.folder), vault],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if number:  # the first one dies while it makes what wraps, or before, or after
            acknowledged.add(process.stdout.readline().strip())
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        acknowledged |= set(process.communicate()[0].split("\n")[:-1])
    again = _open(lab, softhsm.protection())
    new_key(again, vault, **WRAPPED)
    assert acknowledged
    _require_whole(again, softhsm, acknowledged)
    again.close()
    assert lab.open(read_only=True).audit_verify().entries > len(acknowledged)
    lab.close()


def test_a_killed_worker_loses_no_key_and_the_next_one_goes_on(lab: Lab, softhsm: SoftHsm) -> None:
    protection = softhsm.protection()
    engine = _open(lab, protection)
    vault, made, done = _vault(engine), set[str](), threading.Event()
    refusals: list[str] = []

    def create() -> None:
        while not done.is_set():
            try:
                made.add(new_key(engine, vault, **WRAPPED))
            except KmsError as error:
                refusals.append(error.code)

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        count, deadline = len(made), time.monotonic() + 60
        while len(made) < count + 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        worker = protection._supervisor.worker().pid
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        assert ended(worker)
    done.set()
    for thread in threads:
        thread.join()
    assert set(refusals) <= {"Rejected.Unavailable"}
    assert len(made) >= 12
    _require_whole(engine, softhsm, made)
    assert {row["key_id"] for row in engine.describe().keys} == made
    lab.close()


def test_a_wrapping_key_that_was_made_before_the_end_of_its_maker_is_found_again(lab: Lab, softhsm: SoftHsm) -> None:
    protection = softhsm.protection()
    protection.prepare_wrapping()
    worker = protection._supervisor.worker()
    os.kill(worker.pid, signal.SIGKILL)
    while worker.alive:
        time.sleep(0.005)
    engine = _open(lab, protection)
    key = new_key(engine, _vault(engine), **WRAPPED)
    _require_whole(engine, softhsm, {key})
    lab.close()
