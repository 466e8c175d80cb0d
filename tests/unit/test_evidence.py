"""Whatever is promised has a test that shows it, and the page that says so is true."""

from __future__ import annotations

import ast
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kmsplan.kms.error import ERRORS
from tests.evidence import COLUMNS, FEATURES, SERVED, named, page, read

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evidence.md"


@pytest.fixture(scope="module")
def evidence() -> dict[str, Any]:
    return read()


@cache
def _source(path: str) -> str:
    file = ROOT / path
    return file.read_text() if file.is_file() else ""


@cache
def _functions(path: str) -> frozenset[str]:
    """Return the functions of a module; one that is parametrized is many tests of one name."""
    return frozenset(node.name for node in ast.parse(_source(path)).body if isinstance(node, ast.FunctionDef))


def _mentioned(tests: list[str], *words: str) -> bool:
    """Whether the module of one of the tests has one of the words."""
    return any(word in _source(test.partition("::")[0]) for test in tests for word in words)


def _named(action: str) -> tuple[str, str]:
    """Return an action's name as the API writes it, and as Python does."""
    return action, re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()


def _missing(evidence: dict[str, Any]) -> dict[str, set[str]]:
    """Return the cells of the matrix that nothing shows, by feature."""
    shown = {
        feature: {column for group in evidence["features"].get(feature, ()) for column in group["of"]}
        for feature in FEATURES
    }
    return {feature: COLUMNS.keys() - columns for feature, columns in shown.items() if COLUMNS.keys() - columns}


def test_the_page_equals_the_tables(evidence: dict[str, Any]) -> None:
    if os.environ.get("KMSPLAN_UPDATE"):
        PAGE.write_text(page(evidence))
    assert PAGE.read_text() == page(evidence)


def test_every_action_that_is_served_is_shown(evidence: dict[str, Any]) -> None:
    assert sorted(evidence["actions"]) == SERVED
    assert [action for action, tests in evidence["actions"].items() if not _mentioned(tests, *_named(action))] == []


def test_every_cell_of_the_matrix_of_key_types_is_shown(evidence: dict[str, Any]) -> None:
    assert evidence["features"].keys() == set(FEATURES)
    assert _missing(evidence) == {}
    columns = {column for groups in evidence["features"].values() for group in groups for column in group["of"]}
    assert columns == COLUMNS.keys()


def test_a_cell_that_nothing_shows_is_missed(evidence: dict[str, Any]) -> None:
    less = {**evidence["features"], "tags": [{"of": ["software"], "shown": []}]}
    assert _missing({"features": less}) == {"tags": COLUMNS.keys() - {"software"}}


def test_every_error_code_is_shown(evidence: dict[str, Any]) -> None:
    codes = [code for group in evidence["errors"] for code in group["of"]]
    assert sorted(codes) == sorted(ERRORS)
    shown = [(code, group["shown"]) for group in evidence["errors"] for code in group["of"]]
    assert [code for code, tests in shown if not _mentioned(tests, f'"{code}"', "sorted(ERRORS)")] == []


def test_every_test_that_is_named_is_there_and_everything_has_one(evidence: dict[str, Any]) -> None:
    names = list(named(evidence))
    assert len(names) > 300
    assert [name for name in names if name.partition("::")[2] not in _functions(name.partition("::")[0])] == []
    assert [name for name in names if not re.fullmatch(r"tests/[\w/]+/test_\w+\.py::test_\w+", name)] == []
    groups = [group for part in (*evidence["features"].values(), evidence["errors"]) for group in part]
    assert [group for group in groups if not group["shown"]] == []
