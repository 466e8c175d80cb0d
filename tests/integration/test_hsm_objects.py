"""Keys that are in a token already, a real SoftHSM2's, come under a configuration: attached, and left as they are."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from kmsplan.kms.error import KmsError
from kmsplan.kms.operation import CreateInstance, ReleaseKmsInstance, ScheduleKeyDeletion
from kmsplan.kms.spec import KeySpec
from tests.engines import DAY, Lab, described, new_key
from tests.foreign import in_token
from tests.project import Project, init_token
from tests.softhsm import LABEL, MODULE, SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmsplan.engine.service import Engine

pytestmark = pytest.mark.hsm
HSM = f"hsm: {{module: {MODULE}, token: test, pin: {{env: HSM_PIN}}}}"
VAULT = f"kmsplan: 1\ninstances:\n  vault: {{type: hardware, {HSM}}}\n"
ORDINARY = {
    "aes('01', 'Payments: orders (2019)')": "01",
    "aes('09')": "09",
    "aes('1e51', '- a: b # c')": "1e51",
    "aes('0b' * 16, 'yes')": "0b" * 16,
    "aes('ab' * 64, '\\x1b[31mred')": "ab" * 64,
    "aes('0102', bits=128)": "0102",
    "mac('03', 'yes')": "03",
    "ec('04', '${var.x}')": "04",
    "ec('05', curve='secp256k1')": "05",
}
"""What makes an object, and its CKA_ID."""


def inside(project: Project, script: str) -> str:
    return in_token(project.environment(), script)


def all_told(project: Project) -> str:
    names = [*ORDINARY.values(), "06"]
    return inside(project, "\n".join(f"told('{name}')" for name in names))


def actions(project: Project) -> dict[str, str]:
    changes = project.run("plan", "--json").json()["resource_changes"]
    return {one["address"]: one["change"]["action"] for one in changes}


def test_everything_in_a_token_is_declared_attached_and_then_as_it_should_be(token: Project) -> None:
    inside(token, "\n".join([*ORDINARY, "rsa('06', 'signer')"]))
    token.write(VAULT)
    token.apply()
    untouched = all_told(token)
    answer = token.run("import", "--all", "--out", "adopted", "--adopt-owned", token.state()["lineage"])
    assert "Wrote 1 instance, 10 keys" in answer.out
    assert "10 keys of these the apply makes: each stands for an object that is in an HSM." in answer.err
    assert "Left out" not in answer.err

    written = (token.root / "adopted" / "keys.yaml").read_text()
    keys = yaml.safe_load(written)["keys"]
    assert {one["hsm_object"] for one in keys.values()} == {*ORDINARY.values(), "06"}
    assert "hsm_object: '09'" in written  # quoted: others read it as a number
    assert "hsm_object: '1e51'" in written
    assert keys["Payments-orders-2019"]["description"] == "Payments: orders (2019)"
    assert keys["object-09"] == {
        "instance": "vault",
        "spec": "Aliyun_AES_256",
        "usage": "ENCRYPT/DECRYPT",
        "hsm_object": "09",
        "deletion_protection": True,
    }

    adopted = Project(token.root / "adopted", token.environ)
    adopted.run("validate")
    assert set(actions(adopted).values()) == {"adopt", "create"}
    adopted.apply()
    assert "No changes" in adopted.run("plan", "--detailed-exitcode").out
    assert "No drift" in adopted.run("drift").out
    assert all_told(token) == untouched

    blob = adopted.run("engine", "encrypt", adopted.identity("key.object-09"), stdin="page").out
    assert adopted.run("engine", "decrypt", stdin=blob).out == "page"
    again = adopted.run("import", "--all", "--out", "again", "--adopt-owned", adopted.state()["lineage"])
    assert "the apply makes" not in again.err
    assert set(actions(Project(token.root / "adopted" / "again", token.environ)).values()) == {"adopt"}


def test_what_cannot_be_adopted_is_named_with_the_reason(token: Project) -> None:
    inside(
        token,
        "aes('01', 'good'); aes('02', 'open', EXTRACTABLE=True); aes('03', SENSITIVE=False); aes('04'); aes('04')\n"
        "aes('', 'nameless'); ec('05', 'big', curve='secp384r1'); aes('06', 'kmsplan-' + '06' * 16)",
    )
    token.write(VAULT)
    token.apply()
    answer = token.run("import", "--all", "--out", "adopted", "--adopt-owned", token.state()["lineage"])
    assert "1 key of these the apply makes" in answer.err
    assert "Left out: 5." in answer.err
    told = (token.root / "adopted" / "import.yaml").read_text()
    vault = token.identity("instance.vault")
    for line in (
        "object 02 labelled 'open': it can be taken out of the token",
        "object 03: it can be read out in the clear",
        "object 04: 2 keys have this CKA_ID",
        "object without a CKA_ID labelled 'nameless': it has no CKA_ID",
        "object 05 labelled 'big': there is no key spec for a key of type EC on that curve",
    ):
        assert f"# - {vault} {line}" in told
    assert "object 06" not in told  # another engine's


def test_a_token_whose_pin_the_configuration_does_not_say_is_left_alone_and_named(token: Project) -> None:
    inside(token, "aes('01', 'good')")
    token.write(VAULT)
    token.apply()
    other = Project(token.root / "other", token.environ)
    other.root.mkdir()
    other.write("kmsplan: 1\nengine: {embedded: {path: ../state/engine}}\n")
    other.run("import", "--all", "--out", "adopted", "--adopt-owned", token.state()["lineage"])
    told = (other.root / "adopted" / "import.yaml").read_text()
    assert "objects in its HSM: they were not looked at: this configuration does not declare" in told
    (token.root / "tokens").rename(token.root / "elsewhere")
    token.run("import", "--all", "--out", "away", "--adopt-owned", token.state()["lineage"])
    told = (token.root / "away" / "import.yaml").read_text()
    assert "objects in its HSM: they could not be looked at: The HSM is not available" in told


def test_keys_of_another_engine_in_the_same_token_are_never_offered_nor_taken(token: Project) -> None:
    token.write(VAULT + "keys:\n  theirs: {instance: vault}\n  pair: {instance: vault, spec: EC_P256}\n")
    token.apply()
    inside(token, "aes('01', 'free')")
    other = Project(token.root / "other", token.environ)
    other.root.mkdir()
    other.write(VAULT)
    other.apply()
    answer = other.run("import", "--all", "--out", "adopted", "--adopt-owned", other.state()["lineage"])
    assert "Wrote 1 instance, 1 key," in answer.out
    assert "Left out" not in answer.err
    script = "[print(one.label) for one in session.get_objects()]"
    labels = (re.fullmatch("kmsplan-([0-9a-f]{32})", line) for line in inside(token, script).splitlines())
    theirs = [found[1] for found in labels if found]
    other.write(VAULT + f"keys:\n  stolen: {{instance: vault, hsm_object: '{theirs[0]}'}}\n")
    assert "an engine of kmsplan made it, as its label says" in other.apply(code=1).text
    token.run("plan", "--detailed-exitcode")


@pytest.mark.parametrize(
    ("script", "declared", "why"),
    [
        ("", "hsm_object: '01'", "object 01 of token 'test': the token holds no key of this CKA_ID"),
        ("aes('01'); aes('01')", "hsm_object: '01'", "2 keys have this CKA_ID"),
        ("ec('01')", "hsm_object: '01'", "it is a key of spec EC_P256, not of Aliyun_AES_256; say what it is"),
        ("aes('01', EXTRACTABLE=True)", "hsm_object: '01'", "make a new key in its place"),
    ],
    ids=["absent", "two", "spec", "extractable"],
)
def test_an_apply_that_cannot_attach_says_why_and_makes_nothing(
    token: Project, script: str, declared: str, why: str
) -> None:
    inside(token, script)
    token.write(VAULT + f"keys:\n  orders: {{instance: vault, {declared}}}\n")
    answer = token.apply(code=8)
    assert "key.orders" in answer.err
    assert why in re.sub(r"\s+", " ", answer.text)
    assert "key.orders" not in token.state()["records"]
    assert token.run("engine", "status", "--json").json()["keys"] == {}


def test_a_plan_says_what_becomes_of_the_object(token: Project) -> None:
    inside(token, "aes('01', 'orders')")
    token.write(VAULT + "keys:\n  orders: {instance: vault, hsm_object: '01', deletion_protection: false}\n")
    shown = token.run("plan").out
    assert "note: it stands for object 01, which is in the token already and stays as it is" in shown
    token.apply()
    token.write(VAULT)
    gone = token.run("plan", "--allow-delete", "1").out
    assert "object 01, which it stands for, stays in its HSM" in gone


def test_an_object_that_others_destroyed_or_exchanged_is_drift_and_nothing_is_made_in_its_place(token: Project) -> None:
    inside(token, "aes('01', 'orders'); aes('02', 'bills')")
    token.write(
        VAULT + "keys:\n  orders: {instance: vault, hsm_object: '01'}\n  bills: {instance: vault, hsm_object: '02'}\n"
    )
    token.apply()
    inside(token, f"gone('01'); gone('02'); written('02', '{'5a' * 32}', 'bills')")
    found = token.run("drift", "--json", code=2).json()["drift"]
    assert {(one["address"], one["attributes"][0]["observed"]) for one in found} == {
        ("key.orders", "Unavailable"),
        ("key.bills", "Unavailable"),
    }
    plan = token.run("plan", "--json").json()
    assert {action for change in plan["resource_changes"] for action in change["change"]["actions"]} == {"no-op"}
    refused = token.run("engine", "encrypt", token.identity("key.bills"), stdin="secret", code=1)
    assert "another key is in its place by now" in refused.err


def test_an_apply_that_is_killed_attaches_each_object_once(token: Project) -> None:
    inside(token, "\n".join(f"aes('{number:02x}', 'orders')" for number in range(6)))
    lines = "".join(f"  k{number}: {{instance: vault, hsm_object: '{number:02x}'}}\n" for number in range(6))
    token.write(VAULT + "keys:\n" + lines)
    for flush in (1, 2, 3):
        token.killed_at_flush(flush, "apply", "--auto-approve", "--parallelism", "1")
    token.apply()
    assert "No changes" in token.run("plan", "--detailed-exitcode").out
    assert token.run("engine", "status", "--json").json()["keys"] == {"Enabled": 6}
    assert len(inside(token, "\n".join(f"told('{number:02x}')" for number in range(6))).splitlines()) == 6


@pytest.fixture
def lab(tmp_path: Path, softhsm: SoftHsm) -> Iterator[Lab]:
    place = Lab(tmp_path / "engine")
    place.create()
    yield place
    place.close()
    assert softhsm.tokens.exists()


def opened(lab: Lab, softhsm: SoftHsm) -> tuple[Engine, str]:
    engine = lab.open(hardware=lambda *_: softhsm.protection())
    hsm = {"module": MODULE, "token": LABEL}
    return engine, str(engine.execute(CreateInstance(type="hardware", spec=1000, key_quota=100, hsm=hsm)))


def test_no_deletion_release_or_recovery_destroys_an_object_of_the_token(lab: Lab, softhsm: SoftHsm) -> None:
    in_token(os.environ, "aes('01', 'orders'); ec('02', 'pair'); aes('03', 'third')")
    told = "told('01'); told('02'); told('03')"
    before = in_token(os.environ, told)
    engine, vault = opened(lab, softhsm)
    first = new_key(engine, vault, hsm_object="01")
    second = new_key(engine, vault, KeySpec.EC_P256, hsm_object="02")
    with pytest.raises(KmsError, match=f"{first} stands for object 01 already"):
        new_key(engine, vault, hsm_object="01")
    engine.execute(ScheduleKeyDeletion(key=first, window_days=7))
    lab.clock.move(8 * DAY)
    assert engine.tick().deleted == (first,)
    assert in_token(os.environ, told) == before

    lab.close()  # and what starts anew looks for what others left
    engine = lab.open(hardware=lambda *_: softhsm.protection())
    assert engine.tick().deleted == ()
    assert described(engine, second, check_material=True)["state"] == "Enabled"
    new_key(engine, vault, hsm_object="03")
    engine.execute(ReleaseKmsInstance(instance=vault, force=True))
    assert in_token(os.environ, told) == before


def test_two_tokens_may_each_have_an_object_of_one_id(token: Project) -> None:
    init_token(token, "second")
    inside(token, "aes('01', 'one')")
    in_token(token.environment(), "aes('01', 'other')", label="second")
    second = VAULT.partition("instances:\n")[2].replace("vault", "strongroom").replace("token: test", "token: second")
    keys = "keys:\n  one: {instance: vault, hsm_object: '01'}\n  other: {instance: strongroom, hsm_object: '01'}\n"
    token.write(VAULT + second + keys)
    token.apply()
    token.run("plan", "--detailed-exitcode")
