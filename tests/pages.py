"""Pages whose blocks are run, one after the other, in one empty folder: what they tell people to do, and to see.

- `yaml` and `json` blocks whose first line is `# NAME` or `// NAME` become files of that name.
- `sh` blocks are run, and succeed.
- `console` blocks have commands after `$ `, each followed by what it prints, on both streams, but for ids, digests,
  times and durations; `...` on a line of its own stands for any lines. A last line `(exit code N)` says how it ends.
- `text` and `mermaid` blocks are for eyes alone.
- A comment `<!-- WORDS -->` on a line of its own, where a test knows the words, is what happens there.

With KMSPLAN_UPDATE=1, console blocks without `...` get what was printed.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import textwrap
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.project import KMSPLAN, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.project import Project

_BLOCK: Final = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w+)\n(?P<text>.*?)^ *```$|^<!-- (?P<event>[^>]+) -->$", re.DOTALL | re.MULTILINE
)
_EVENT: Final = "event"
_MARK: Final = "\x1e"
_ENDED: Final = re.compile(r"\(exit code (\d+)\)\n")
_FILE: Final = re.compile(r"(?:#|//) (\S+)\n")
_ELLIPSIS: Final = "..."
_HEX: Final = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b")
"""Lineages, tokens and request ids."""
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_PEOPLE: Final = re.compile(r"\b[\w.-]+@[\w.-]+")
_TODAY: Final = re.compile(r"(last use: |tracked since )\d{4}-\d{2}-\d{2}\b")
_SOMEBODY: Final = "you@machine"
_COUNTED: Final = re.compile(r"\[\d+/(\d+)\]")
_EYES: Final = ("text", "mermaid")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page, or one comment."""

    kind: str
    text: str
    indent: str
    start: int
    """Where its text begins in the page."""
    end: int


@dataclass(frozen=True)
class Step:
    """One command of a console block, and what stands below it."""

    command: str
    shown: str
    code: int


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, and its comments."""
    return [
        Block(_EVENT, found["event"], "", found.start(), found.end())
        if found["event"]
        else Block(
            found["kind"], textwrap.dedent(found["text"]), found["indent"], found.start("text"), found.end("text")
        )
        for found in _BLOCK.finditer(page)
    ]


def run_page(path: Path, project: Project, events: Mapping[str, Callable[[Project], None]] | None = None) -> None:
    """Run what a page tells people to run, and compare it with what the page shows.

    Args:
        path: of the page.
        project: an empty folder.
        events: by the words of a comment: what happens there.
    """
    project.environ.setdefault("PATH", f"{Path(KMSPLAN).parent}:/usr/bin:/bin")
    page = path.read_text()
    found = blocks(page)
    fenced = [block for block in found if block.kind != _EVENT]
    assert page.count("```") == 2 * len(fenced), "every block has a kind, and an end"
    printed = [_run(block, project, events or {}) for block in found]
    if os.environ.get("KMSPLAN_UPDATE"):
        for block, text in reversed(list(zip(found, printed, strict=True))):
            if block.kind == "console" and _ELLIPSIS not in block.text.splitlines():
                page = page[: block.start] + textwrap.indent(text, block.indent) + page[block.end :]
        path.write_text(page)
        return
    for block, text in zip(found, printed, strict=True):
        if block.kind == "console":
            compare(block.text, text)


def _run(block: Block, project: Project, events: Mapping[str, Callable[[Project], None]]) -> str:
    """Run one block; return a console block as it should stand."""
    match block.kind:
        case "event":
            if block.text in events:
                events[block.text](project)
        case "console":
            return "".join(_console(block, project))
        case "sh":
            done = _shell(block.text, project, "-euo", "pipefail")
            assert done.returncode == 0, block.text + done.stdout
        case "yaml" | "json":
            if name := _FILE.match(block.text):
                (project.root / name[1]).parent.mkdir(parents=True, exist_ok=True)
                (project.root / name[1]).write_text(block.text if block.kind == "yaml" else block.text[name.end() :])
        case kind:
            assert kind in _EYES, f"nothing is known of blocks of the kind {kind}"
    return block.text


def _console(block: Block, project: Project) -> Iterator[str]:
    steps = list(read(block.text))
    script = "".join(f"printf '{_MARK}'\n{step.command}\nprintf '{_MARK}%s' $?\n" for step in steps)
    said = _shell(script, project, "-o", "pipefail").stdout.split(_MARK)[1:]
    assert len(said) == 2 * len(steps), "".join(said)
    for step, text, code in zip(steps, said[::2], said[1::2], strict=True):
        assert "Traceback" not in text, text
        assert int(code) == step.code, f"{step.command} ended with {code}\n{text}"
        ended = f"(exit code {code})\n" if step.code else ""
        shown = text if text.endswith("\n") or not text else f"{text}\n"
        shown = _PEOPLE.sub(_SOMEBODY, shown.replace(str(project.root), "FOLDER"))
        yield f"$ {step.command}\n{shown}{ended}"


def read(text: str) -> Iterator[Step]:
    """Yield the commands of a console block; a line that ends with a backslash goes on."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, lines = "", part.splitlines(keepends=True)
        while lines and (not command or command.endswith("\\\n")):
            command += lines.pop(0)
        shown = "".join(lines)
        ended = _ENDED.search(shown)
        yield Step(command.rstrip("\n"), _ENDED.sub("", shown), int(ended[1]) if ended else 0)


def compare(shown: str, printed: str) -> None:
    """Compare what a page shows with what was printed."""
    for expected, actual in zip(read(shown), read(printed), strict=True):
        wanted, said = _lines(expected.shown), _lines(actual.shown)
        if _ELLIPSIS not in wanted:
            assert wanted == said, "\n".join([expected.command, *difflib.unified_diff(wanted, said, lineterm="")])
            continue
        _compare_parts(wanted, said, expected.command)


def _compare_parts(wanted: list[str], said: list[str], command: str) -> None:
    """Find the parts between ellipses one after the other; the first begins what is said, and the last ends it."""
    parts = [part.split("\n") if part else [] for part in "\n".join(["", *wanted, ""]).split(f"\n{_ELLIPSIS}\n")]
    first, *others = [[line for line in part if line] for part in parts]
    said = [line for line in said if line]
    assert said[: len(first)] == first, command
    at = len(first)
    for part in others:
        places = [place for place in range(at, len(said)) if said[place : place + len(part)] == part]
        assert places or not part, f"{command}: {part} is not in {said[at:]}"
        at = places[0] + len(part) if part else at
    assert not others[-1] or said[-len(others[-1]) :] == others[-1], command


def _lines(text: str) -> list[str]:
    """Return lines without what differs at every run, on every machine, and by the order of what is done at once."""
    text = _PEOPLE.sub(_SOMEBODY, _UUID.sub("0", _HEX.sub("0", normalise(text))))
    text = _TODAY.sub(r"\g<1>2026-01-01", text)
    lines = _COUNTED.sub(r"[0/\1]", text).rstrip("\n").split("\n")
    return [line for done, run in groupby(lines, key=_is_progress) for line in (sorted(run) if done else run)]


def _is_progress(line: str) -> bool:
    return line.endswith("]") and "[0/" in line


def _shell(script: str, project: Project, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", *options, "-c", script],
        cwd=project.root,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
