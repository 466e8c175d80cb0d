"""An object server of the tests' own: moto's S3 as a process, which honours conditional writes.

It carries out one request after the other, so that a condition and the write that hangs on it are one step.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVER = """
import io, sys, threading
from pathlib import Path
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app

moto, guard = DomainDispatcherApplication(create_backend_app), threading.Lock()
down, lossy = Path(sys.argv[1]) / "down", Path(sys.argv[1]) / "lossy"

def application(environ, start_response):
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    with guard:
        lose = lossy.exists() and environ["REQUEST_METHOD"] == "PUT"
        if lose:
            lossy.unlink()
        if not down.exists():
            content = list(moto(environ, (lambda *_: None) if lose else start_response))
            if not lose:
                return content
    start_response("503 Service Unavailable", [("Content-Length", "0")])
    return [b""]

server = make_server("127.0.0.1", 0, application, threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE234567", "AWS_SECRET_ACCESS_KEY": "never-shown-4711"}
REGION = "eu-central-1"


@dataclass
class ObjectServer:
    """A server, and buckets on it."""

    folder: Path
    process: subprocess.Popen[str] = field(repr=False)
    port: int

    @classmethod
    def create(cls) -> ObjectServer:
        """Start it; `close` ends it."""
        folder = Path(tempfile.mkdtemp(prefix="kmsplan-objects-"))
        log = (folder / "log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(folder)], stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        assert process.stdout is not None
        port = process.stdout.readline()
        assert port, (folder / "log").read_text()
        return cls(folder, process, int(port))

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def down(self) -> None:
        """Fail every request from now on."""
        (self.folder / "down").touch()

    def up(self) -> None:
        (self.folder / "down").unlink(missing_ok=True)

    def lose_answer(self) -> None:
        """Carry the next write out, and fail it all the same."""
        (self.folder / "lossy").touch()

    def client(self) -> Any:
        """Ask past kmsplan."""
        import boto3  # noqa: PLC0415 - 0.3 s, and most tests need none

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def new_bucket(self) -> str:
        """Make an empty bucket, and return its name."""
        name = f"k{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def options(self, bucket: str) -> dict[str, Any]:
        """What the configuration says of it."""
        return {
            "bucket": bucket,
            "key": "team/state",
            "region": REGION,
            "endpoint": self.endpoint,
            "path_style": True,
        }


@contextlib.contextmanager
def descriptions_read_once() -> Iterator[None]:
    """Have the SDK read what describes S3 once for all sessions, and not for each: that takes most of opening one."""
    from botocore.loaders import JSONFileLoader, Loader  # noqa: PLC0415 - as boto3

    files, loader = JSONFileLoader(), Loader()
    read, services = cache(files.load_file), cache(loader.list_available_services)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        patch.setattr(Loader, "list_available_services", lambda _, type_name: list(services(type_name)))
        yield
