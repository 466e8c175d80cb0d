"""The command line as its users run it: a real process in a real folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.launching import launch

KMSPLAN = str(Path(sys.executable).with_name("kmsplan"))
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")


@dataclass
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """Both streams."""
        return self.out + self.err


@dataclass
class Project:
    """A configuration folder and the environment its commands run in."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, text: str, name: str = "kmsplan.yaml") -> None:
        """Write a configuration file."""
        (self.root / name).write_text(text)

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script in the folder, as somebody would who follows a page; its first failure ends it."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, script + done.stdout + done.stderr
        return done

    def killed_at_rename(self, number: int, *arguments: str) -> None:
        """Run kmsplan, which is killed as its main thread is about to rename for that time; strace counts by thread."""
        killed = subprocess.run(
            [*_traced(f"rename:signal=KILL:when={number}", "/dev/null"), KMSPLAN, *arguments],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL

    def killed_at_flush(self, number: int, *arguments: str) -> None:
        """Run kmsplan, which is killed as a thread is about to flush the journal for that time."""
        killed = self._traced(f"fdatasync:signal=KILL:when={number}", self.journal, *arguments)
        killed.wait(120)
        assert killed.returncode == -signal.SIGKILL, self.printed()

    def standing_at_flush(self, number: int, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
        """Run kmsplan until a thread is about to flush the journal for that time, and there it stands still (SIGSTOP).

        Returns strace, which ends as kmsplan ends, and the process number of kmsplan.
        """
        return self._standing(f"fdatasync:signal=STOP:when={number}", self.journal, *arguments)

    def standing_at_reading(self, name: str, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
        """Run kmsplan until it is about to open a file of the folder, and there it stands still; as above."""
        return self._standing("openat:signal=STOP:when=1", self.root / name, *arguments)

    def _standing(self, inject: str, path: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
        strace = self._traced(inject, path, *arguments)
        while "stopped by SIGSTOP" not in (self.root / "traced").read_text():
            assert strace.poll() is None, self.printed()
            time.sleep(0.01)
        return strace, int(Path(f"/proc/{strace.pid}/task/{strace.pid}/children").read_text().split()[0])

    def _traced(self, inject: str, path: Path, *arguments: str) -> subprocess.Popen[bytes]:
        (self.root / "traced").write_text("")
        with (self.root / "printed").open("wb") as printed:
            return subprocess.Popen(
                [*_traced(inject, "traced", "-P", str(path)), KMSPLAN, *arguments],
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
            )

    @property
    def journal(self) -> Path:
        """Of a run that has not ended."""
        return self.root / "state" / "journal.jsonl"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "NO_COLOR": "1", **self.environ}

    def run(self, *arguments: str, code: int | None = 0, stdin: str = "") -> Answer:
        """Run `kmsplan ARGUMENTS`; its exit code must be `code`, and no traceback may show."""
        done = launch([KMSPLAN, *arguments], self.root, self.environment(), stdin, timeout=120)
        answer = Answer(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in answer.text, answer.text
        if code is not None:
            assert answer.code == code, f"{arguments} ended with {answer.code}\n{answer.text}"
        return answer

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `kmsplan ARGUMENTS` and leave it running."""
        return subprocess.Popen(
            [KMSPLAN, *arguments],
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def background(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `kmsplan ARGUMENTS`; its output is in the file `printed`, for a pipe that nobody reads holds it up."""
        with (self.root / "printed").open("wb") as printed:
            return subprocess.Popen(
                [KMSPLAN, *arguments],
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
            )

    def written(self, size: int) -> None:
        """Wait until the journal of a running apply has so many bytes."""
        for _ in range(12_000):
            if self.journal.exists() and self.journal.stat().st_size >= size:
                return
            time.sleep(0.005)
        raise AssertionError(self.printed())

    def printed(self) -> str:
        """What the command that was started last has printed."""
        return (self.root / "printed").read_text()

    def apply(self, *arguments: str, code: int = 0) -> Answer:
        """Run `kmsplan apply --auto-approve`."""
        return self.run("apply", "--auto-approve", *arguments, code=code)

    def call(self, operation: str, *parameters: str) -> str:
        """Change something behind kmsplan's back."""
        return self.run("engine", "call", operation, *parameters).out.strip()

    def state(self) -> Any:
        """The recorded state."""
        return json.loads((self.root / "state" / "kmsplan.state.json").read_text())

    def identity(self, address: str) -> str:
        """The recorded identity of an address."""
        return str(self.state()["records"][address]["identity"])


BASIC = """\
kmsplan: 1
instances:
  core: {type: software}
keys:
  orders: {instance: core, rotation: 90d, aliases: [orders], tags: {team: payments}}
  signer: {instance: core, spec: EC_P256, deletion_protection: false}
"""


def _traced(inject: str, log: str, *options: str) -> list[str]:
    """What stands before a command that something happens to at a call to the system; strace counts by thread."""
    call = inject.partition(":")[0]
    command = ["strace", "-f", "-qq", "-o", log, "-e", f"trace={call}", "-e", f"inject={inject}"]
    return [*command, *options]


def init_token(project: Project, label: str) -> None:
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", "4711-0815"],
        env=project.environment(),
        check=True,
        capture_output=True,
    )


def normalise(text: str) -> str:
    """Replace ids, digests, times, durations and whoever runs it, which differ at every run or machine."""
    text = re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", text)
    text = re.sub(r"request [0-9a-f]{32}", f"request {'0' * 32}", text)
    text = re.sub(r"# by \S+@\S+ at ", "# by ada@desk at ", text)
    text = re.sub(r"key-[a-z0-9]{21}", "key-000000000000000000000", text)
    text = re.sub(r"kst-[a-z0-9]{21}", "kst-000000000000000000000", text)
    text = re.sub(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)", "2026-01-01T00:00:00Z", text)
    return re.sub(r"\d+\.\d+ ?s\b", "0.0s", text)
