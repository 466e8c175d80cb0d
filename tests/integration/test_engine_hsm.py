"""The engine on a real token: keys made in SoftHSM2, and what a process leaves that is killed while it makes them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmsplan.engine.service import Engine
from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateInstance, ScheduleKeyDeletion
from kmsplan.kms.spec import KeySpec
from tests.engines import DAY, Lab, described, new_key
from tests.softhsm import LABEL, MODULE, SoftHsm, ended

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.hsm
_DIGEST = hashlib.sha256(b"message").digest()
_CREATE = """
import os, sys
from pathlib import Path
from kmsplan.engine.service import Engine
from tests.engines import Lab, new_key
from tests.softhsm import SoftHsm
lab, protection = Lab(Path(sys.argv[1])), SoftHsm(Path(sys.argv[2])).protection()
engine = Engine.open(lab.folder, seal=lab.seal, hardware=lambda *_: protection, clock=lab.clock,
                     entropy=os.urandom, actor="child")
protection.prepare()
print(protection._supervisor.worker().pid, flush=True)
while True:
    print(new_key(engine, sys.argv[3]), flush=True)
"""


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return SoftHsm.create(tmp_path, monkeypatch)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    place = Lab(tmp_path / "engine")
    place.create()
    return place


def _open(lab: Lab, token: SoftHsm) -> Engine:
    return Engine.open(
        lab.folder,
        seal=lab.seal,
        hardware=lambda _module, _token: token.protection(),
        clock=lab.clock,
        entropy=os.urandom,
        actor="tester",
    )


@pytest.fixture
def engine(lab: Lab, token: SoftHsm) -> Iterator[Engine]:
    opened = _open(lab, token)
    yield opened
    opened.close()


def _vault(engine: Engine) -> str:
    hsm = {"module": MODULE, "token": LABEL}
    made = engine.execute(CreateInstance(type="hardware", spec=1000, key_quota=1000, hsm=hsm))
    assert made is not None
    return made


def _objects(token: SoftHsm) -> int:
    """Return how many keys the token holds, the sentinel not counted."""
    protection = token.protection()
    try:
        report = protection.probe()
        assert report.strays == ()
        return report.keys
    finally:
        protection.close()


def test_every_kind_of_key_works_in_the_token(engine: Engine, token: SoftHsm) -> None:
    vault = _vault(engine)
    symmetric = new_key(engine, vault)
    blob, *_ = engine.encrypt(symmetric, b"page", {"a": "b"})
    assert engine.decrypt(blob, {"a": "b"})[0] == b"page"
    for spec in (KeySpec.EC_P256, KeySpec.EC_P256K, KeySpec.RSA_2048):
        key = new_key(engine, vault, spec)
        assert engine.verify(key, None, None, _DIGEST, engine.sign(key, None, None, _DIGEST))
    rsa = new_key(engine, vault, KeySpec.RSA_2048, usage="ENCRYPT/DECRYPT")
    sealed = engine.asymmetric_encrypt(rsa, None, "RSAES_OAEP_SHA_1", b"secret")
    assert engine.asymmetric_decrypt(rsa, None, "RSAES_OAEP_SHA_1", sealed) == b"secret"
    # This token cannot open OAEP with SHA-256, so nothing is encrypted that way.
    with pytest.raises(KmsError, match=r"RSAES_OAEP_SHA_256.*it can do .*RSAES_OAEP_SHA_1") as caught:
        engine.asymmetric_encrypt(rsa, None, "RSAES_OAEP_SHA_256", b"secret")
    assert caught.value.code == "UnsupportedOperation"
    assert {row["state"] for row in engine.describe(check_material=True).keys} == {"Enabled"}
    assert _objects(token) == 5


def test_a_deleted_key_is_gone_from_the_token(lab: Lab, engine: Engine, token: SoftHsm) -> None:
    vault = _vault(engine)
    key, kept = new_key(engine, vault), new_key(engine, vault)
    engine.execute(ScheduleKeyDeletion(key=key, window_days=7))
    lab.clock.move(7 * DAY)
    assert engine.tick().deleted == (key,)
    assert _objects(token) == 1
    assert described(engine, kept, check_material=True)["state"] == "Enabled"


def test_a_killed_process_leaves_no_orphan_and_loses_no_key(lab: Lab, engine: Engine, token: SoftHsm) -> None:
    vault = _vault(engine)
    engine.close()
    acknowledged: set[str] = set()
    for delay in (0.05, 0.11, 0.17):
        process = subprocess.Popen(
            [sys.executable, "-c", _CREATE, str(lab.folder), str(token.folder), vault],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        acknowledged.add(process.stdout.readline().strip())
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        acknowledged |= set(process.communicate()[0].split("\n")[:-1])
        assert ended(worker)  # it may have been making one more
    again = _open(lab, token)
    assert again.tick().postponed == {}
    rows = {row["key_id"]: row["state"] for row in again.describe(check_material=True).keys}
    again.close()
    assert acknowledged <= rows.keys()
    assert set(rows.values()) == {"Enabled"}
    assert _objects(token) == len(rows)
    assert lab.open(read_only=True).audit_verify().entries > len(rows)
    lab.close()


def test_a_token_that_is_away_is_unreadable_and_refuses(engine: Engine, token: SoftHsm) -> None:
    key = new_key(engine, _vault(engine))
    token.take_away()
    found = engine.describe(check_material=True)
    assert set(found.unreadable) == {key}
    with pytest.raises(KmsError) as caught:
        engine.encrypt(key, b"x")
    assert caught.value.code == "Rejected.Unavailable"
    token.put_back()
