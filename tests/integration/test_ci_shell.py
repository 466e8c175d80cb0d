"""The kit for any pipeline, run: from a change that is reviewed to a night on which nothing has drifted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.forge import load
from tests.postgres import PASSWORD
from tests.project import KMSPLAN, Project
from tests.served import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.postgres import PostgresServer
    from tests.served import Served

KIT = Path(__file__).parents[2] / "examples" / "ci" / "shell" / "kmsplan-ci"
TRACKER = """\
#!/bin/sh
# Issues as files: what the kit calls is written down, and a new issue gets a number.
set -eu
here=$(dirname "$0")/issues
mkdir -p "$here"
printf '%s %s\\n' "$1" "$2" >>"$here/calls"
case $1 in
    open) number=$(($(ls "$here" | wc -l) + 41)); cp "$3" "$here/$number"; echo "$number" ;;
    update) cp "$3" "$here/$2" ;;
    close) cp "$3" "$here/$2"; mv "$here/$2" "$here/$2.closed" ;;
esac
"""


@dataclass
class Pipeline:
    """A repository whose pipelines run the kit, beside its KMS."""

    root: Path
    engine: str = ""
    reader: Mapping[str, str] = field(default_factory=dict)
    """The environment of somebody who may read."""
    writer: Mapping[str, str] = field(default_factory=dict)
    behind: Callable[..., object] | None = None
    """Changes something behind kmsplan's back, where that is not `kmsplan engine call`."""

    def __post_init__(self) -> None:
        self.keys = Project(self.root / "keys")
        self.keys.root.mkdir()
        tracker = self.root / "tracker"
        tracker.write_text(TRACKER)
        tracker.chmod(0o755)
        self.write()

    def write(self, rotation: str = "90d", keys: str = "") -> None:
        self.keys.write(
            f"kmsplan: 1\n{self.engine}instances:\n  core: {{type: software}}\nkeys:\n"
            f"  orders: {{instance: core, rotation: {rotation}, aliases: [orders]}}\n{keys}"
        )

    def environment(self, who: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, "NO_COLOR": "1", "PATH": f"{Path(KMSPLAN).parent}:/usr/bin:/bin", **who}

    def run(self, *arguments: str, code: int = 0, **environ: str) -> str:
        """Run the kit as a pipeline does, from the repository's top."""
        who = self.writer if arguments[0] == "apply" else {} if arguments[0] == "validate" else self.reader
        done = subprocess.run(
            [KIT, arguments[0], "-C", "keys", *arguments[1:]],
            cwd=self.root,
            env=self.environment({**who, **environ}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def disable(self) -> None:
        if self.behind is not None:
            self.behind("DisableKey", "KeyId=alias/orders")
        else:
            self.keys.call("DisableKey", "KeyId=alias/orders")

    def report(self, name: str, folder: str = "kmsplan-reports") -> str:
        return (self.root / folder / name).read_text()

    def digest(self) -> str:
        return self.report("plan.digest").strip()

    def issues(self) -> list[str]:
        folder = self.root / "issues"
        return sorted(path.name for path in folder.glob("*") if path.name != "calls") if folder.exists() else []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def test_the_whole_way_with_the_embedded_engine(pipeline: Pipeline) -> None:
    pipeline.run("validate")
    printed = pipeline.run("plan")
    digest = pipeline.digest()
    assert digest in printed
    assert digest in pipeline.report("plan.md")
    assert json.loads(pipeline.report("plan.json"))["applyable"] is True
    assert json.loads(pipeline.report("plan.sarif"))["version"] == "2.1.0"
    assert ET.fromstring(pipeline.report("plan.junit.xml")).tag == "testsuites"  # noqa: S314 - our own
    assert f"digest={digest}" in pipeline.report("plan.values")

    assert "Apply complete! Resources: 3 added" in pipeline.run("apply", "--digest", digest)
    assert "3 added" in pipeline.report("apply.md")
    nightly = ("drift", "--tracker", "./tracker", "--name", "production")
    pipeline.run(*nightly)
    assert pipeline.issues() == []

    pipeline.disable()
    pipeline.run(*nightly, code=2)
    assert pipeline.issues() == ["42"]
    pipeline.run(*nightly, code=2)
    assert pipeline.issues() == ["42"], "the issue is edited, and no second one is opened"
    issue = (pipeline.root / "issues" / "42").read_text()
    assert issue.startswith("<!-- kmsplan-ci production drift -->\n")
    assert "has changed: enabled" in issue
    assert len(list((pipeline.root / "kmsplan-reports" / "memory").glob("issue.md*"))) == 1

    pipeline.run("plan")
    assert "1 changed" in pipeline.run("apply", "--digest", pipeline.digest())
    pipeline.run(*nightly)
    assert pipeline.issues() == ["42.closed"]
    pipeline.run(*nightly)
    calls = (pipeline.root / "issues" / "calls").read_text().splitlines()
    assert calls == ["open Drift: production", "update 42", "close 42"]


def test_the_whole_way_with_a_served_engine_and_an_identity_that_only_reads(served: Served, tmp_path: Path) -> None:
    made = served.project.run("engine", "access-key", "create", "--role", "auditor", "--json").json()
    reader = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": made["access_key_id"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": made["access_key_secret"],
    }
    engine = f"engine: {{alibaba: {json.dumps(served.engine())}}}\n"
    pipeline = Pipeline(tmp_path, engine, reader, served.environ, served.project.call)
    pipeline.run("plan")
    pipeline.run("apply", "--digest", pipeline.digest())
    pipeline.disable()
    pipeline.run("drift", code=2)
    assert "has changed: enabled" in (tmp_path / "kmsplan-reports" / "memory" / "issue.md").read_text()
    pipeline.run("plan")
    pipeline.writer = reader
    refused = pipeline.run("apply", "--digest", pipeline.digest(), code=1)
    assert "The credentials need the permission kms:EnableKey" in refused
    pipeline.writer = served.environ
    pipeline.run("plan")
    pipeline.run("apply", "--digest", pipeline.digest())
    pipeline.run("drift")
    assert not (tmp_path / "kmsplan-reports" / "memory" / "issue.md").exists()


def test_a_plan_needs_a_login_that_only_reads_the_state(pipeline: Pipeline, postgres: PostgresServer) -> None:
    """As docs/ci.md says: the state is begun by somebody who may write, and the reader's secret is another one."""
    schema, reader = postgres.new_schema(), f"reader{uuid.uuid4().hex}"
    pipeline.writer = {"KMSPLAN_STATE_URL": postgres.url(schema)}
    pipeline.reader = {"KMSPLAN_STATE_URL": postgres.url(schema).replace("//kmsplan:", f"//{reader}:")}
    pipeline.engine = "state: {postgres: {url: {env: KMSPLAN_STATE_URL}, name: production}}\n"
    pipeline.write()
    Project(pipeline.keys.root, dict(pipeline.writer)).run("state", "init")
    with postgres.connect(schema) as db:
        db.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{PASSWORD}'".encode())
        db.execute(f"GRANT USAGE ON SCHEMA {schema} TO {reader}".encode())
        db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}".encode())
    pipeline.run("plan")
    pipeline.run("apply", "--digest", pipeline.digest())
    pipeline.run("drift")
    pipeline.write("30d")
    pipeline.run("plan")
    pipeline.writer = pipeline.reader
    assert "permission denied" in pipeline.run("apply", "--digest", pipeline.digest(), code=1)


