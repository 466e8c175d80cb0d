"""The worker as a process among processes: whose end ends it, what a kill leaves, how many threads it bears."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from typing import IO, TYPE_CHECKING, TypeAlias

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kmsplan.engine.hsm.error import WorkerDiedError
from kmsplan.engine.hsm.handle import AesKey, EcKey
from kmsplan.engine.protection.protocol import InvalidCiphertextError
from kmsplan.kms.spec import KeySpec, KeyUsage
from tests.softhsm import SoftHsm, ended, random_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kmsplan.engine.protection.pkcs11 import Pkcs11Protection

pytestmark = pytest.mark.hsm
_DIGEST = hashlib.sha256(b"message").digest()
_SECONDS = 2.0
_CLIENT = """
import os, sys, time
from tests.softhsm import SoftHsm
from kmsplan.kms.spec import KeySpec, KeyUsage
from pathlib import Path
protection = SoftHsm(Path(sys.argv[1])).protection()
protection.prepare()
def tell(value):
    print(value, flush=True)
tell(protection._supervisor.worker().pid)
"""


@pytest.fixture
def protection(softhsm: SoftHsm) -> Iterator[Pkcs11Protection]:
    backend = softhsm.protection()
    yield backend
    backend.close()


class _Client:
    """A process of its own that uses the token."""

    def __init__(self, softhsm: SoftHsm, script: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CLIENT + script, str(softhsm.folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.worker = int(self.says())

    @property
    def _output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def says(self) -> str:
        """Return the next line it prints."""
        return self._output.readline().strip()

    def unread(self) -> list[str]:
        """Return the whole lines it printed until its end and nobody read."""
        return [line for line in self._output.read().splitlines(keepends=True) if line.endswith("\n")]

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory is short."""
        self._process.kill()
        self._process.wait(60)

    def wait(self) -> int:
        """Return its exit status."""
        return self._process.wait(60)

    def close(self) -> None:
        """Leave nothing of it."""
        self.kill()
        self._output.close()


Start: TypeAlias = "Callable[[str], _Client]"


@pytest.fixture
def start(softhsm: SoftHsm) -> Iterator[Start]:
    """Start a client whose worker is logged in, to go on with a script."""
    with ExitStack() as clients:
        yield lambda script: clients.enter_context(closing(_Client(softhsm, script)))


def test_the_worker_ends_when_its_client_is_killed(start: Start) -> None:
    client = start("time.sleep(60)")
    client.kill()
    assert ended(client.worker)


def test_the_worker_ends_when_its_client_forgets_to_close(start: Start) -> None:
    client = start("")
    assert client.wait() == 0
    assert ended(client.worker)


def test_the_worker_ends_with_its_client_though_a_forked_child_keeps_the_lanes(start: Start) -> None:
    script = """
os.register_at_fork  # the children's copies are closed by a hook; a child made by C code has no such hook
import ctypes
child = ctypes.CDLL(None).fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
tell(child)
time.sleep(60)
"""
    client = start(script)
    child = int(client.says())
    client.kill()
    try:
        assert ended(client.worker)
        assert not ended(child, within=0)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_worker_busy_with_a_long_call_ends_with_its_client_too(start: Start) -> None:
    script = """
import threading
make = lambda: protection._supervisor.worker().call(4, b"RSA_4096", b"SIGN/VERIFY", os.urandom(16))
threading.Thread(target=make, daemon=True).start()
time.sleep(0.1)
tell("busy")
time.sleep(60)
"""
    client = start(script)
    assert client.says() == "busy"
    client.kill()
    assert ended(client.worker)


def test_a_key_that_is_made_only_after_others_have_looked_for_it_does_not_stay(
    start: Start, protection: Pkcs11Protection
) -> None:
    script = """
import threading
protection.algorithms(KeySpec.RSA_2048)
reference = os.urandom(16)
tell(reference.hex())
threading.Thread(target=protection.generate, args=(KeySpec.RSA_2048, KeyUsage.SIGN, reference), daemon=True).start()
time.sleep(0.02)
tell("asked")
time.sleep(60)
"""
    client = start(script)
    reference = bytes.fromhex(client.says())
    protection.prepare()
    assert client.says() == "asked"
    client.kill()
    protection.destroy(reference)  # as another node does, which forgets it then
    assert ended(client.worker)
    assert protection.missing([reference]) == {reference}
    assert protection.probe().strays == ()


def test_the_worker_outlives_the_thread_that_started_it(protection: Pkcs11Protection) -> None:
    starter = threading.Thread(target=protection.prepare)
    starter.start()
    starter.join()
    started = protection._supervisor.worker().pid
    assert not ended(started, within=0.2)
    protection.prepare()
    assert protection._supervisor.worker().pid == started


