"""Golden cases: a folder of YAML and the diagnostics it must give. KMSPLAN_UPDATE=1 writes them anew."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.config.diagnostic import ConfigurationError, Diagnostic
from kmsplan.config.load import load

if TYPE_CHECKING:
    from collections.abc import Iterable

CASES = Path(__file__).parents[2] / "case" / "config"


def diagnose(folder: Path) -> tuple[Diagnostic, ...]:
    given: dict[str, Any] = {}
    if (folder / "given.json").exists():
        given = json.loads((folder / "given.json").read_text())
    try:
        loaded = load(
            folder,
            variables=given.get("variables", {}),
            variable_files=[folder / name for name in given.get("variable_files", [])],
            environ=given.get("environ", {}),
            now=datetime.fromisoformat(given["now"]) if "now" in given else None,
        )
    except ConfigurationError as error:
        return error.diagnostics
    return loaded.warnings


def told(diagnostics: Iterable[Diagnostic], folder: Path) -> str:
    lines = []
    for found in diagnostics:
        span = found.span
        where = f"{span.filename}:{span.line}:{span.column}" if span else "-"
        severity = "" if found.severity == "error" else f" ({found.severity})"
        address = f" [{found.address}]" if found.address else ""
        lines.append(f"{found.code} {where} {found.summary}{severity}{address}")
        lines.append(f"    {found.detail}".replace(str(folder), "FOLDER"))
        if found.excerpt is not None:
            lines.append(f"    | {found.excerpt}")
    return "".join(f"{line}\n" for line in lines) or "valid\n"


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_a_configuration_gives_exactly_its_diagnostics(name: str) -> None:
    folder = CASES / name
    expected = folder / "diagnostics.txt"
    found = told(diagnose(folder), folder)
    if os.environ.get("KMSPLAN_UPDATE"):
        expected.write_text(found)
    assert found == expected.read_text()
    assert "hunter2" not in found
