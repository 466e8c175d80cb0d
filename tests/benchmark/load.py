"""Load from wrk: requests that were made beforehand, each sent once, and what came back."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Signed requests cannot be sent twice, so each is taken from a file. wrk's CPU is part of what both servers share.
_SCRIPT = """
local requests, next_one = {}, 0
local file = io.open(FILE, "rb")
local text = file:read("*a")
file:close()
local position = 1
while position <= #text do
  local length = tonumber(text:sub(position, position + 7))
  requests[#requests + 1] = text:sub(position + 8, position + 7 + length)
  position = position + 8 + length
end
text = nil
request = function()
  next_one = next_one + 1
  if next_one > #requests then next_one = 1 end
  return requests[next_one]
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw."""

    rate: float
    """Good answers a second."""
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""


def write(path: Path, requests: Iterable[bytes]) -> None:
    """Write requests for `run`, each behind its length in eight digits."""
    with path.open("wb") as file:
        for request in requests:
            file.write(b"%08d" % len(request) + request)


def run(url: str, requests: Path, *, connections: int, seconds: int) -> Load:
    """Send requests for some seconds; any answer that is no success ends the benchmark."""
    script = requests.with_suffix(".lua")
    script.write_text(f"FILE = {json.dumps(str(requests))}\n{_SCRIPT}")
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        "--latency",
        "-s",
        str(script),
        url,
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", output)
    if found is None:
        raise SystemExit(f"wrk said no result:\n{output}")
    count, micros, refused, broken, p50, p99 = map(int, found.groups())
    if refused or broken:
        raise SystemExit(f"{refused} of {count} answers were errors, {broken} broke off:\n{output}")
    return Load(count / (micros / 1e6), p50 / 1e3, p99 / 1e3)
