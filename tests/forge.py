"""What stands in for GitHub while a workflow is run here: its YAML, its expression library, its tokens, its pip."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

PIPELINE = Path(__file__).parent / "pipeline"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
SECRET = "request-token-4711"


class Loader(yaml.SafeLoader):
    """YAML as GitHub reads it: `on` is a word."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first not in "oOyYnN"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path: Path) -> Any:
    """Read a workflow."""
    return yaml.load(path.read_text(), Loader)  # noqa: S506 - a SafeLoader


class Expressions:
    """GitHub's expression library, in a process of its own."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["node", PIPELINE / "expressions.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def value(self, expression: str, contexts: Mapping[str, Any], **status: bool) -> Any:
        """Evaluate one expression, without its braces."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"expression": expression.strip(), "contexts": contexts, "status": status}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def fill(self, text: object, contexts: Mapping[str, Any]) -> str:
        """Put values in the place of the expressions of a text."""
        return EXPRESSION.sub(lambda found: _word(self.value(found[1], contexts)), _word(text))


def _word(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def installing_nothing(folder: Path) -> None:
    """Put a `python` into a folder whose pip has installed already what it is asked for."""
    python = folder / "python"
    python.write_text(f"""#!/bin/sh\n[ "$1 $2 $3" = '-m pip install' ] || exec {sys.executable} "$@"\n""")
    python.chmod(0o755)


class Tokens:
    """A server that tells a job's token to whoever shows the request's token and names the right audience."""

    def __enter__(self) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the library's name
                right = self.headers["Authorization"] == f"bearer {SECRET}" and self.path.endswith(
                    "&audience=sts.aliyuncs.com"
                )
                self.send_response(200 if right else 401)
                self.end_headers()
                self.wfile.write(b'{"value": "token-of-acme/keys"}' if right else b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}/token?version=1"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
