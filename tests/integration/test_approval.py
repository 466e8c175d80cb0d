"""Approved plans: signed by others, bound to the plan and in time, or not carried out."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kmsplan.approval.signature import Signature, dump, load
from tests.approval import Approvers
from tests.project import BASIC, Project

APPROVAL = "approval: {signatures: 2, trusted: ops.trusted.yaml}\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved plan, and keys of four people of whom three are trusted, with signatures put aside."""
    project = Project(tmp_path_factory.mktemp("approvers"))
    project.write(BASIC)
    project.run("plan", "-o", "x.plan")
    approvers = Approvers(project)
    keys = approvers.make("ada", "bob", "carol", "eve")
    del keys["eve"]
    approvers.trust(**keys)
    for name in ("ada", "bob", "eve"):
        approvers.keep(name)
    approvers.keep("bob", key="ada")
    approvers.keep("carol", key="eve")
    return project.root


@pytest.fixture
def approvers(prepared: Path, tmp_path: Path) -> Approvers:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return Approvers(Project(tmp_path))


def signatures(approvers: Approvers) -> tuple[Signature, ...]:
    return load((approvers.project.root / "x.plan.sig").read_bytes(), "x.plan.sig")


def backdated(approvers: Approvers, name: str, **changes: datetime) -> None:
    """Replace the signatures by one of a signer whose clock, or will, is another."""
    (approvers.project.root / "x.plan.sig").write_bytes(dump([approvers.signature(name, **changes)]))


def test_a_plan_that_enough_people_signed_is_carried_out(approvers: Approvers) -> None:
    signed = approvers.sign("ada")
    assert "4 to add" in signed.out
    assert "Digest: sha256:" in signed.out
    approvers.sign("bob")
    assert "Resources: 4 added" in approvers.apply().out


def test_too_few_signatures_are_refused_and_it_is_said_who_is_missing(approvers: Approvers) -> None:
    assert "0 given that count" in approvers.apply(code=5).err
    approvers.signed("ada-ada")
    refused = approvers.apply(code=5).err
    assert "2 signatures of signers in ops.trusted.yaml required, 1 given that count" in refused
    assert "- ada: counts" in refused
    assert "Still able to sign: bob, carol" in refused


def test_one_person_is_one_signature(approvers: Approvers) -> None:
    approvers.signed("ada-ada")
    approvers.sign("ada")
    assert len(signatures(approvers)) == 1
    approvers.signed("ada-ada", "ada-ada", "ada-bob")
    refused = approvers.apply(code=5).err
    assert "ada: does not count: ada is counted already" in refused
    assert "bob: does not count: its key is that of ada" in refused


def test_one_key_under_two_names_is_a_list_that_nobody_trusts(approvers: Approvers) -> None:
    approvers.signed("ada-ada")
    key = signatures(approvers)[0].key.text
    approvers.trust(ada=key, bob=key)
    assert "bob has the key of ada" in approvers.apply(code=1).err


def test_a_strangers_signature_does_not_count(approvers: Approvers) -> None:
    approvers.signed("ada-ada", "eve-eve", "eve-carol")
    refused = approvers.apply(code=5).err
    assert "carol: does not count: its key SHA256:" in refused
    assert "is not in ops.trusted.yaml" in refused


def test_a_signature_that_has_ended_does_not_count(approvers: Approvers) -> None:
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    backdated(approvers, "ada", signed=past, expires=past + timedelta(minutes=1))
    assert "ada: does not count: it expired" in approvers.apply(required=1, code=5).err


def test_a_signature_of_the_future_does_not_count(approvers: Approvers) -> None:
    future = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    backdated(approvers, "ada", signed=future, expires=future + timedelta(days=1))
    assert "ada: does not count: it was made in the future" in approvers.apply(required=1, code=5).err


def test_a_signature_of_one_plan_is_none_of_another(approvers: Approvers) -> None:
    project = approvers.project
    approvers.signed("ada-ada", "bob-bob")
    project.write(BASIC.replace("payments", "billing"))
    project.run("plan", "-o", "x.plan")
    assert "ada: does not count: it is for another plan" in approvers.apply(code=5).err