def test_nothing_is_left_running_after_close(protection: Pkcs11Protection) -> None:
    protection.prepare()
    worker = protection._supervisor.worker().pid
    protection.close()
    assert ended(worker, within=0)


def test_a_forked_process_starts_a_worker_of_its_own(start: Start) -> None:
    script = """
child = os.fork()
protection.prepare()
tell(protection._supervisor.worker().pid)
protection.close()
if child:
    os.waitpid(child, 0)
"""
    client = start(script)
    workers = {int(client.says()), int(client.says())}
    assert client.wait() == 0
    assert len(workers) == 2
    assert client.worker in workers


def test_a_worker_killed_in_the_middle_of_a_generation_is_reported_and_the_repeat_succeeds(
    protection: Pkcs11Protection,
) -> None:
    protection.prepare()
    reference = next(filter(None, (_killed_while_it_generates(protection) for _ in range(20))))
    assert protection.missing([reference]) == {reference}
    protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference)
    assert protection.missing([reference]) == frozenset()


def _killed_while_it_generates(protection: Pkcs11Protection) -> bytes | None:
    """Return the reference of what it was making; None where it found its primes at once, or the kill came late."""
    reference = random_reference()
    protection.algorithms(KeySpec.RSA_4096)
    worker = protection._supervisor.worker().pid
    kill = threading.Timer(0.02, os.kill, (worker, signal.SIGKILL))
    kill.start()
    try:
        protection.generate(KeySpec.RSA_4096, KeyUsage.SIGN, reference)
    except WorkerDiedError as error:
        assert "killed by SIGKILL" in str(error)  # noqa: PT017 - there may be none
        return reference
    finally:
        kill.join()
    assert ended(worker)
    return None


def test_kills_at_any_moment_of_creation_leave_a_token_that_works(start: Start, protection: Pkcs11Protection) -> None:
    """What was acknowledged is there afterwards; what was not is repeated with the same reference."""
    script = """
for _ in range(1000):
    reference = os.urandom(16)
    tell("begin " + reference.hex())
    protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference)
    tell("end " + reference.hex())
"""
    begun: set[bytes] = set()
    ready: set[bytes] = set()
    for round_ in range(6):
        client = start(script)
        sorts = {"begin": begun, "end": ready}
        said = [client.says() for _ in range(3)]
        time.sleep(0.004 * round_)
        os.kill(client.worker, signal.SIGKILL)
        client.kill()
        for line in (*said, *client.unread()):
            sort, name = line.split()
            sorts[sort].add(bytes.fromhex(name))
    assert protection.missing(ready) == frozenset()
    for reference in begun:
        protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, reference)
    assert protection.missing(begun) == frozenset()
    report = protection.probe()
    assert (report.keys, report.strays) == (len(begun), ())


def test_eight_threads_encrypt_and_sign_at_once_without_a_wrong_answer(protection: Pkcs11Protection) -> None:
    aes, pair = random_reference(), random_reference()
    protection.generate(KeySpec.AES_256, KeyUsage.ENCRYPT, aes)
    public_key = load_der_public_key(protection.generate(KeySpec.EC_P256, KeyUsage.SIGN, pair).public_key or b"")
    cipher = protection.open(KeySpec.AES_256, aes, None)
    signer = protection.open(KeySpec.EC_P256, pair, None)
    assert isinstance(cipher, AesKey)
    assert isinstance(signer, EcKey)
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    rounds, errors = [0] * 8, []
    end = time.monotonic() + _SECONDS

    def work(number: int) -> None:
        text = str(number).encode() * 100
        try:
            while not rounds[number] or time.monotonic() < end:
                sealed = cipher.encrypt(text, b"context")
                assert cipher.decrypt(sealed, b"context") == text
                signature = signer.sign("ECDSA_SHA_256", _DIGEST)
                public_key.verify(signature, _DIGEST, ec.ECDSA(Prehashed(hashes.SHA256())))
                with pytest.raises(InvalidCiphertextError):
                    cipher.decrypt(sealed, b"other")
                rounds[number] += 1
        except Exception as error:  # noqa: BLE001 - reported by the assertion below
            errors.append(error)

    worker = protection._supervisor.worker().pid
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    made = 0
    while not made or time.monotonic() < end:
        fleeting = random_reference()
        protection.generate(KeySpec.AES_128, KeyUsage.ENCRYPT, fleeting)
        protection.destroy(fleeting)
        made += 1
    for thread in threads:
        thread.join()
    assert errors == []
    assert protection._supervisor.worker().pid == worker
