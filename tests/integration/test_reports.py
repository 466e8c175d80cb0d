"""Reports of the command line: many at once, of what succeeds, is refused or fails, into files, pipes and devices."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import threading
from pathlib import Path
from subprocess import run

import pytest
from lxml import etree

from kmsplan.report.form import Subject, forms
from tests.project import BASIC, KMSPLAN, Project

BROKEN = "  vault: {type: hardware, hsm: {module: /nowhere/lib.so, token: test, pin: {env: HSM_PIN}}}\n"


def test_a_plan_is_reported_in_every_form_at_once(basic: Project) -> None:
    every = [form for form in forms(Subject.PLAN) if form != "text"]
    answer = basic.run("plan", *(word for form in every for word in ("--report", f"{form}=out-{form}")))
    assert "Plan: 4 to add, 0 to change, 0 to destroy." in answer.out
    assert [form for form in every if not (basic.root / f"out-{form}").stat().st_size] == []
    assert json.loads((basic.root / "out-gitlab-terraform").read_text()) == {"create": 4, "update": 0, "delete": 0}


def test_a_saved_plan_is_reported_as_when_it_was_made(applied: Project) -> None:
    applied.write(BASIC.replace("rotation: 90d", "rotation: 30d"))
    applied.run("plan", "-o", "x.plan", "--report", "markdown=made.md", "--report", "github=made.txt")
    applied.run("show", "x.plan", "--report", "markdown=shown.md", "--format", "github", "--output", "shown.txt")
    for made, shown in (("made.md", "shown.md"), ("made.txt", "shown.txt")):
        assert (applied.root / made).read_text() == (applied.root / shown).read_text()


def test_the_state_is_no_plan_and_has_fewer_forms(applied: Project) -> None:
    for words in (["--format", "markdown"], ["--report", "html=x.html"], ["--output", "x"]):
        assert "for a saved plan: PLANFILE" in applied.run("show", *words, code=1).err


@pytest.mark.parametrize("form", forms(Subject.DRIFT))
def test_drift_is_printed_in_any_form(applied: Project, form: str) -> None:
    applied.call("DisableKey", "KeyId=alias/orders")
    answer = applied.run("drift", "--format", form, code=2)
    assert answer.out.endswith("\n")
    assert "drift" in answer.out.lower()


def test_annotations_name_files_from_where_the_command_runs(applied: Project) -> None:
    applied.write(BASIC.replace("EC_P256", "RSA_2048"))
    answer = Project(applied.root.parent).run("-C", applied.root.name, "plan", "--format", "github", code=4)
    assert f"::error file={applied.root.name}/kmsplan.yaml,line=6,col=3,title=" in answer.out


@pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY"])
def test_annotations_name_files_from_the_repositorys_top(applied: Project, variable: str) -> None:
    applied.write(BASIC.replace("EC_P256", "RSA_2048"))
    applied.environ[variable] = str(applied.root.parent)
    answer = applied.run("plan", "--format", "github", code=4)
    assert f"::error file={applied.root.name}/kmsplan.yaml,line=6," in answer.out


def test_what_is_wrong_with_a_configuration_is_told_at_its_line(basic: Project) -> None:
    basic.write(BASIC.replace("rotation: 90d", "rotation: 1d, colour: red"))
    printed = basic.run("validate", "--format", "github", code=1)
    found = re.findall(r"^::error file=kmsplan.yaml,line=5,col=(\d+),title=.* \((K\d+)\)::", printed.out, re.MULTILINE)
    assert found == [("38", "K404"), ("42", "K201")]
    kept = basic.run("validate", "--report", "sarif=validate.sarif", "--report", "github-output=values", code=1)
    assert "Error:" in kept.err
    results = json.loads((basic.root / "validate.sarif").read_text())["runs"][0]["results"]
    assert sorted(result["ruleId"] for result in results) == ["K201", "K404"]
    assert (basic.root / "values").read_text() == "valid=false\nerrors=2\nwarnings=0\nobjects=0\n"


def test_a_valid_configuration_is_reported_too(basic: Project) -> None:
    answer = basic.run("validate", "--report", "junit=validate.xml")
    assert answer.out == "Success! The configuration is valid: 4 objects.\n"
    assert etree.parse(basic.root / "validate.xml").getroot()[0].get("failures") == "0"


def test_an_apply_is_reported_as_it_ended(basic: Project) -> None:
    basic.apply("--report", "json=outcome.json", "--report", "junit=outcome.xml")
    document = json.loads((basic.root / "outcome.json").read_text())
    suite = etree.parse(basic.root / "outcome.xml").getroot()[0]
    assert (document["complete"], document["exit_code"], document["summary"]["added"]) == (True, 0, 4)
    assert document["results"][0]["address"] == "alias.orders"
    assert (suite.get("tests"), suite.get("failures")) == ("4", "0")


def test_an_apply_that_fails_is_reported_too(applied: Project) -> None:
    applied.environ["HSM_PIN"] = "4711-0815"
    applied.write(BASIC.replace("keys:\n", f"{BROKEN}keys:\n") + "  made: {instance: core}\n")
    answer = applied.apply("--report", "json=outcome.json", "--report", "github=annotations", code=8)
    document = json.loads((applied.root / "outcome.json").read_text())
    (failed,) = (result for result in document["results"] if result["status"] == "failed")
    assert (document["complete"], document["exit_code"]) == (False, 8)
    assert failed["address"] == "instance.vault"
    assert "::error file=kmsplan.yaml,line=4,col=3," in (applied.root / "annotations").read_text()
    assert "4711-0815" not in answer.text + (applied.root / "outcome.json").read_text()


def test_a_destroy_is_reported(basic: Project) -> None:
    basic.write(BASIC.partition("keys:")[0].replace("software", "software, deletion_protection: false"))
    basic.apply()
    answer = basic.run(
        *("destroy", "--auto-approve", "--allow-delete", "1", "--allow-release", "instance.core"),
        *("--report", "github-output=values"),
        code=None,
    )
    assert answer.code == 0, answer.text
    assert "destroyed=1\n" in (basic.root / "values").read_text()


def test_a_report_that_cannot_be_written_is_an_error_and_the_others_are_written(basic: Project) -> None:
    answer = basic.run(
        *("plan", "--report", "junit=nowhere/plan.xml", "--report", "html=/dev/full", "--report", "json=plan.json"),
        code=1,
    )
    assert "nowhere/plan.xml cannot be written: No such file or directory" in answer.err
    assert "/dev/full cannot be written: No space left on device" in answer.err
    assert "Name a file in a folder that you can write." in answer.err
    assert json.loads((basic.root / "plan.json").read_text())["applyable"] is True
    assert "Plan: 4 to add" in answer.out


def test_a_report_that_cannot_be_written_does_not_hide_how_an_apply_ended(basic: Project) -> None:
    answer = basic.apply("--report", "json=nowhere/outcome.json", "--report", "junit=outcome.xml", code=1)
    assert "Apply complete! Resources: 4 added" in answer.out
    assert "Error: nowhere/outcome.json cannot be written" in answer.err
    assert (basic.root / "outcome.xml").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("markdow=x", "'markdow' is no form of this report; there are text, json"),
        ("markdown", "'markdown' is not FORM=FILE, such as markdown=plan.md"),
        ("markdown=", "'markdown=' is not FORM=FILE, such as markdown=plan.md"),
    ],
)
def test_what_is_no_form_is_said_before_anything_is_read(project: Project, said: str, words: str) -> None:
    answer = project.run("plan", "--report", said, code=1)
    assert words in answer.err


def test_what_github_collects_is_added_to(basic: Project) -> None:
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        (basic.root / name).write_text("before\n")
    reports = ("--report", "github-output=GITHUB_OUTPUT", "--report", "github-summary=GITHUB_STEP_SUMMARY")
    basic.run("plan", *reports)
    basic.apply("--report", "github-summary=GITHUB_STEP_SUMMARY")
    output, summary = ((basic.root / name).read_text() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"))
    assert output.startswith("before\nchanges=true\n")
    assert summary.startswith("before\n### kmsplan plan: 4 to add")
    assert "### kmsplan apply: Complete: 4 added" in summary


def test_a_report_never_takes_the_place_of_a_device_a_pipe_or_a_link(basic: Project) -> None:
    pipe, link, target = (basic.root / name for name in ("pipe", "link", "target"))
    os.mkfifo(pipe)
    link.symlink_to(target)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    basic.run("plan", "--report", "json=pipe", "--report", "json=link", "--report", "json=/dev/null")
    reader.join(timeout=60)
    assert json.loads(heard[0])["applyable"] is True
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()
    assert json.loads(target.read_text())["applyable"] is True
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_annotations_can_stand_before_the_text_on_standard_output(basic: Project) -> None:
    answer = basic.run("plan", "--report", "github=/dev/stdout")
    assert answer.out.startswith("::notice title=kmsplan plan::4 to add, 0 to change, 0 to destroy.\nkmsplan will")


def test_the_commands_of_the_page_do_what_it_says(basic: Project) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
    (block,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    commands = [line for line in block.splitlines() if not line.startswith("#")]
    environ = {**basic.environment(), "PATH": f"{Path(KMSPLAN).parent}:{os.environ['PATH']}"}
    environ |= {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}
    for command in commands:
        done = run(["sh", "-c", command], cwd=basic.root, env=environ, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stderr)
    named = re.findall(r"=([\w.]+\.\w+)(?= |$)", "\n".join(commands), re.MULTILINE)
    assert [name for name in (*named, "output", "summary") if not (basic.root / name).stat().st_size] == []


def test_the_version_imports_no_report(basic: Project) -> None:
    program = "import sys; from kmsplan.cli.main import run; code = run(['version']); print(code, *sorted(sys.modules))"
    done = run([sys.executable, "-c", program], cwd=basic.root, capture_output=True, text=True, check=True, timeout=60)
    code, *modules = done.stdout.splitlines()[-1].split()
    assert (code, "kmsplan.cli.version" in modules) == ("0", True)
    assert [name for name in modules if name.startswith("kmsplan.report")] == []