def test_an_approved_plan_is_applied_once(approvers: Approvers) -> None:
    approvers.signed("ada-ada", "bob-bob")
    approvers.apply()
    arguments = ("apply", "x.plan", "--require-signatures", "2", "--trusted", "ops.trusted.yaml")
    assert "serial" in approvers.project.run(*arguments, code=7).err


def test_the_author_does_not_count_where_that_is_said(approvers: Approvers) -> None:
    project, me = approvers.project, getpass.getuser()
    mine = approvers.make(me)
    approvers.trust(**mine)
    approvers.sign(me)
    refused = approvers.apply("--not-author", required=1, code=5).err
    assert f"{me} is the author, {me}@" in refused
    assert "Still able to sign: nobody, which is not enough" in refused
    assert json.loads((project.root / "x.plan").read_text())["author"].startswith(f"{me}@")
    approvers.apply(required=1)


def test_a_damaged_list_of_signers_stops_everything(approvers: Approvers) -> None:
    approvers.signed("ada-ada", "bob-bob")
    trusted = approvers.project.root / "ops.trusted.yaml"
    text = trusted.read_text()
    trusted.write_text(text.replace("key: MC", "key: MD", 1))
    assert "K424" in approvers.apply(code=1).err
    trusted.write_text(text + text.splitlines()[1] + "\n    key: AAAA\n")
    assert "K108" in approvers.apply(code=1).err
    trusted.unlink()
    assert "K102" in approvers.apply(code=1).err


def test_a_key_that_others_can_read_does_not_sign(approvers: Approvers) -> None:
    (approvers.project.root / "ada.pem").chmod(0o644)
    assert "open to others than its owner (mode 0644)" in approvers.sign("ada", code=1).err
    assert not (approvers.project.root / "x.plan.sig").exists()


def test_a_key_can_have_a_passphrase(approvers: Approvers) -> None:
    project = approvers.project
    project.environ["PHRASE"] = "correct-horse"
    project.run("plan", "keygen", "dave.pem", "--name", "dave", "--passphrase-env", "PHRASE")
    assert "correct-horse" not in (project.root / "dave.pem").read_text()
    assert "--passphrase-env" in approvers.sign("dave", code=1).err
    assert "PHRASE is not set" in approvers.sign("dave", "--passphrase-env", "NO_PHRASE", code=1).err
    project.environ["PHRASE"] = "battery-staple"
    wrong = approvers.sign("dave", "--passphrase-env", "PHRASE", code=1)
    assert "the passphrase does not open it" in wrong.err
    assert "battery" not in wrong.text
    project.environ["PHRASE"] = "correct-horse"
    approvers.sign("dave", "--passphrase-env", "PHRASE")


def test_the_made_key_is_told_as_a_list_of_signers_has_it(approvers: Approvers) -> None:
    project = approvers.project
    project.write(project.run("plan", "keygen", "dave.pem", "--name", "dave").out, "ops.trusted.yaml")
    approvers.sign("dave")
    assert "Approved" in project.run("plan", "verify", "x.plan", "--trusted", "ops.trusted.yaml").out


def test_keys_are_never_written_over(approvers: Approvers) -> None:
    before = (approvers.project.root / "ada.pem").read_bytes()
    assert "never written over" in approvers.project.run("plan", "keygen", "ada.pem", code=1).err
    assert (approvers.project.root / "ada.pem").read_bytes() == before


