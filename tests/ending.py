"""What a test that fails leaves running ends with it: it would be a warning later, and so a failure, of another."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def failing_alone() -> Iterator[None]:
    """Note what is started meanwhile, and end it, by its own number, where this ends with an error."""
    started = WeakSet[subprocess.Popen[Any]]()
    start = subprocess.Popen.__init__

    def noted(self: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        start(self, *arguments, **options)
        started.add(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", noted)
        try:
            yield
        except BaseException:
            for process in started:
                end(process)
            raise


def forget_failure() -> None:
    """Let go of what the traceback of a failed test holds: its open files and sockets are no other test's fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for name in ("last_type", "last_value", "last_traceback"):
            vars(sys).pop(name, None)
        gc.collect()


def end(process: subprocess.Popen[Any]) -> None:
    """End a process and close the pipes to it, whether it runs or not."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was still to be written, and nobody is there to read
                pipe.close()
