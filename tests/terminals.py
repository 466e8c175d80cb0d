"""kmsplan on a terminal: a process that sees one, and everything that it shows there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.project import KMSPLAN

if TYPE_CHECKING:
    from tests.project import Project

_MARKS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Shown:
    """What a command did, and all that came to the terminal."""

    code: int
    screen: str

    @property
    def plain(self) -> str:
        """Without colours and movements, and as if the terminal were as wide as need be."""
        return _MARKS.sub("", self.screen).replace("\r\n", "\n")


def on_terminal(project: Project, *arguments: str, columns: int = 80, **environ: str) -> Shown:
    """Run `kmsplan ARGUMENTS` with a terminal as all of its streams; nobody types there."""
    control, device = pty.openpty()
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**project.environment(), "TERM": "xterm-256color", **environ}
    if "NO_COLOR" not in environ:
        del environment["NO_COLOR"]
    process = subprocess.Popen(
        [KMSPLAN, *arguments],
        cwd=project.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=device,
        stderr=device,
        start_new_session=True,
    )
    os.close(device)
    screen = b""
    with contextlib.suppress(OSError):  # Linux: the other end is closed
        while part := os.read(control, 65536):
            screen += part
    os.close(control)
    return Shown(process.wait(timeout=60), screen.decode())