def test_openssl_reads_the_key_and_verifies_the_signature(approvers: Approvers) -> None:
    root = approvers.project.root
    approvers.signed("ada-ada")
    (signed,) = signatures(approvers)
    (root / "message").write_bytes(signed.statement.message())
    (root / "signature").write_bytes(signed.value)
    command = "openssl pkeyutl -verify -inkey ada.pem -rawin -in message -sigfile signature"
    done = subprocess.run(command.split(), cwd=root, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout, done.stderr


def test_only_the_reviewed_plan_is_signed(approvers: Approvers) -> None:
    digest = approvers.project.run("show", "x.plan", "--json").json()["digest"]
    other = "0" * 64
    assert f"its digest is sha256:{digest}" in approvers.sign("ada", "--digest", f"sha256:{other}", code=7).err
    assert not (approvers.project.root / "x.plan.sig").exists()
    approvers.sign("ada", "--digest", f"sha256:{digest}")
    assert "not the plan that was reviewed" in approvers.apply("--digest", other, required=1, code=7).err
    approvers.apply("--digest", digest, required=1)


def test_verify_shows_who_signed_and_whether_it_counts(approvers: Approvers) -> None:
    project = approvers.project
    approvers.signed("ada-ada", "eve-eve")
    arguments = ("plan", "verify", "x.plan", "--trusted", "ops.trusted.yaml")
    told = project.run(*arguments).out
    assert "ada: counts (until 20" in told
    assert "eve: does not count: its key SHA256:" in told
    assert "Approved: 1 of 1 required by ops.trusted.yaml" in told
    document = project.run(*arguments, "--require-signatures", "2", "--json", code=5).json()
    (policy,) = document["policies"]
    assert (document["approved"], policy["counted"], policy["missing"]) == (False, 1, ["bob", "carol"])
    assert [one["counts"] for one in policy["signatures"]] == [True, False]
    assert "--trusted FILE" in project.run("plan", "verify", "x.plan", code=1).err


@pytest.fixture(scope="module")
def with_plan(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("configured")
    shutil.copytree(prepared, root, dirs_exist_ok=True)
    approvers = Approvers(Project(root))
    approvers.project.write(BASIC + APPROVAL)
    approvers.project.run("plan", "-o", "x.plan")
    for name in ("ada", "bob"):
        approvers.keep(name)
    return root


@pytest.fixture
def configured(with_plan: Path, tmp_path: Path) -> Approvers:
    shutil.copytree(with_plan, tmp_path, dirs_exist_ok=True)
    return Approvers(Project(tmp_path))


def test_a_plan_needs_the_signatures_without_any_flag(configured: Approvers) -> None:
    project = configured.project
    assert "approval is missing: 2 signatures" in project.run("apply", "x.plan", code=5).err
    configured.signed("ada-ada", "bob-bob")
    assert "Approved: 2 of 2" in project.run("plan", "verify", "x.plan").out
    assert "Resources: 4 added" in project.run("apply", "x.plan").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("apply", "--auto-approve"),
        ("destroy", "--auto-approve"),
        ("apply", "--digest", "0" * 64),
    ],
)
def test_nothing_is_applied_without_a_saved_plan(configured: Approvers, arguments: tuple[str, ...]) -> None:
    refused = configured.project.run(*arguments, stdin="yes\n", code=5)
    assert "only a saved plan can be signed" in refused.err
    assert not (configured.project.root / "state" / "engine").exists()


def test_flags_cannot_take_away_what_the_configuration_asks_for(configured: Approvers) -> None:
    project = configured.project
    configured.signed("ada-ada")
    trusted = (project.root / "ops.trusted.yaml").read_text()
    project.write(trusted.replace("bob", "bobby"), "mine.trusted.yaml")
    fewer = project.run("apply", "x.plan", "--require-signatures", "1", code=5)
    assert "2 signatures of signers in ops.trusted.yaml" in fewer.err
    others = ("--require-signatures", "1", "--trusted", "mine.trusted.yaml")
    assert "ops.trusted.yaml" in project.run("apply", "x.plan", *others, code=5).err


def test_a_plan_made_under_another_rule_is_stale(configured: Approvers) -> None:
    configured.signed("ada-ada")
    configured.project.write(BASIC + APPROVAL.replace("2", "1"))
    assert "the configuration" in configured.project.run("apply", "x.plan", code=7).err
    configured.project.write(BASIC)
    assert "the configuration" in configured.project.run("apply", "x.plan", code=7).err
    assert not (configured.project.root / "state" / "engine").exists()


