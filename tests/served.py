"""A served engine: a real process, its access key, and the way to it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmsplan.provider.alibaba.channel import SdkChannel
from tests.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kmsplan.provider.alibaba.settings import Settings

_LISTENING = re.compile("listening on https?://(.+)")


@dataclass(frozen=True)
class Served:
    """What a client needs to know of a served engine."""

    project: Project
    """Its folder, for commands behind the clients' backs."""
    process: subprocess.Popen[str]
    """The supervisor."""
    endpoint: str
    access_key_id: str
    access_key_secret: str
    account: str
    region: str

    @property
    def environ(self) -> dict[str, str]:
        """The credentials, where the SDK's default chain looks first."""
        return {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": self.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": self.access_key_secret,
        }

    def channel(self, reached: Settings) -> SdkChannel:
        """The SDK with these credentials: its default chain reads the environment once in the life of a process."""
        from alibabacloud_credentials.client import Client  # noqa: PLC0415 - 0.3 s
        from alibabacloud_credentials.provider import StaticAKCredentialsProvider  # noqa: PLC0415

        provider = StaticAKCredentialsProvider(
            access_key_id=self.access_key_id, access_key_secret=self.access_key_secret
        )
        return SdkChannel(reached, Client(provider=provider))

    def engine(self, endpoint: str | None = None, **options: object) -> dict[str, object]:
        """The `engine: {alibaba: ...}` that reaches it, directly or by another endpoint."""
        return {"region": self.region, "endpoint": endpoint or self.endpoint, "protocol": "http", **options}


def serve(
    root: Path, *options: str, configuration: str = "kmsplan: 1\n", environ: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Make an engine in a folder, and serve it until the fixture that uses this ends."""
    project = Project(root, dict(environ or {}))
    project.write(configuration)
    project.run("engine", "init")
    status = project.run("engine", "status", "--json").json()
    key = project.run("engine", "access-key", "create", "--role", "administrator", "--json").json()
    process = project.start("engine", "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--log", "off", *options)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        listening = _LISTENING.match(line)
        assert listening is not None, line + process.communicate(timeout=60)[1]
        yield Served(
            project=project,
            process=process,
            endpoint=listening[1],
            access_key_id=key["access_key_id"],
            access_key_secret=key["access_key_secret"],
            account=status["account"],
            region=status["region"],
        )
    finally:
        process.terminate()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
