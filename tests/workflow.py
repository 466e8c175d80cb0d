"""A workflow of GitHub Actions, run on this machine: its own expressions, its own shell, its jobs' permissions.

What the services do is stood in for: `gh` is tests/fake/gh.py, artifacts and caches are folders, a token is told by a
server that wants the right audience. Steps that use another action than those below fail.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.forge import PIPELINE, SECRET, Tokens, installing_nothing, load
from tests.project import KMSPLAN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.forge import Expressions

STATUS = re.compile(r"\b(always|success|failure|cancelled)\(\)")


@dataclass
class Job:
    """What became of a job."""

    result: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass
class Event:
    """What starts a run."""

    name: str
    ref: str = "refs/heads/main"
    sha: str = "c0ffee"
    payload: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass
class Service:
    """What GitHub keeps for a repository, and who its jobs become."""

    home: Path
    """Of artifacts, caches and the world of `gh`."""
    checkout: Path
    expressions: Expressions
    environ: Callable[[Mapping[str, Any]], Mapping[str, str]] = lambda _: {}
    """By job: what its identity makes of its environment."""
    variables: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        (self.home / "bin").mkdir(parents=True)
        (self.home / "bin" / "gh").symlink_to(PIPELINE.parent / "fake" / "gh.py")
        installing_nothing(self.home / "bin")
        self.save({"comments": [], "issues": [], "pulls": {}, "runs": []})

    def world(self) -> Any:
        return json.loads((self.home / "world.json").read_text())

    def save(self, world: Any) -> None:
        (self.home / "world.json").write_text(json.dumps(world))

    def run(self, path: Path, event: Event, keep: tuple[str, ...] = ()) -> dict[str, Job]:
        """Run a workflow; the jobs by id."""
        self.runs += 1
        with Tokens() as url:
            return _Run(self, load(path), event, url, f"{self.runs}").jobs(keep)


class _Run:
    """One run of a workflow."""

    def __init__(self, service: Service, workflow: Any, event: Event, tokens: str, number: str) -> None:
        self._service, self._workflow, self._event, self._tokens, self._number = (
            service, workflow, event, tokens, number,
        )  # fmt: skip
        self._artifacts = service.home / "artifacts" / number
        self._github = {
            "event_name": event.name,
            "event": event.payload,
            "ref": event.ref,
            "repository": "acme/keys",
            "server_url": "https://github.example.com",
            "run_id": number,
            "token": "token-of-the-job",
        }

    def jobs(self, keep: tuple[str, ...]) -> dict[str, Job]:
        done: dict[str, Job] = {}
        for name, job in self._workflow["jobs"].items():
            if not keep or name in keep:
                done[name] = self._job(job, {need: done.get(need, Job()) for need in _list(job.get("needs"))})
        return done

    def _job(self, job: Any, needs: Mapping[str, Job]) -> Job:
        contexts = {
            "github": self._github,
            "inputs": self._event.inputs,
            "vars": self._service.variables,
            "secrets": {},
            "needs": {name: {"result": need.result, "outputs": need.outputs} for name, need in needs.items()},
        }
        good = all(need.result == "success" for need in needs.values())
        failed = any(need.result == "failure" for need in needs.values())
        if not self._wanted(job, contexts, success=good, failure=failed, cancelled=False):
            return Job()
        return _Steps(self, job, contexts).run()

    def _wanted(self, what: Any, contexts: Mapping[str, Any], **status: bool) -> bool:
        condition = str(what.get("if", "success()"))
        if not STATUS.search(condition):
            condition = f"success() && ({condition})"
        return bool(self._service.expressions.value(condition, contexts, **status))


class _Steps:
    """The steps of one job."""

    def __init__(self, run: _Run, job: Any, contexts: dict[str, Any]) -> None:
        self._run, self._definition, self._service = run, job, run._service
        self._temporary = self._service.home / "temp"
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        self._job = Job("success")
        self._after: list[Callable[[], object]] = []
        self._contexts = {
            **contexts,
            "runner": {"temp": str(self._temporary)},
            "steps": {},
            "env": dict(run._workflow.get("env", {})),
        }
        self._contexts["env"] |= self._filled(job.get("env", {}))

    def run(self) -> Job:
        for step in self._definition["steps"]:
            status = {"success": self._job.result == "success", "failure": self._job.result == "failure"}
            if self._run._wanted(step, self._contexts, **status, cancelled=False):
                self._step(step)
        for last in self._after:
            last()
        outputs = self._definition.get("outputs", {})
        self._job.outputs = self._filled(outputs)
        return self._job

    def _filled(self, values: Mapping[str, Any]) -> dict[str, str]:
        return {name: self._service.expressions.fill(value, self._contexts) for name, value in values.items()}

    def _step(self, step: Any) -> None:
        try:
            if "run" in step:
                assert "${{" not in step["run"]
                self._shell(step)
            else:
                self._action(step["uses"].partition("@")[0], self._filled(step.get("with", {})))
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            self._job.log += f"{error}\n"
            if not step.get("continue-on-error"):
                self._job.result = "failure"

    def _shell(self, step: Any) -> None:
        output, summary, script = (self._temporary / f"_{name}" for name in ("output", "summary", "script"))
        output.write_text("")
        summary.touch()
        script.write_text(step["run"])
        command: list[str | Path] = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script]
        environ = self._environment(step) | {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
        done = subprocess.run(
            command, cwd=self._service.checkout, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        self._job.log += done.stdout + done.stderr
        self._job.summary = summary.read_text()
        assert "Traceback" not in done.stderr, done.stderr
        lines = (line.partition("=") for line in output.read_text().splitlines())
        self._contexts["steps"][step.get("id", "")] = {"outputs": {name: value for name, _, value in lines}}
        done.check_returncode()

    def _environment(self, step: Any) -> dict[str, str]:
        permissions = self._definition["permissions"]
        given = {
            "PATH": f"{self._service.home / 'bin'}:{Path(KMSPLAN).parent}:/usr/bin:/bin",
            "HOME": str(self._service.home),
            "NO_COLOR": "1",
            "CI": "true",
            "GITHUB_REPOSITORY": "acme/keys",
            "GITHUB_SHA": self._run._event.sha,
            "GITHUB_WORKFLOW_REF": "acme/keys/.github/workflows/kmsplan.yml@refs/heads/main",
            "GITHUB_WORKSPACE": str(self._service.checkout),
            "GH_WORLD": str(self._service.home),
            "GH_PERMISSIONS": json.dumps(permissions),
        }
        if permissions.get("id-token") == "write":
            given |= {"ACTIONS_ID_TOKEN_REQUEST_URL": self._run._tokens, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": SECRET}
        values = {
            name: self._service.expressions.fill(value, self._contexts) for name, value in step.get("env", {}).items()
        }
        environ = given | {name: str(value) for name, value in self._contexts["env"].items()} | values
        return {**os.environ, **environ, **self._service.environ(self._definition)}

    def _action(self, name: str, given: Mapping[str, str]) -> None:
        match name:
            case "actions/checkout" | "actions/setup-python":
                pass
            case "actions/upload-artifact":
                shutil.copytree(given["path"], self._run._artifacts / given["name"], dirs_exist_ok=True)
            case "actions/download-artifact":
                shutil.copytree(self._run._artifacts / given["name"], given["path"], dirs_exist_ok=True)
            case "actions/cache":
                self._cache(self._service.checkout / given["path"], given["key"], given["restore-keys"])
            case "github/codeql-action/upload-sarif":
                json.loads(Path(given["sarif_file"]).read_text())
            case _:
                raise AssertionError(f"{name} is not stood in for")

    def _cache(self, path: Path, key: str, prefix: str) -> None:
        caches = self._service.home / "caches"
        kept = sorted(caches.glob(f"{prefix}*"), key=lambda one: int(one.name.rpartition("-")[2]))
        if kept:
            shutil.copytree(kept[-1], path, dirs_exist_ok=True)

        def save() -> None:
            if self._job.result == "success":
                shutil.copytree(path, caches / key)
            shutil.rmtree(path, ignore_errors=True)

        self._after.append(save)


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value
