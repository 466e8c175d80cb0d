"""The kit for GitHub Actions, run: every job's own steps, with the permissions that the job has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.forge import Expressions
from tests.project import Project
from tests.workflow import Event, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.workflow import Job

KIT = Path(__file__).parents[2] / "examples" / "ci" / "github" / "kmsplan.yml"
KEYS = """\
kmsplan: 1
instances:
  core: {{type: software}}
keys:
  orders: {{instance: core, rotation: {rotation}, aliases: [orders], deletion_protection: {protection}}}
"""
SAME: dict[str, Any] = {"head": {"repo": {"full_name": "acme/keys"}}, "number": 12}
FORK: dict[str, Any] = {"head": {"repo": {"full_name": "mallory/keys"}}, "number": 13}
NIGHT = Event("schedule")


@pytest.fixture(scope="module")
def expressions() -> Iterator[Expressions]:
    with Expressions() as library:
        yield library


class Repository:
    """A repository that uses the kit, its KMS and its state."""

    def __init__(self, root: Path, expressions: Expressions) -> None:
        (root / "checkout").mkdir()
        self.project = Project(root / "checkout")
        self.service = Service(root / "service", root / "checkout", expressions)
        self.write()

    def write(self, rotation: str = "90d", *, more: str = "", protection: str = "true") -> None:
        self.project.write(KEYS.format(rotation=rotation, protection=protection) + more)

    def pull_request(self, pull: dict[str, Any] = SAME, head: str = "beef") -> dict[str, Job]:
        """Run the kit for a pull request, and note the run."""
        event = Event("pull_request", f"refs/pull/{pull['number']}/merge", payload={"pull_request": pull})
        jobs = self.service.run(KIT, event)
        world = self.service.world()
        run = {"id": self.service.runs, "head_sha": head, "head_repository": pull["head"]["repo"]}
        self.service.save({**world, "runs": [run, *world["runs"]]})
        return jobs

    def merge(self, pull: dict[str, Any] = SAME, head: str = "beef") -> dict[str, Job]:
        """Merge a pull request, and run the kit for what that pushes."""
        world = self.service.world()
        merged = {"merged_at": "2026-11-01", "head": {"sha": head, **pull["head"]}}
        self.service.save({**world, "pulls": {"c0ffee": [merged]}})
        return self.service.run(KIT, Event("push"))

    def by_hand(self, digest: str = "") -> dict[str, Job]:
        return self.service.run(KIT, Event("workflow_dispatch", inputs={"digest": digest}))

    def comments(self) -> list[str]:
        return [comment["body"] for comment in self.service.world()["comments"]]

    def issues(self) -> list[dict[str, Any]]:
        issues: list[dict[str, Any]] = self.service.world()["issues"]
        return issues

    def records(self) -> Any:
        """What is recorded; nothing where there is no state yet."""
        return self.project.state()["records"] if (self.project.root / "state" / "kmsplan.state.json").exists() else {}

    def digest(self) -> str:
        """Of the plan that the last run kept."""
        kept = self.service.home / "artifacts" / str(self.service.runs) / "kmsplan-plan" / "plan.values"
        return str(re.findall("^digest=(.*)$", kept.read_text(), re.MULTILINE)[0])


@pytest.fixture
def repository(tmp_path: Path, expressions: Expressions) -> Repository:
    return Repository(tmp_path, expressions)


def results(jobs: dict[str, Job]) -> dict[str, str]:
    return {name: job.result for name, job in jobs.items() if job.result != "skipped"}


def test_a_merged_pull_request_is_applied_as_it_was_reviewed(repository: Repository) -> None:
    jobs = repository.pull_request()
    assert results(jobs) == dict.fromkeys(("validate", "plan", "comment"), "success"), jobs
    assert "3 to add" in jobs["plan"].summary
    (comment,) = repository.comments()
    assert comment.startswith("<!-- kmsplan-ci production plan -->\n")
    assert repository.digest() in comment

    jobs = repository.merge()
    assert results(jobs) == {"reviewed": "success", "apply": "success"}, jobs
    assert jobs["reviewed"].outputs["digest"] in comment
    assert "Apply complete! Resources: 3 added" in jobs["apply"].log
    assert "3 added" in jobs["apply"].summary
    assert repository.project.run("plan", "--detailed-exitcode").code == 0


def test_a_later_push_to_a_pull_request_edits_its_comment(repository: Repository) -> None:
    repository.pull_request()
    (first,) = repository.comments()
    repository.write("60d")
    repository.pull_request()
    (second,) = repository.comments()
    assert "90d" in first
    assert "90d" not in re.sub("[0-9a-f]{64}", "", second)  # a digest may have these digits by chance
    assert "60d" in second


def test_a_comment_of_somebody_else_is_never_edited(repository: Repository) -> None:
    world = repository.service.world()
    forged = {"id": 1, "number": 1, "issue": "12", "user": {"login": "mallory"}}
    forged["body"] = "<!-- kmsplan-ci production plan -->\nNothing to see"
    repository.service.save({**world, "comments": [forged]})
    repository.pull_request()
    untouched, ours = repository.comments()
    assert untouched.endswith("\nNothing to see")
    assert "3 to add" in ours


def test_a_fork_is_validated_and_gets_nothing_more(repository: Repository) -> None:
    jobs = repository.pull_request(FORK)
    assert results(jobs) == {"validate": "success"}
    assert repository.comments() == []


def test_what_a_fork_left_behind_is_nobodys_review(repository: Repository) -> None:
    repository.pull_request()  # of this repository, so that a plan is there
    world = repository.service.world()
    for run in world["runs"]:
        run["head_repository"] = FORK["head"]["repo"]
    repository.service.save(world)
    jobs = repository.merge()
    assert results(jobs) == {"reviewed": "failure"}
    assert "Its pull request was never planned. Run this workflow by hand to plan" in jobs["reviewed"].log
    assert results(repository.merge(FORK)) == {"reviewed": "failure"}


def test_a_push_without_a_pull_request_applies_nothing(repository: Repository) -> None:
    jobs = repository.service.run(KIT, Event("push"))
    assert results(jobs) == {"reviewed": "failure"}
    assert "No pull request of this repository was merged" in jobs["reviewed"].log


def test_a_pull_request_that_changes_nothing_asks_nobody_for_an_approval(repository: Repository) -> None:
    repository.project.apply()
    jobs = repository.pull_request()
    assert "No changes" in repository.comments()[0]
    jobs = repository.merge()
    assert results(jobs) == {"reviewed": "success"}


def test_what_moved_after_the_review_is_refused_until_it_is_reviewed_again(repository: Repository) -> None:
    repository.pull_request()
    repository.write("30d")  # another merge came first
    jobs = repository.merge()
    assert results(jobs) == {"reviewed": "success", "apply": "failure"}
    assert "::error title=kmsplan apply ended with 7::This is not what was reviewed any more." in jobs["apply"].log
    assert repository.records() == {}

    assert results(repository.by_hand()) == {"plan": "success"}
    assert results(repository.by_hand(repository.digest())) == {"apply": "success"}
    assert repository.project.run("plan", "--detailed-exitcode").code == 0


def test_a_plan_that_a_rule_refuses_fails_and_the_comment_says_why(repository: Repository) -> None:
    repository.project.apply()
    repository.project.write("kmsplan: 1\ninstances: {core: {type: software}}\n")
    jobs = repository.pull_request()
    assert results(jobs) == {"validate": "success", "plan": "failure", "comment": "success"}
    (comment,) = repository.comments()
    assert "**Held back.**" in comment
    assert "::error " in jobs["plan"].log
    assert results(repository.merge()) == {"reviewed": "success", "apply": "failure"}


def test_a_configuration_that_is_wrong_leaves_no_old_plan_in_the_comment(repository: Repository) -> None:
    repository.pull_request()
    repository.project.write("kmsplan: 1\nkeys: {orders: {instance: nowhere}}\n")
    jobs = repository.pull_request()
    assert results(jobs) == {"validate": "failure", "plan": "failure", "comment": "success"}
    (comment,) = repository.comments()
    assert "nothing could be planned" in comment


def test_code_scanning_gets_what_was_reported_where_it_is_wanted(repository: Repository) -> None:
    repository.service.variables["KMSPLAN_CODE_SCANNING"] = "true"
    jobs = repository.pull_request()
    assert jobs["code-scanning"].result == "success", jobs["code-scanning"].log
    repository.project.write("kmsplan: 1\nkeys: {orders: {instance: nowhere}}\n")
    assert repository.pull_request()["code-scanning"].result == "skipped", "there is nothing to be scanned"


def test_drift_keeps_one_issue_and_ends_it(repository: Repository) -> None:
    repository.project.apply()
    assert results(repository.service.run(KIT, NIGHT)) == {"drift": "success", "issue": "success"}
    assert repository.issues() == []

    repository.project.call("DisableKey", "KeyId=alias/orders")
    repository.service.run(KIT, NIGHT)
    (issue,) = repository.issues()
    assert (issue["title"], issue["state"], issue["labels"]) == ("Drift: production", "open", ["kmsplan-drift"])
    seen = re.findall("first seen (.*)", issue["body"])
    assert len(seen) == 1

    jobs = repository.service.run(KIT, NIGHT)
    (issue,) = repository.issues()
    assert re.findall("first seen (.*)", issue["body"]) == seen, "the memory is kept from night to night"
    assert "1 changed" in jobs["drift"].summary

    repository.by_hand()
    repository.by_hand(repository.digest())
    repository.service.run(KIT, NIGHT)
    (issue,) = repository.issues()
    assert issue["state"] == "closed"
    assert "No drift" in issue["body"]


def test_a_night_on_which_the_kms_cannot_be_read_leaves_the_issue_as_it_is(repository: Repository) -> None:
    repository.project.apply()
    repository.project.call("DisableKey", "KeyId=alias/orders")
    repository.service.run(KIT, NIGHT)
    before = repository.issues()
    (repository.project.root / "state" / "engine" / "keystore.db").write_bytes(b"nothing that can be read")
    assert results(repository.service.run(KIT, NIGHT)) == {"drift": "failure"}
    assert repository.issues() == before


@pytest.mark.parametrize(
    "digest", ['"; touch pwned; "', "$(touch pwned)", "--auto-approve", f"sha256:{'0' * 64}"], ids=range(4)
)
def test_a_digest_that_was_not_reviewed_does_nothing(repository: Repository, digest: str) -> None:
    jobs = repository.by_hand(digest)
    assert results(jobs) == {"apply": "failure"}
    assert not (repository.project.root / "pwned").exists()
    assert repository.records() == {}


def test_signatures_come_with_the_pull_request(repository: Repository) -> None:
    project = repository.project
    entry = project.run("plan", "keygen", "ada.pem", "--name", "ada").out
    project.write(entry, "ops.trusted.yaml")
    repository.write(more="approval: {signatures: 1, trusted: ops.trusted.yaml}\n")
    repository.pull_request()
    digest = repository.digest()
    jobs = repository.merge()
    assert "::error title=kmsplan apply ended with 5::" in jobs["apply"].log

    kept = repository.service.home / "artifacts" / "1" / "kmsplan-plan" / "plan.kmsplan"
    signed = project.root / "approvals" / f"{digest.removeprefix('sha256:')}.plan"
    signed.parent.mkdir()
    signed.write_bytes(kept.read_bytes())
    project.run("plan", "sign", str(signed), "--key", "ada.pem", "--name", "ada", "--digest", digest)
    repository.pull_request()
    assert repository.digest() == digest, "a signature does not change what it is for"
    jobs = repository.merge()
    assert results(jobs) == {"reviewed": "success", "apply": "success"}, jobs["apply"].log


def test_a_token_goes_into_a_file_that_its_job_alone_can_read(repository: Repository) -> None:
    jobs = repository.service.run(KIT, Event("workflow_dispatch", inputs={"digest": ""}), keep=("plan",))
    assert results(jobs) == {"plan": "success"}
    token = repository.service.home / "temp" / "oidc-token"
    assert token.read_text() == "token-of-acme/keys\n"
    assert token.stat().st_mode & 0o777 == 0o600
    assert "token-of" not in jobs["plan"].log
