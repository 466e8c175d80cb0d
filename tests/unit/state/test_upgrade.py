"""Older formats: read, step by step, as the current one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kmsplan.state.snapshot import decode, encode
from kmsplan.state.upgrade import FORMAT_VERSION, UPGRADES, upgraded

CASES = Path(__file__).parents[2] / "case" / "state"


def test_a_document_takes_every_step_to_the_current_version() -> None:
    def second(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "second": True}

    def third(document: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in document.items() if name != "old"} | {"third": document["second"]}

    found = upgraded({"format_version": 1, "old": 1}, version=3, upgrades={1: second, 2: third})
    assert found == {"format_version": 3, "second": True, "third": True}


def test_the_current_version_stays_as_it_is() -> None:
    document = {"format_version": FORMAT_VERSION}
    assert upgraded(document) is document


def test_every_older_version_has_its_step() -> None:
    assert sorted(UPGRADES) == list(range(1, FORMAT_VERSION))


@pytest.mark.parametrize("case", sorted(CASES.glob("*.in.json")), ids=lambda path: path.name)
def test_every_format_ever_written_is_still_read(case: Path) -> None:
    expected = case.with_name(case.name.replace(".in.", ".out."))
    snapshot = decode(case.read_bytes(), path=case, remedy="")
    assert encode(snapshot) == expected.read_bytes()


def test_there_is_a_case_for_every_version() -> None:
    versions = {json.loads(case.read_text())["format_version"] for case in CASES.glob("*.in.json")}
    assert versions == set(range(1, FORMAT_VERSION + 1))