def test_a_configuration_that_changed_after_its_review_is_refused(pipeline: Pipeline) -> None:
    pipeline.run("plan")
    pipeline.write("30d")
    refused = pipeline.run("apply", "--digest", pipeline.digest(), code=7)
    assert "kmsplan-ci: not what was reviewed: plan again, and review that plan" in refused
    assert pipeline.keys.run("state", "list").out == ""
    pipeline.run("plan")
    pipeline.run("apply", "--digest", pipeline.digest())


def test_a_rule_and_a_brake_end_with_4(pipeline: Pipeline) -> None:
    pipeline.run("plan")
    pipeline.run("apply", "--digest", pipeline.digest())
    pipeline.keys.write("kmsplan: 1\ninstances: {core: {type: software}}\n")
    assert "refused by a rule or a brake" in pipeline.run("plan", code=4)
    assert "Held back" in pipeline.report("plan.md")
    pipeline.run("apply", "--digest", pipeline.digest(), code=4)


def test_a_signed_plan_is_carried_out_and_an_unsigned_one_ends_with_5(pipeline: Pipeline) -> None:
    pipeline.keys.write(pipeline.keys.run("plan", "keygen", "ada.pem", "--name", "ada").out, "ops.trusted.yaml")
    pipeline.write(keys="approval: {signatures: 1, trusted: ops.trusted.yaml}\n")
    pipeline.run("plan")
    saved = pipeline.root / "kmsplan-reports" / "plan.kmsplan"
    for way in (["--digest", pipeline.digest()], ["--plan", str(saved)]):
        assert "signatures are missing" in pipeline.run("apply", *way, code=5)
    pipeline.keys.run("plan", "sign", str(saved), "--key", "ada.pem", "--name", "ada")
    pipeline.run("apply", "--plan", "kmsplan-reports/plan.kmsplan", "--digest", pipeline.digest())