@pytest.fixture
def guarded(approvers: Approvers) -> Project:
    """Applied, and lets nothing run but signed plans from now on."""
    project = approvers.project
    project.apply()
    project.write(BASIC + APPROVAL)
    return project


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        (("rm", "key.signer"), "removed: [{address: key.signer, forget: true}]"),
        (("mv", "key.orders", "key.sales"), "moved: [{from: key.orders, to: key.sales}]"),
        (("mv", "--to-dir", ".", "key.orders"), "owner: LINEAGE"),
        (("restore", "0", "--auto-approve"), "import: "),
    ],
    ids=["rm", "mv", "mv --to-dir", "restore"],
)
def test_records_are_not_changed_past_it(guarded: Project, command: tuple[str, ...], instead: str) -> None:
    before = guarded.state()
    refused = guarded.run("state", *command, code=5).err
    assert "lets nothing run but plans that were signed" in refused
    assert instead in refused
    assert "--without-approval REASON" in refused
    assert guarded.state() == before


def test_what_is_done_without_it_has_a_reason_that_the_history_keeps(guarded: Project) -> None:
    for reason in ("", " ", "a\nb", "\x1b[31m", "\u202e", "x" * 201):
        guarded.run("state", "rm", "key.signer", "--without-approval", reason, code=1)
    guarded.run("state", "rm", "key.signer", "--without-approval", "the HSM burnt down, ticket 4711")
    assert "key.signer" not in guarded.state()["records"]
    made = guarded.run("state", "history", "--json").json()["serials"][-1]
    assert made["command"] == "state rm (without approval: the HSM burnt down, ticket 4711)"
    guarded.run("state", "restore", "1", "--auto-approve", "--without-approval", "it did not")
    assert "state restore 1 (without approval: it did not)" in guarded.run("state", "history", "--json").out


def test_validate_checks_the_list_of_signers(configured: Approvers) -> None:
    configured.project.run("validate")
    configured.trust(ada="no key")
    assert "K424" in configured.project.run("validate", code=1).err


def test_a_key_of_the_kms_signs_by_its_address_or_its_alias(project: Project) -> None:
    project.write(BASIC + "aliases: {signer: signer}\n")
    project.apply()
    project.write(BASIC.replace("payments", "billing") + "aliases: {signer: signer}\n")
    project.run("plan", "-o", "x.plan")
    approvers = Approvers(project)
    for key in ("alias/signer", "key.signer"):
        project.run("plan", "sign", "x.plan", "--kms-key", key, "--name", "desk")
    (signed,) = signatures(approvers)
    approvers.trust(desk=signed.key.text)
    arguments = ("apply", "x.plan", "--require-signatures", "1", "--trusted", "ops.trusted.yaml")
    assert "1 changed" in project.run(*arguments).out


def test_a_key_that_cannot_sign_says_so(applied: Project) -> None:
    applied.write((applied.root / "kmsplan.yaml").read_text().replace("payments", "billing"))
    applied.run("plan", "-o", "x.plan")
    applied.run("plan", "sign", "x.plan", "--kms-key", "key.orders", code=1)
    missing = applied.run("plan", "sign", "x.plan", "--kms-key", "key.nowhere", code=1)
    assert "key.nowhere is not recorded" in missing.err
    assert "either --key FILE or --kms-key" in applied.run("plan", "sign", "x.plan", code=1).err
    assert not (applied.root / "x.plan.sig").exists()


SWEEP = """
import json, sys
from pathlib import Path
from kmsplan.cli.main import run

ARGUMENTS = ["apply", "x.plan", "--require-signatures", "2", "--trusted", "ops.trusted.yaml"]
codes = {}
for name, step in (("x.plan", 7), ("x.plan.sig", 3)):
    whole = Path(name).read_bytes()
    for place in range(0, len(whole), step):
        edited = bytearray(whole)
        edited[place] ^= 1 << (place % 8)
        Path(name).write_bytes(edited)
        codes.setdefault(run(ARGUMENTS), []).append([name, place])
    Path(name).write_bytes(whole)
print(json.dumps(codes))
"""


def test_a_byte_that_differs_anywhere_is_refused_and_nothing_is_sent(approvers: Approvers) -> None:
    root = approvers.project.root
    approvers.signed("ada-ada", "bob-bob")
    done = subprocess.run(
        [sys.executable, "-c", SWEEP],
        cwd=root,
        env=approvers.project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    codes = json.loads(done.stdout)
    assert codes.keys() == {"7"}
    assert len(codes["7"]) > 500
    assert not (root / "state" / "engine").exists()
    assert "Resources: 4 added" in approvers.apply().out
