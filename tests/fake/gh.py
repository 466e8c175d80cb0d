#!/usr/bin/env python3
"""GitHub's command line, as far as the kit calls it: `gh api` over comments and issues in a file, `gh run download`.

GH_WORLD names a folder: world.json holds comments, issues, pulls and runs, artifacts/RUN/NAME the artifacts. A call
that the job's GH_PERMISSIONS do not cover is refused, as GitHub would.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

WORLD = Path(os.environ["GH_WORLD"])
BOT = {"login": "github-actions[bot]"}
PERMISSIONS = [
    (r"(GET|POST) issues/\d+/comments|PATCH issues/comments/\d+", "pull-requests: write"),
    (r"(GET|POST) issues|PATCH issues/\d+", "issues: write"),
    (r"GET commits/\w+/pulls", "pull-requests: read"),
    (r"GET actions/workflows/[\w.]+/runs", "actions: read"),
]
"""What a call needs."""


def main() -> None:
    if sys.argv[1] == "run":
        download(sys.argv[2:])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("api")
    parser.add_argument("path")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--jq")
    parser.add_argument("--field", action="append", default=[])
    parser.add_argument("--raw-field", action="append", default=[])
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    asked = parser.parse_args()
    world = json.loads((WORLD / "world.json").read_text())
    answer = api(world, asked.method, asked.path, fields(asked))
    (WORLD / "world.json").write_text(json.dumps(world))
    if asked.jq:
        subprocess.run(["jq", "-r", asked.jq], input=json.dumps(answer), text=True, check=True)
    elif not asked.silent:
        sys.stdout.write(json.dumps(answer) + "\n")


def fields(asked: argparse.Namespace) -> dict[str, Any]:
    """`--field` reads a file after @, `--raw-field` takes its text; NAME[] is a list."""
    given: dict[str, Any] = {}
    for raw, text in [(False, one) for one in asked.field] + [(True, one) for one in asked.raw_field]:
        name, _, value = text.partition("=")
        value = Path(value[1:]).read_text() if value.startswith("@") and not raw else value
        if name.endswith("[]"):
            given.setdefault(name[:-2], []).append(value)
        else:
            given[name] = value
    return given


def api(world: dict[str, Any], method: str, url: str, given: dict[str, Any]) -> Any:
    split = urlsplit(url)
    query, path = dict(parse_qsl(split.query)), split.path.removeprefix(f"repos/{os.environ['GITHUB_REPOSITORY']}/")
    require(f"{method} {path}")
    if len(given.get("body", "")) > 65_536:
        raise SystemExit("HTTP 422: body is too long")
    match method, path.split("/"):
        case "GET", ["issues", number, "comments"]:
            return [one for one in world["comments"] if one["issue"] == number]
        case "POST", ["issues", number, "comments"]:
            return add(world["comments"], {"issue": number, **given})
        case "PATCH", ["issues", "comments", identifier]:
            return change(world["comments"], identifier, given)
        case "GET", ["issues"]:
            return [
                one
                for one in world["issues"]
                if one["state"] == query["state"] and query["labels"] in one.get("labels", ())
            ]
        case "POST", ["issues"]:
            return add(world["issues"], {"state": "open", **given})
        case "PATCH", ["issues", number]:
            return change(world["issues"], number, given)
        case "GET", ["commits", sha, "pulls"]:
            return world["pulls"].get(sha, [])
        case "GET", ["actions", "workflows", "kmsplan.yml", "runs"]:
            return {"workflow_runs": [one for one in world["runs"] if one["head_sha"] == query["head_sha"]]}
    raise SystemExit(f"HTTP 404: {method} {path}")


def require(call: str) -> None:
    """Refuse what the job's token does not cover."""
    needed = next((needed for pattern, needed in PERMISSIONS if re.fullmatch(pattern, call)), None)
    name, _, level = str(needed).partition(": ")
    granted = json.loads(os.environ["GH_PERMISSIONS"]).get(name)
    if granted not in (level, "write"):
        raise SystemExit(f"HTTP 403: Resource not accessible by integration: {call}")


def add(rows: list[dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
    number = 100 + len(rows)
    rows.append({"id": number, "number": number, "user": BOT, **row})
    return rows[-1]


def change(rows: list[dict[str, Any]], number: str, given: dict[str, Any]) -> dict[str, Any]:
    (row,) = [row for row in rows if str(row["number"]) == number]
    row.update(given)
    return row


def download(arguments: list[str]) -> None:
    _, run, *options = arguments
    named = dict(zip(options[::2], options[1::2], strict=True))
    source = WORLD / "artifacts" / run / named["--name"]
    if not source.exists():
        raise SystemExit("no valid artifacts found to download")
    shutil.copytree(source, named["--dir"], dirs_exist_ok=True)


main()