def test_options_of_kmsplan_come_after_two_dashes(pipeline: Pipeline) -> None:
    pipeline.write(keys='  other: {instance: core, description: "${var.words}"}\nvariables: {words: {}}\n')
    words = "words=of two; touch pwned $(touch pwned)"
    pipeline.run("plan", "--", "--var", words)
    pipeline.run("apply", "--digest", pipeline.digest(), "--", "--var", words)
    assert pipeline.keys.state()["records"]["key.other"]["attributes"]["description"] == words.removeprefix("words=")
    assert list(pipeline.root.rglob("pwned")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "validate, plan, apply or drift?"),
        (["destroy"], "there is no 'destroy'"),
        (["plan", "--auto-approve"], "those of kmsplan come after --"),
        (["plan", "-C"], "-C needs a value"),
        (["apply"], "apply needs --digest, --plan, or both"),
    ],
)
def test_what_is_not_understood_ends_with_64_and_does_nothing(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = subprocess.run([KIT, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, words in done.stderr) == (64, True)
    assert list(tmp_path.iterdir()) == []


def test_its_help_needs_nothing(tmp_path: Path) -> None:
    done = subprocess.run([KIT, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("Usage: kmsplan-ci validate")


def test_a_tracker_that_fails_is_an_error_and_is_asked_again(pipeline: Pipeline) -> None:
    pipeline.run("plan")
    pipeline.run("apply", "--digest", pipeline.digest())
    pipeline.disable()
    assert "the tracker failed, so nobody was told" in pipeline.run("drift", "--tracker", "/bin/false", code=1)
    pipeline.run("drift", "--tracker", "./tracker", code=2)
    assert pipeline.issues() == ["42"]


def test_a_kms_that_cannot_be_read_leaves_the_issue_as_it_is(pipeline: Pipeline) -> None:
    pipeline.run("plan")
    pipeline.run("apply", "--digest", pipeline.digest())
    pipeline.disable()
    pipeline.run("drift", "--tracker", "./tracker", code=2)
    (pipeline.keys.root / "state" / "engine" / "keystore.db").write_bytes(b"nothing that can be read")
    pipeline.run("drift", "--tracker", "./tracker", code=1)
    assert pipeline.issues() == ["42"]
    assert (pipeline.root / "issues" / "calls").read_text() == "open Drift: kmsplan\n"


def test_azure_pipelines_gets_its_remarks_and_its_summary(pipeline: Pipeline) -> None:
    pipeline.run("plan")
    pipeline.run("apply", "--digest", pipeline.digest())
    pipeline.keys.write("kmsplan: 1\n")
    printed = pipeline.run("plan", code=4, TF_BUILD="True")
    assert "##vso[task.logissue type=error" in printed
    assert f"##vso[task.uploadsummary]{pipeline.root}/kmsplan-reports/plan.md\n" in printed


def test_buildkite_gets_an_annotation(pipeline: Pipeline) -> None:
    agent = pipeline.root / "bin" / "buildkite-agent"
    agent.parent.mkdir()
    agent.write_text(f'#!/bin/sh\nprintf "%s " "$@" >{pipeline.root}/said\ncat >>{pipeline.root}/said\n')
    agent.chmod(0o755)
    pipeline.reader = {"PATH": f"{agent.parent}:{Path(KMSPLAN).parent}:/usr/bin:/bin"}
    pipeline.run("plan", "--name", "two words", BUILDKITE="true")
    said = (pipeline.root / "said").read_text()
    assert said == "annotate --context two words-plan " + pipeline.report("plan.md")


def applying(kit: str, digest: str) -> tuple[list[str], dict[str, str]]:
    """The command that a kit applies with, and the variables that it reads."""
    kits = KIT.parents[1]
    environ = {"KMSPLAN_FOLDER": "keys", "REPORTS": "reports", "KMSPLAN_REPORTS": "reports", "KMSPLAN_CHANGES": "true"}
    environ |= {"DIGEST": digest, "KMSPLAN_DIGEST": digest, "KMSPLAN_APPLY_ROLE": "", "GITHUB_STEP_SUMMARY": "summary"}
    match kit:
        case "github":
            steps = load(kits / "github" / "kmsplan.yml")["jobs"]["apply"]["steps"]
            (script,) = [step["run"] for step in steps if step.get("name") == "Apply the reviewed plan"]
        case "gitlab":
            (script,) = load(kits / "gitlab" / ".gitlab-ci.yml")["apply"]["script"]
        case _:
            return [str(KIT), "apply", "-C", "keys", "--digest", digest], {}
    return ["bash", "-e", "-o", "pipefail", "-c", script], environ


@pytest.mark.parametrize("kit", ["shell", "github", "gitlab"])
def test_a_cancelled_pipeline_ends_an_apply_in_good_order(pipeline: Pipeline, kit: str) -> None:
    many = ", ".join(f"k{number}" for number in range(400))
    pipeline.write(keys=f'  "many-${{each.key}}": {{instance: core, for_each: [{many}]}}\n')
    pipeline.run("plan", "--out", "reports")
    command, environ = applying(kit, pipeline.report("plan.digest", "reports").strip())
    printed = pipeline.root / "printed"  # a pipe that nobody reads would hold it up
    with printed.open("w") as output:
        running = subprocess.Popen(
            command,
            cwd=pipeline.root,
            env=pipeline.environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    pipeline.keys.written(20_000)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 9, printed.read_text()
    assert re.search("plan again|Run this workflow|Run a new pipeline", printed.read_text())
    assert 0 < len(re.findall("^key", pipeline.keys.run("state", "list").out, re.MULTILINE)) < 401
