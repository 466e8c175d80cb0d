"""Applying with the state in different stores; PostgreSQL runs on the same cores, with its flushes on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.benchmark.process import Sample, measure
from tests.benchmark.workload import write_kmsplan
from tests.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEYS = 1000
_FOLDER = "state: {local: {path: state}}"
_SHARED = "state: {postgres: {url: {env: STATE_URL}, name: team}}"


def compare(root: Path, kmsplan: str, environ: Mapping[str, str], times: int) -> tuple[Sample, Sample]:
    """Return the fastest apply with the state in a folder, and in PostgreSQL."""
    server = PostgresServer.create()
    try:
        samples: dict[bool, list[Sample]] = {False: [], True: []}
        for _ in range(times):
            for shared, found in samples.items():
                url = server.url(server.new_schema())
                found.append(_apply(root / "stores", kmsplan, {**environ, "STATE_URL": url}, shared=shared))
    finally:
        server.remove()
    local, postgres = (min(found, key=lambda sample: sample.wall) for found in samples.values())
    return local, postgres


def _apply(folder: Path, kmsplan: str, environ: Mapping[str, str], *, shared: bool) -> Sample:
    folder.mkdir()
    try:
        file = write_kmsplan(folder, _KEYS)
        if shared:
            file.write_text(file.read_text().replace(_FOLDER, _SHARED))
        return measure([kmsplan, "apply", "--auto-approve"], folder, environ)
    finally:
        shutil.rmtree(folder)
