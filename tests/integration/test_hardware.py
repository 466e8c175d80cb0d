"""Hardware keys: made and used inside a real SoftHSM2 token, and every way in which a token can be missing."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.project import Project

pytestmark = pytest.mark.hsm
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
HSM = """\
kmsplan: 1
instances:
  vault: {type: hardware, hsm: {module: MODULE, token: test, pin: {env: HSM_PIN}}}
keys:
  ledger: {instance: vault, aliases: [ledger]}
  release: {instance: vault, spec: EC_P256, aliases: [release]}
  wallet: {instance: vault, spec: EC_P256K}
  rsa: {instance: vault, spec: RSA_2048}
""".replace("MODULE", MODULE)


@pytest.fixture
def hardware(token: Project) -> Project:
    token.write(HSM)
    token.apply()
    return token


def _objects(project: Project) -> int:
    return len(list((project.root / "tokens").rglob("*.object")))


def test_hardware_keys_live_in_the_token_and_work(hardware: Project) -> None:
    assert _objects(hardware) >= 7
    hardware.run("plan", "--detailed-exitcode", code=0)
    hardware.run("drift", code=0)
    blob = hardware.run("engine", "encrypt", "alias/ledger", "--context", "a=b", stdin="page").out
    assert hardware.run("engine", "decrypt", "--context", "a=b", stdin=blob).out == "page"
    (hardware.root / "message").write_text("v1")
    for key in ("alias/release", hardware.identity("key.wallet"), hardware.identity("key.rsa")):
        hardware.run("engine", "sign", key, "--message", "message", "--out", "signature")
        hardware.run("engine", "verify", key, "--message", "message", "--signature", "signature")


def test_no_material_of_a_hardware_key_is_in_the_keystore(hardware: Project) -> None:
    shutil.rmtree(hardware.root / "tokens")
    (hardware.root / "tokens").mkdir()
    refused = hardware.run("engine", "encrypt", "alias/ledger", stdin="page", code=1)
    assert refused.out == ""
    assert "test" in refused.err


def test_a_token_folder_that_is_gone_makes_keys_unreadable_never_absent(hardware: Project) -> None:
    (hardware.root / "tokens").rename(hardware.root / "elsewhere")
    drift = hardware.run("drift", "--json", code=2).json()
    assert {found["kind"] for found in drift["drift"]} == {"unreadable"}
    plan = hardware.run("plan", "--json", code=1).json()
    assert {action for change in plan["resource_changes"] for action in change["change"]["actions"]} == {"no-op"}
    (hardware.root / "elsewhere").rename(hardware.root / "tokens")
    hardware.run("drift", code=0)


def test_a_key_object_that_is_gone_is_reported_and_nothing_is_made_in_its_place(hardware: Project) -> None:
    _destroy_one(hardware)
    drift = hardware.run("drift", "--json", code=2).json()
    (found,) = drift["drift"]
    assert found["kind"] == "changed"
    assert [(item["name"], item["observed"]) for item in found["attributes"]] == [("state", "Unavailable")]
    plan = hardware.run("plan", "--json", code=0).json()
    assert {action for change in plan["resource_changes"] for action in change["change"]["actions"]} == {"no-op"}


def _destroy_one(project: Project) -> None:
    """Destroy the AES key object of the token with another PKCS#11 program."""
    script = (
        "import pkcs11, sys\n"
        "token = pkcs11.lib(sys.argv[1]).get_token(token_label='test')\n"
        "with token.open(rw=True, user_pin=sys.argv[2]) as session:\n"
        "    found = [o for o in session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY})\n"
        "             if 'sentinel' not in o.label]\n"
        "    assert len(found) == 1, found\n"
        "    found[0].destroy()\n"
    )
    import sys  # noqa: PLC0415

    subprocess.run(
        [sys.executable, "-c", script, MODULE, project.environ["HSM_PIN"]], env=project.environment(), check=True
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MODULE": "/nowhere/lib.so"}, "/nowhere/lib.so"),
        ({"MODULE": "/etc/hostname"}, "/etc/hostname"),
        ({"token: test": "token: other"}, "other"),
    ],
)
def test_a_module_or_token_that_is_not_there_is_named(token: Project, change: dict[str, str], message: str) -> None:
    text = HSM.replace(MODULE, "MODULE")
    for old, new in change.items():
        text = text.replace(old, new)
    token.write(text.replace("MODULE", MODULE))
    answer = token.apply(code=1)
    assert message in answer.err
    assert "4711-0815" not in answer.text


def test_a_wrong_pin_says_where_to_correct_it_and_is_not_shown(token: Project) -> None:
    token.write(HSM)
    token.environ["HSM_PIN"] = "0000-0000"
    answer = token.apply(code=1)
    assert "refuses the PIN" in answer.err
    assert "hsm.pin" in answer.err
    assert "0000-0000" not in answer.text


def test_a_missing_pin_variable_is_named(token: Project) -> None:
    token.write(HSM)
    del token.environ["HSM_PIN"]
    assert "HSM_PIN" in token.apply(code=1).err


def test_a_pin_that_has_gone_is_named_by_whatever_uses_a_key(hardware: Project) -> None:
    del hardware.environ["HSM_PIN"]
    answer = hardware.run("engine", "sign", "alias/release", "--message", "kmsplan.yaml", "--out", "a.sig", code=None)
    assert answer.code != 0
    assert "HSM_PIN is not set" in answer.err
    assert "kmsplan.yaml:" in answer.err
