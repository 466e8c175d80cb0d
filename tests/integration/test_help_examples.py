"""The examples of --help do what they say: as many of them as a folder and an engine are enough for."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from kmsplan.cli.example import EXAMPLES
from tests.project import BASIC

if TYPE_CHECKING:
    from tests.project import Answer, Project

KNOWN = {line for lines in EXAMPLES.values() for line in lines}


def example(project: Project, line: str, code: int = 0) -> Answer:
    """Run an example as it stands in --help."""
    assert line in KNOWN
    _, *arguments = shlex.split(line)
    return project.run(*arguments, code=code)


@pytest.mark.parametrize(
    "line",
    [
        "kmsplan validate",
        "kmsplan plan",
        "kmsplan apply",
        "kmsplan drift",
        "kmsplan inventory",
        "kmsplan due --within 30d",
        "kmsplan policy list",
        "kmsplan policy explain R101",
        "kmsplan show",
        "kmsplan graph",
        "kmsplan state list",
        "kmsplan state show key.orders",
        "kmsplan state history",
        "kmsplan engine status",
        "kmsplan engine audit verify",
        "kmsplan engine tick",
        "kmsplan schema",
        "kmsplan schema event",
        "kmsplan version",
    ],
)
def test_what_only_looks_looks(applied: Project, line: str) -> None:
    assert example(applied, line).out


def test_a_first_configuration_is_written_checked_and_applied(project: Project) -> None:
    example(project, "kmsplan init")
    example(project, "kmsplan -C keys init")
    (project.root / "keys" / "prod.vars.yaml").write_text("{}\n")
    example(project, "kmsplan -C keys validate --var-file keys/prod.vars.yaml")
    example(project, "kmsplan fmt")
    example(project, "kmsplan fmt --check")
    (project.root / "prod.vars.yaml").write_text("env:  prod\n")
    assert "+env: prod" in example(project, "kmsplan fmt --diff keys prod.vars.yaml").out
    example(project, "kmsplan apply --auto-approve --on-error revert")


def test_a_plan_is_saved_signed_and_carried_out(applied: Project) -> None:
    applied.write(BASIC.replace("team: payments", "team: billing"))
    example(applied, "kmsplan plan --target key.orders --detailed-exitcode", code=2)
    example(applied, "kmsplan plan -o week.plan")
    example(applied, "kmsplan show week.plan --json").json()
    public = example(applied, "kmsplan plan keygen ada.pem --name ada").out
    applied.write(f"signers:\n{public}" if not public.startswith("signers") else public, "signers.trusted")
    example(applied, "kmsplan plan sign week.plan --key ada.pem --name ada")
    example(applied, "kmsplan apply week.plan")
    applied.run("plan", "--detailed-exitcode", code=0)


def test_a_destruction_lets_through_as_many_deletions_as_it_says(basic: Project) -> None:
    keys = "".join(f"  {name}: {{instance: core, deletion_protection: false}}\n" for name in ("old", "older", "oldest"))
    basic.write(f"kmsplan: 1\ninstances:\n  core: {{type: software, deletion_protection: false}}\nkeys:\n{keys}")
    basic.apply()
    basic.run("destroy", "--auto-approve", code=4)
    example(basic, "kmsplan destroy --target key.old --allow-delete 1", code=5)


def test_records_go_to_earlier_serials_and_other_addresses(applied: Project) -> None:
    for team in ("b", "c", "d", "e"):
        applied.write(BASIC.replace("team: payments", f"team: {team}"))
        applied.apply()
    assert example(applied, "kmsplan state diff 3 5").out
    assert example(applied, "kmsplan state diff 3").out
    assert example(applied, "kmsplan state show --serial 3").out
    example(applied, "kmsplan state rm key.orders alias.orders")
    applied.run("state", "restore", "5", "--auto-approve")
    applied.write(BASIC.replace("  orders:", "  payments:").replace("[orders]", "[]"))
    applied.run("state", "rm", "alias.orders")
    example(applied, "kmsplan state mv key.orders key.payments")


def test_an_engine_is_backed_up_and_kept_safe(applied: Project) -> None:
    example(applied, "kmsplan engine backup --output engine.backup --key-file backup.key")
    example(applied, "kmsplan engine backup verify engine.backup --key-file backup.key")
    example(applied, "kmsplan engine restore engine.backup --key-file backup.key --into restored")
    example(applied, "kmsplan engine rotate-root")
    example(applied, "kmsplan engine rotate-keyring")
    example(applied, "kmsplan engine audit export --out audit.jsonl")
    example(applied, "kmsplan engine seal")
    example(applied, "kmsplan engine unseal")


def test_an_access_key_is_made_and_listed(applied: Project) -> None:
    made = example(applied, "kmsplan engine access-key create --role user --user orders-service").out
    assert made.split()[3] in example(applied, "kmsplan engine access-key list").out


def test_keys_are_used(applied: Project) -> None:
    applied.write("secret", "secret.txt")
    applied.write("release", "release.tar")
    example(applied, "kmsplan engine encrypt alias/orders --in secret.txt --out secret.enc")
    example(applied, "kmsplan engine decrypt --in secret.enc --out secret.txt")
    assert (applied.root / "secret.txt").read_text() == "secret"
    applied.call("CreateAlias", "AliasName=alias/signer", f"KeyId={applied.identity('key.signer')}")
    example(applied, "kmsplan engine sign alias/signer --message release.tar --out release.sig")
    example(applied, "kmsplan engine verify alias/signer --message release.tar --signature release.sig")
    example(applied, "kmsplan engine call DisableKey KeyId=alias/orders")


def test_reports_are_written_to_files(applied: Project) -> None:
    example(applied, "kmsplan drift --format json --output drift.json")
    example(applied, "kmsplan due --within 90d --format icalendar --output keys.ics", code=2)
    example(applied, "kmsplan graph --format dot --output keys.dot")
    example(applied, "kmsplan policy check --pack baseline", code=4)
    example(applied, "kmsplan import --all --out adopted")
    for name in ("drift.json", "keys.ics", "keys.dot", "adopted/import.yaml"):
        assert (applied.root / name).stat().st_size
