"""A SoftHSM2 token in a folder of its own, for tests that need a real one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
from kmsplan.kms.secret import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
LABEL = "test"
PIN = "4711-0815"
_OPEN = """
import os, sys, pkcs11
from pkcs11 import Attribute, KeyType, ObjectClass
session = pkcs11.lib({module!r}).get_token(token_label={label!r}).open(rw=True, user_pin={pin!r})
"""


@dataclass
class SoftHsm:
    """A token labelled `test`; workers find it through SOFTHSM2_CONF in the environment."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
        """Initialise the token and point the environment to it."""
        assert Path(MODULE).exists(), "install softhsm2: apt-get install softhsm2 (tests/run does)"
        token = cls(folder)
        token.tokens.mkdir()
        configuration = folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {token.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
        token.initialise(LABEL)
        return token

    @property
    def tokens(self) -> Path:
        """The folder that holds the token's store."""
        return self.folder / "tokens"

    def initialise(self, label: str) -> None:
        """Make one more token."""
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN]
        subprocess.run(command, check=True, capture_output=True)

    def protection(self, *, pin: str = PIN, clock: Callable[[], float] = time.monotonic) -> Pkcs11Protection:
        """Return a backend on the token."""
        return Pkcs11Protection(MODULE, LABEL, lambda: SecretBytes(pin.encode()), clock=clock)

    def take_away(self) -> None:
        """Remove the store, as an unmounted volume would."""
        self.tokens.rename(self.folder / "elsewhere")
        self.tokens.mkdir()

    def put_back(self) -> None:
        """Mount it again."""
        self.tokens.rmdir()
        (self.folder / "elsewhere").rename(self.tokens)

    def behind_our_back(self, script: str, *arguments: str) -> str:
        """Run Python with an open `session` in another process, and return what it prints."""
        code = _OPEN.format(module=MODULE, label=LABEL, pin=PIN) + script
        done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
        return done.stdout

    def destroy(self, reference: bytes, object_class: str | None = None) -> None:
        """Destroy objects of a reference without kmsplan."""
        script = (
            "for found in list(session.get_objects({Attribute.ID: bytes.fromhex(sys.argv[1])})):\n"
            "    if sys.argv[2] in ('', found.object_class.name): found.destroy()\n"
        )
        self.behind_our_back(script, reference.hex(), object_class or "")


def ended(pid: int, within: float = 60.0) -> bool:
    """Say whether a process ends in time; one that nobody has waited for yet has ended too."""
    deadline = time.monotonic() + within
    while _running(pid):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def pause(pid: int) -> None:
    """Stop a process, and return once each of its threads stands: a signal takes its time, a call may be quicker."""
    os.kill(pid, signal.SIGSTOP)
    while any(_state(path) not in "TZ" for path in Path(f"/proc/{pid}/task").glob("*/stat")):
        time.sleep(0.001)


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def _running(pid: int) -> bool:
    return _state(Path(f"/proc/{pid}/stat")) != "Z"


def random_reference() -> bytes:
    """Return a reference that no key has."""
    return os.urandom(16)
