"""What takes time and is not what is tried, made short: stretching a passphrase, waiting, starting Python."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from threading import Lock
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, Final

from kmsplan.engine import rotation, sealing
from kmsplan.engine.backup import container
from kmsplan.engine.hsm import client, worker
from kmsplan.kms import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import NoReturn

_WORKER: Final = ["-P", "-m", worker.__name__]


def hasten() -> None:
    """Make it short in this process and its forks."""
    sealing.ARGON2ID.update(iterations=1, memory_kib=64)
    passphrase, file = sealing.PassphraseSeal.kind, sealing.FileSeal.kind
    _set(container, "_PARAMETERS", {passphrase: {**sealing.ARGON2ID, "salt": None}, file: {}})
    _set(rotation, "_CHUNK", 2)  # several transactions for a few keys
    _set(backoff, "FIRST_DELAY", 0.02)
    with suppress(ImportError):  # of an extra
        from kmsplan.engine.hsm import driver, handling, opening  # noqa: F401, PLC0415 - a worker's
    with suppress(ImportError):
        from kmsplan.engine.keystore.postgres import connection  # noqa: PLC0415 - as above

        _set(connection, "SETTLE_SECONDS", 1.0)
    _set(client, "subprocess", SimpleNamespace(**(vars(subprocess) | {"Popen": ForkedWorker})))


def _set(module: object, name: str, value: object) -> None:
    setattr(module, name, value)


class ForkedWorker(subprocess.Popen[bytes]):
    """An HSM worker that is a fork of its client, and not another Python: it does the same from there on."""

    def __init__(
        self, command: list[str], *, pass_fds: list[int], stderr: IO[bytes], env: Mapping[str, str], **_: Any
    ) -> None:
        options = command[1:4]
        assert options == _WORKER, command
        self.args, self.returncode = command, None
        self.stdin = self.stdout = self.stderr = None
        self._waitpid_lock, self._child_created, self._sigint_wait_secs = Lock(), True, 0.25

        def work() -> None:
            os.setpgid(0, 0)
            os.environ.clear()
            os.environ.update(env)
            sys.argv = ["worker", *command[4:]]
            worker.main()

        self.pid = forked(work, {0: None, 1: None, 2: stderr.fileno()}, pass_fds)


def forked(program: Callable[[], object], standard: Mapping[int, int | None], kept: Iterable[int] = ()) -> int:
    """Call a program in a fork that has these files open and no others; return its process.

    Args:
        program: what the fork does; it ends with it.
        standard: descriptor there -> descriptor here; None is nothing.
        kept: descriptors that it has under the same numbers.
    """
    child = os.fork()
    return child or _be(program, standard, kept)


def _be(program: Callable[[], object], standard: Mapping[int, int | None], kept: Iterable[int]) -> NoReturn:
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor, source in standard.items():
            os.dup2(nothing if source is None else source, descriptor)
        bounds = [*sorted({*standard, *kept}), os.sysconf("SC_OPEN_MAX")]
        for number, descriptor in enumerate(bounds[:-1]):
            os.closerange(descriptor + 1, bounds[number + 1])
        program()
        code = 0
    finally:
        os._exit(code)
