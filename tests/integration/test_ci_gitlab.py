"""The kit for GitLab CI/CD, run by gitlab-ci-local: its own rules, scripts and artifacts, with a server like GitLab."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.forge import installing_nothing
from tests.project import KMSPLAN, Project
from tests.state_server import PASSWORD, USER, StateServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler

ROOT = Path(__file__).parents[2]
KIT = ROOT / "examples" / "ci" / "gitlab" / ".gitlab-ci.yml"
RUNNER = ROOT / "tests" / "pipeline" / "node_modules" / ".bin" / "gitlab-ci-local"
KEYS = """\
kmsplan: 1
state: {{http: {{}}}}
instances:
  core: {{type: software}}
keys:
  orders: {{instance: core, rotation: {rotation}, aliases: [orders]}}
"""
API_TOKEN = "project-token-4711"
MERGE_REQUEST = {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "7",
    "CI_COMMIT_BRANCH": "",
}


@dataclass
class GitLab(StateServer):
    """A project's state, notes and issues."""

    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.address.partition("/projects")[0]

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if "/terraform/state/kmsplan" in handler.path:
            super().answer(handler, body)
            return
        assert handler.headers["PRIVATE-TOKEN"] == API_TOKEN
        answer = json.dumps(self._api(handler.command, handler.path, json.loads(body or b"{}"))).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _api(self, method: str, url: str, given: dict[str, Any]) -> Any:
        split = urlsplit(url)
        query = parse_qs(split.query)
        match method, split.path.removeprefix("/api/v4/projects/7/").split("/"):
            case "GET", ["merge_requests", "12", "notes"]:
                return _page(self.notes, query)
            case "POST", ["merge_requests", "12", "notes"]:
                self.notes.append({"id": len(self.notes), **given})
                return self.notes[-1]
            case "PUT", ["merge_requests", "12", "notes", number]:
                self.notes[int(number)].update(given)
                return self.notes[int(number)]
            case "GET", ["issues"]:
                assert query["labels"] == ["kmsplan-drift"]
                return _page([issue for issue in self.issues if issue["state"] == query["state"][0]], query)
            case "POST", ["issues"]:
                self.issues.append({"iid": len(self.issues), "state": "opened", **given})
                return self.issues[-1]
            case "PUT", ["issues", number]:
                closed = {"state": "closed"} if given.pop("state_event", None) == "close" else {}
                self.issues[int(number)].update(given | closed)
                return self.issues[int(number)]
        raise AssertionError(url)


def _page(rows: list[dict[str, Any]], query: dict[str, list[str]]) -> list[dict[str, Any]]:
    size, number = int(query["per_page"][0]), int(query["page"][0])
    return rows[(number - 1) * size : number * size]


