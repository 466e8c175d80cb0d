"""Commands in forks of this process, which has imported everything already: the same code, in a tenth of the time."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.project import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

T = TypeVar("T")
Job = TypeVar("Job")


def import_everything() -> None:
    """Import every module that a command may need, but the programs among them and what needs an extra."""
    import kmsplan  # noqa: PLC0415 - one of those

    for module in pkgutil.walk_packages(kmsplan.__path__, "kmsplan."):
        if not module.name.endswith((".worker", "__main__")):
            with suppress(ImportError):
                importlib.import_module(module.name)


@dataclass(frozen=True)
class Place:
    """A configuration folder, the environment of the commands in it, and where their output goes."""

    root: Path
    output: Path
    """Outside of the folder, so that it is no part of what is looked at."""
    environ: dict[str, str] = field(default_factory=dict)

    def enter(self) -> None:
        """Make this process one that was started in the folder, with this environment."""
        os.chdir(self.root)
        os.environ.clear()
        os.environ.update({"PATH": os.defpath, "HOME": str(self.output.parent), "NO_COLOR": "1", **self.environ})

    def program(self, *arguments: str) -> Callable[[], int]:
        """Return `kmsplan ARGUMENTS`, to be called in a fork."""

        def run() -> int:
            from kmsplan.cli.main import run as command  # noqa: PLC0415 - in the fork

            self.enter()
            _redirect(self.output)
            gc.disable()
            code = command(list(arguments))
            sys.stdout.flush()
            sys.stderr.flush()
            return code

        return run

    def run(self, *arguments: str) -> Answer:
        """Run `kmsplan ARGUMENTS`."""
        code = _waited(self.program(*arguments))
        return Answer(code, "", self.said())

    def require(self, *arguments: str) -> None:
        """Run `kmsplan ARGUMENTS`, which must succeed."""
        answer = self.run(*arguments)
        assert answer.code == 0, f"{arguments} ended with {answer.code} in {self.root}\n{answer.text}"

    def said(self) -> str:
        """Return what the last command printed, on both streams; nothing, if none came so far."""
        if not self.output.exists():
            return ""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def ask(self, question: Callable[[], T]) -> T:
        """Return what a function answers that is called in the folder, in a fork."""

        def asked() -> T:
            self.enter()
            return question()

        (answer,) = side_by_side([None], lambda _: asked(), 1)
        return answer


def _redirect(output: Path) -> None:
    """Let standard output and error go to a file, and nothing come in."""
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, source in ((0, nothing), (1, target), (2, target)):
        os.dup2(source, descriptor)
    os.close(target)
    os.close(nothing)


def _waited(program: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = program()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def side_by_side(jobs: Sequence[Job], work: Callable[[Job], T], processes: int) -> Iterator[T]:
    """Do every job in one of so many forks, and return what came of each, in no order.

    Raises:
        RuntimeError: a job raised, with its traceback; or its process ended.
    """
    count = min(processes, len(jobs))
    working = dict(
        _started([jobs[place] for place in range(number, len(jobs), count)], work) for number in range(count)
    )
    while working:
        for connection in [one for one in working if one in wait(list(working))]:
            answer = _received(connection)
            if answer is None:
                os.waitpid(working.pop(connection), 0)
                connection.close()
                continue
            done, value = answer
            if not done:
                raise RuntimeError(value)
            yield value


def _started(jobs: list[Job], work: Callable[[Job], T]) -> tuple[Connection, int]:
    reading, writing = Pipe(duplex=False)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        writing.close()
        return reading, child
    try:
        reading.close()
        for job in jobs:
            writing.send(_done(job, work))
        writing.send(None)
    finally:
        os._exit(0)


def _done(job: Job, work: Callable[[Job], T]) -> tuple[bool, T | str]:
    try:
        return True, work(job)
    except BaseException:  # noqa: BLE001 - the parent shows it
        return False, traceback.format_exc()


def _received(connection: Any) -> Any:
    try:
        return connection.recv()
    except EOFError:
        raise RuntimeError("a process ended before its work was done") from None
