"""A served engine, and requests to it that are signed as the SDK signs them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Final, Never, Self
from urllib.parse import quote

from kmsplan.engine.sealing import FileSeal, default_key_file
from kmsplan.engine.service import Engine
from kmsplan.kms.operation import CreateKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_FILLING: Final = 64
"""Threads that make keys."""
SIGNERS: Final = 4
"""Instances with a signing key each: the rate limit of one, 15 % of its spec, is below what is to be measured."""
IN_FOLDER: Final = "{path: engine}"
IN_POSTGRES: Final = "{path: engine, postgres: {env: DATABASE}}"
"""Where the keystore is."""
_CONFIGURATION = f"""
kmsplan: 1
engine: {{embedded: ENGINE}}
instances:
  core: {{type: software, spec: 20000, key_quota: 100000}}
  store: {{type: software, spec: 20000, key_quota: 100000}}
{"".join(f"  signing-{n}: {{type: software, spec: 20000}}{chr(10)}" for n in range(SIGNERS))}
keys:
  aes: {{instance: core, aliases: [aes]}}
{"".join(f"  ec-{n}: {{instance: signing-{n}, spec: EC_P256}}{chr(10)}" for n in range(SIGNERS))}
"""


class Served:
    """`kmsplan engine serve` over an engine with alias/aes and `SIGNERS` keys to sign with."""

    def __init__(
        self,
        program: str,
        folder: Path,
        environ: Mapping[str, str],
        workers: int,
        more_keys: int = 0,
        options: Sequence[str] = (),
        engine: str = IN_FOLDER,
    ) -> None:
        self._folder = folder
        self._environ = dict(environ)
        self._program = program
        folder.mkdir(parents=True)
        (folder / "kmsplan.yaml").write_text(_CONFIGURATION.replace("ENGINE", engine))
        self._run("apply", "--auto-approve")
        self._key = json.loads(self._run("engine", "access-key", "create", "--role", "user", "--json"))
        self._admin = json.loads(self._run("engine", "access-key", "create", "--role", "administrator", "--json"))
        described = json.loads(self._run("show", "--json"))
        self.identities = {found["address"]: found["identity"] for found in described["resources"]}
        _fill(folder / "engine", self.identities["instance.store"], more_keys)
        begun = time.monotonic()
        self._process = subprocess.Popen(
            [
                program,
                "-C",
                str(folder),
                "engine",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--workers",
                str(workers),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=(folder / "serve.log").open("wb"),
            env=self._environ,
            text=True,
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        found = re.search(r"http://(\S+)", line)
        if found is None:
            raise SystemExit(f"the engine did not start: {line}{(folder / 'serve.log').read_text()[-2000:]}")
        self.start = time.monotonic() - begun
        """Seconds until it listened."""
        self.host = found[1].rstrip("/")
        self.url = f"http://{self.host}"

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it by its own pid."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def pids(self) -> list[int]:
        """Return the processes of the server."""
        children = subprocess.run(
            ["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return [self._process.pid, *map(int, children)]

    def memory(self) -> float:
        """Return the resident memory of its processes together, MiB."""
        pages = (
            int(re.search(r"VmRSS:\s+(\d+)", (open(f"/proc/{pid}/status")).read())[1])  # type: ignore[index]  # noqa: PTH123, SIM115
            for pid in self.pids()
        )
        return sum(pages) / 1024

    def requests(
        self, action: str, given: Sequence[Mapping[str, str]], count: int, *, admin: bool = False
    ) -> Iterator[bytes]:
        """Yield signed requests (ACS3-HMAC-SHA256) with the given parameters in turn, each with a nonce of its own."""
        key = self._admin if admin else self._key
        secret = key["access_key_secret"].encode()
        queries = [
            "&".join(f"{name}={quote(value, safe='~')}" for name, value in sorted(parameters.items()))
            for parameters in given
        ]
        empty = hashlib.sha256(b"").hexdigest()
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for query in islice(cycle(queries), count):
            headers = {
                "accept": "application/json",
                "host": self.host,
                "user-agent": "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2",
                "x-acs-action": action,
                "x-acs-content-sha256": empty,
                "x-acs-credentials-provider": "static_ak",
                "x-acs-date": date,
                "x-acs-signature-nonce": os.urandom(16).hex(),
                "x-acs-version": "2016-01-20",
            }
            names = ";".join(headers)
            lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
            canonical = f"POST\n/\n{query}\n{lines}\n{names}\n{empty}"
            digest = hashlib.sha256(canonical.encode()).hexdigest()
            signature = hmac.new(secret, f"ACS3-HMAC-SHA256\n{digest}".encode(), hashlib.sha256).hexdigest()
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            yield (
                f"POST /?{query} HTTP/1.1\r\n{head}Authorization: ACS3-HMAC-SHA256 "
                f"Credential={key['access_key_id']},SignedHeaders={names},Signature={signature}\r\n"
                "Content-Length: 0\r\n\r\n"
            ).encode()

    def call(self, action: str, parameters: Mapping[str, str], *, admin: bool = False) -> Any:
        """Make one call and return its answer."""
        import http.client  # noqa: PLC0415 - beside what it is used for

        (request,) = self.requests(action, [parameters], 1, admin=admin)
        head, _, _ = request.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request("POST", first.split()[1], b"", dict(line.split(": ", 1) for line in rest))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise SystemExit(f"{action}: {answer.status} {text[:300]!r}")
        return json.loads(text)

    def unloaded(self, action: str, parameters: Mapping[str, str], times: int) -> float:
        """Return the median time of one call after the other on one connection, in milliseconds."""
        import http.client  # noqa: PLC0415 - as above
        import statistics  # noqa: PLC0415 - as above

        connection = http.client.HTTPConnection(self.host, timeout=30)
        taken = []
        for request in self.requests(action, [parameters], times):
            first, *rest = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
            start = time.perf_counter()
            connection.request("POST", first.split()[1], b"", dict(line.split(": ", 1) for line in rest))
            connection.getresponse().read()
            taken.append(time.perf_counter() - start)
        connection.close()
        return statistics.median(taken) * 1e3

    def _run(self, *arguments: str) -> str:
        command = [self._program, "-C", str(self._folder), *arguments]
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout


def _fill(folder: Path, instance: str, count: int) -> None:
    """Make keys before the engine is served, many at a time, so that commits are shared."""
    if not count:
        return
    seal = FileSeal(default_key_file(folder))
    engine = Engine.open(
        folder, seal=seal, hardware=_no_hardware, clock=lambda: datetime.now(UTC), entropy=os.urandom, actor="benchmark"
    )
    operation = CreateKey(
        instance=instance, spec="Aliyun_AES_256", usage="ENCRYPT/DECRYPT", origin="Aliyun_KMS", tags={}
    )
    with ThreadPoolExecutor(_FILLING) as pool:
        for made in [pool.submit(engine.execute, operation) for _ in range(count)]:
            made.result()
    engine.close()


def _no_hardware(module: str, token: str) -> Never:
    raise SystemExit(f"nothing here needs {token} of {module}")
