"""Hardware keys: the raw rate of a SoftHSM2 token, and what the engine's backend leaves of it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kmsplan.engine.protection.pkcs11 import Pkcs11Protection
from kmsplan.engine.protection.protocol import Encrypter, Signer
from kmsplan.kms.secret import SecretBytes
from kmsplan.kms.spec import KeySpec, KeyUsage
from kmsplan.server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MODULE: Final = "/usr/lib/softhsm/libsofthsm2.so"
LABEL: Final = "benchmark"
PIN: Final = "4711-0815"
THREADS: Final = (1, 2, 8, 32, Limits().threads)
"""Each side is given the number that suits it best; a server has the last for what takes its time."""
_SECONDS: Final = 2.0
_DATA: Final = bytes(range(32))
_PARALLEL: Final = 2
"""Processors: as many processes, of two threads each, are the most that raw calls can use."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with one kind of key."""

    name: str
    spec: KeySpec
    usage: KeyUsage
    algorithm: str


WORKS: Final = (
    Work("encrypt 32 bytes, AES-256", KeySpec.AES_256, KeyUsage.ENCRYPT, "AES_GCM"),
    Work("sign, P-256", KeySpec.EC_P256, KeyUsage.SIGN, "ECDSA_SHA_256"),
    Work("sign, RSA-2048 PSS", KeySpec.RSA_2048, KeyUsage.SIGN, "RSA_PSS_SHA_256"),
    Work("sign, RSA-3072 PSS", KeySpec.RSA_3072, KeyUsage.SIGN, "RSA_PSS_SHA_256"),
)

# Raw calls: the binding on a module initialised for threads, a session for each thread, no kmsplan process between.
_RAW: Final = """
import sys, time, threading
from pkcs11 import Attribute, Mechanism, ObjectClass
from kmsplan.engine.hsm.cryptoki import Library
from kmsplan.engine.hsm.mechanism import SIGNING
module, label, pin, reference, algorithm, threads, seconds = sys.argv[1:]
token = Library(module).get_token(token_label=label)
main = token.open(user_pin=pin)
data, counts = bytes(range(32)), [0] * int(threads)
go, end = threading.Event(), time.monotonic() + 0.3 + float(seconds)
kind = ObjectClass.SECRET_KEY if algorithm == "AES_GCM" else ObjectClass.PRIVATE_KEY
def run(number):
    session = token.open()
    (key,) = session.get_objects({Attribute.ID: bytes.fromhex(reference), Attribute.CLASS: kind})
    if algorithm == "AES_GCM":
        from pkcs11 import GCMParams
        def one():
            iv = session.generate_random(96)
            key.encrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(iv, b"aad"))
    else:
        mechanism, parameter, prefix = SIGNING[algorithm]
        def one():
            key.sign(prefix + data, mechanism=mechanism, mechanism_param=parameter)
    one()
    go.wait()
    while time.monotonic() < end:
        one()
        counts[number] += 1
running = [threading.Thread(target=run, args=(number,)) for number in range(int(threads))]
for thread in running: thread.start()
time.sleep(0.3)
begun = time.monotonic()
go.set()
for thread in running: thread.join()
print(sum(counts) / (time.monotonic() - begun))
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """One line: calls a second, medians of several turns."""

    name: str
    raw: float
    """Of one process, as the HSM worker is one."""
    raw_most: float
    """Of two processes."""
    backend: float
    ratio: float
    """What is left of the raw rate of one process, turn by turn: the machine is not equally fast in all of them."""


def compare(root: Path, environ: Mapping[str, str], turns: int) -> list[Compared]:
    """Measure raw calls and the engine's backend on the same keys of the same token, in turn."""
    os.environ["SOFTHSM2_CONF"] = environ["SOFTHSM2_CONF"]
    protection = Pkcs11Protection(MODULE, LABEL, lambda: SecretBytes(PIN.encode()))
    protection.prepare()
    try:
        return [_line(protection, work, root, environ, turns) for work in WORKS]
    finally:
        protection.close()


def make_token(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Initialise a SoftHSM2 token; return the environment in which it is found."""
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    made = {**environ, "SOFTHSM2_CONF": str(configuration)}
    command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN]
    subprocess.run(command, check=True, capture_output=True, env=made)
    return made


def _line(protection: Pkcs11Protection, work: Work, root: Path, environ: Mapping[str, str], turns: int) -> Compared:
    reference = os.urandom(16)
    protection.generate(work.spec, work.usage, reference)
    handle = protection.open(work.spec, reference, None)
    if isinstance(handle, Encrypter):
        encrypter = handle

        def once() -> object:
            return encrypter.encrypt(_DATA, b"aad")
    else:
        assert isinstance(handle, Signer)
        signer = handle

        def once() -> object:
            return signer.sign(work.algorithm, _DATA)

    taken = [
        (
            max(_raw(root, environ, work, reference, threads) for threads in THREADS),
            _raw_in_parallel(root, environ, work, reference),
            max(_rate(once, threads) for threads in THREADS),
        )
        for _ in range(turns)
    ]
    raw, most, backend = (statistics.median(turn[side] for turn in taken) for side in range(3))
    return Compared(work.name, raw, most, backend, statistics.median(turn[2] / turn[0] for turn in taken))


def _raw_command(work: Work, reference: bytes, threads: int) -> list[str]:
    arguments = [MODULE, LABEL, PIN, reference.hex(), work.algorithm, str(threads), str(_SECONDS)]
    return [sys.executable, "-c", _RAW, *arguments]


def _raw(root: Path, environ: Mapping[str, str], work: Work, reference: bytes, threads: int) -> float:
    command = _raw_command(work, reference, threads)
    return float(subprocess.run(command, cwd=root, env=environ, check=True, capture_output=True, text=True).stdout)


def _raw_in_parallel(root: Path, environ: Mapping[str, str], work: Work, reference: bytes) -> float:
    command = _raw_command(work, reference, 2)
    running = [
        subprocess.Popen(command, cwd=root, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(_PARALLEL)
    ]
    return sum(float(process.communicate()[0]) for process in running)


def _rate(once: Callable[[], object], threads: int) -> float:
    once()
    begun = time.monotonic()
    end = begun + _SECONDS

    def run() -> int:
        count = 0
        while time.monotonic() < end:
            once()
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        counts = [pool.submit(run) for _ in range(threads)]
        total = sum(count.result() for count in counts)
    return total / (time.monotonic() - begun)