class Repository:
    """A project of GitLab that uses the kit."""

    def __init__(self, root: Path, gitlab: GitLab) -> None:
        self.gitlab = gitlab
        self.bin = root / "bin"
        state = f"{gitlab.url}/projects/7/terraform/state/kmsplan"
        locking = {"LOCK_ADDRESS": f"{state}/lock", "UNLOCK_ADDRESS": f"{state}/lock"}
        locking |= {"LOCK_METHOD": "POST", "UNLOCK_METHOD": "DELETE"}
        environ = {"ADDRESS": state, "USERNAME": USER, "PASSWORD": PASSWORD, **locking}
        self.project = Project(root / "checkout", {f"TF_HTTP_{name}": value for name, value in environ.items()})
        for folder in (self.bin, self.project.root):
            folder.mkdir()
        installing_nothing(self.bin)
        self.write()
        (self.project.root / ".gitlab-ci.yml").write_text(KIT.read_text())
        git: list[str | Path] = [
            "git",
            "-C",
            self.project.root,
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
        ]
        for command in (
            ["init", "--quiet", "--initial-branch=main"],
            ["remote", "add", "origin", "git@gitlab.example.com:acme/keys.git"],
            ["add", "."],
            ["commit", "--quiet", "--message=Keys"],
        ):
            subprocess.run([*git, *command], check=True, capture_output=True)
        self.project.run("state", "init")  # as docs/ci.md says: once, as somebody who may write
        gitlab.requests.clear()

    def write(self, rotation: str = "90d") -> None:
        self.project.write(KEYS.format(rotation=rotation))

    def run(self, *what: str, **variables: str) -> tuple[int, str]:
        """Run jobs, or see with --list which there are; a job that leaves a warning is no failure."""
        given = {
            "CI_PIPELINE_SOURCE": "push",
            "CI_PROJECT_ID": "7",
            "CI_API_V4_URL": self.gitlab.url,
            "CI_JOB_TOKEN": PASSWORD,
            "TF_HTTP_USERNAME": USER,
            "KMSPLAN_ID_TOKEN": "token-of-acme/keys",
            "KMSPLAN_OIDC_PROVIDER": "acs:ram::1:oidc-provider/gitlab",
            "KMSPLAN_READER_ROLE": "acs:ram::1:role/reader",
            "KMSPLAN_APPLY_ROLE": "acs:ram::1:role/apply",
            **variables,
        }
        options = [option for name, value in given.items() for option in ("--variable", f"{name}={value}")]
        done = subprocess.run(
            [RUNNER, *what, "--force-shell-executor", "--no-json-schema-validation", "--color=false", *options],
            cwd=self.project.root,
            env={
                **os.environ,
                "NO_COLOR": "1",
                # Where nothing says what a shell is to do first: with a socket for its input bash reads ~/.bashrc.
                "HOME": str(self.bin.parent),
                "PATH": f"{self.bin}:{Path(KMSPLAN).parent}:/usr/bin:/bin",
                "TMPDIR": str(self.bin.parent),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr

    def jobs(self, **variables: str) -> dict[str, str]:
        """Which jobs a pipeline has, and when each runs."""
        _, listed = self.run("--list", **variables)
        rows = (line.split() for line in listed.splitlines())
        return {row[0]: row[2] for row in rows if row and row[0] in ("validate", "plan", "apply", "drift")}


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    assert RUNNER.exists(), (
        "bash -c '. tests/setup.sh; node_packages tests/pipeline', or tests/run, which does that too"
    )
    gitlab = GitLab(gitlab=True)
    try:
        yield Repository(tmp_path, gitlab)
    finally:
        gitlab.close()


def test_each_pipeline_has_the_jobs_that_it_should(repository: Repository) -> None:
    assert repository.jobs(**MERGE_REQUEST) == {"validate": "on_success", "plan": "on_success"}
    fork = {**MERGE_REQUEST, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "8"}
    assert repository.jobs(**fork) == {"validate": "on_success"}
    assert repository.jobs() == {"plan": "on_success", "apply": "manual"}
    assert repository.jobs(CI_PIPELINE_SOURCE="schedule") == {"drift": "on_success"}


def test_a_merge_request_gets_one_comment_and_its_reports(repository: Repository) -> None:
    code, printed = repository.run("validate", "plan", KMSPLAN_API_TOKEN=API_TOKEN, **MERGE_REQUEST)
    assert code == 0, printed
    reports = repository.project.root / "kmsplan-reports"
    assert json.loads((reports / "tfplan.json").read_text()) == {"create": 3, "update": 0, "delete": 0}
    assert json.loads((reports / "codequality.json").read_text()) == []
    (note,) = repository.gitlab.notes
    assert note["body"].startswith("<!-- kmsplan-ci production plan -->\n")
    assert re.findall("sha256:[0-9a-f]{64}", note["body"])[0] in (reports / "plan.env").read_text()

    repository.write("60d")
    assert repository.run("plan", KMSPLAN_API_TOKEN=API_TOKEN, **MERGE_REQUEST)[0] == 0
    (note,) = repository.gitlab.notes
    body = re.sub("[0-9a-f]{64}", "", note["body"])  # a digest may have any three of its digits beside each other
    assert "60d" in body
    assert "90d" not in body
    assert not any("lock" in path for _, path in repository.gitlab.requests), "a plan takes no lock"


def test_what_was_planned_on_the_default_branch_is_what_is_applied(repository: Repository) -> None:
    assert repository.run("plan")[0] == 0
    code, printed = repository.run("apply")
    assert code == 0, printed
    assert "Apply complete! Resources: 3 added" in printed
    assert repository.gitlab.lock is None
    assert repository.project.run("plan", "--detailed-exitcode").code == 0


def test_a_plan_that_changes_nothing_is_applied_by_doing_nothing(repository: Repository) -> None:
    repository.project.apply()
    locked = repository.gitlab.requests.count(("POST", "/api/v4/projects/7/terraform/state/kmsplan/lock"))
    assert repository.run("plan")[0] == 0
    assert "The plan changes nothing." in repository.run("apply")[1]
    assert repository.gitlab.requests.count(("POST", "/api/v4/projects/7/terraform/state/kmsplan/lock")) == locked


def test_what_moved_since_it_was_planned_is_refused(repository: Repository) -> None:
    repository.run("plan")
    repository.write("30d")
    code, printed = repository.run("apply")
    assert code == 1, printed
    assert "This is not what was reviewed any more." in printed
    assert "FAIL  apply" in printed
    assert repository.project.run("state", "list").out == ""


def test_drift_keeps_one_issue_and_ends_it(repository: Repository) -> None:
    nightly = {"CI_PIPELINE_SOURCE": "schedule", "KMSPLAN_API_TOKEN": API_TOKEN}
    repository.project.apply()
    repository.project.call("DisableKey", "KeyId=alias/orders")
    code, printed = repository.run("drift", **nightly)
    assert (code, "WARN  drift" in printed) == (0, True), printed
    seen = re.findall("first seen .*", repository.gitlab.issues[0]["description"])
    repository.run("drift", **nightly)
    (issue,) = repository.gitlab.issues
    assert re.findall("first seen .*", issue["description"]) == seen != []
    assert (issue["title"], issue["state"], issue["labels"]) == ("Drift: production", "opened", "kmsplan-drift")

    repository.project.call("EnableKey", "KeyId=alias/orders")
    assert "PASS  drift" in repository.run("drift", **nightly)[1]
    (issue,) = repository.gitlab.issues
    assert issue["state"] == "closed"


def test_without_a_token_nobody_is_written_to(repository: Repository) -> None:
    assert repository.run("plan", **MERGE_REQUEST)[0] == 0
    assert all("/terraform/state/" in path for _, path in repository.gitlab.requests)
