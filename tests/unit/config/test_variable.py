from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kmsplan.config.configuration import Configuration

Load = Callable[..., Configuration]
ENV = "variables: {env: {type: string, default: default}}\n"


def test_the_command_line_is_stronger_than_files_than_the_environment_than_the_default(
    loaded: Load, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.vars.yaml", tmp_path / "2.vars.yaml"
    first.write_text("env: first\n")
    second.write_text("env: second\n")
    environ = {"KMSPLAN_VAR_env": "environment"}
    steps: list[tuple[dict[str, Any], str]] = [
        ({}, "default"),
        ({"environ": environ}, "environment"),
        ({"environ": environ, "variable_files": [first]}, "first"),
        ({"environ": environ, "variable_files": [first, second]}, "second"),
        ({"environ": environ, "variable_files": [first], "variables": {"env": "given"}}, "given"),
    ]
    for given, expected in steps:
        assert loaded(ENV, **given).variables == {"env": expected}


@pytest.mark.parametrize(
    ("declared", "text", "meant"),
    [
        ("{type: string}", "true", "true"),
        ("{type: string}", "", ""),
        ("{}", "5", "5"),
        ("", "x", "x"),
        ("{type: int}", "-5", -5),
        ("{default: 1}", "5", 5),
        ("{allowed: [1, 2]}", "2", 2),
        ("{type: bool}", "true", True),
        ("{default: true}", "false", False),
        ("{type: list}", "[a, b]", ["a", "b"]),
        ("{default: []}", '["a"]', ["a"]),
        ("{type: map}", "{a: 1}", {"a": 1}),
        ("{default: {}}", '{"a": {"b": null}}', {"a": {"b": None}}),
    ],
)
def test_text_is_read_as_the_variables_type(loaded: Load, declared: str, text: str, meant: object) -> None:
    found = loaded(f"variables: {{x: {declared}}}\n", variables={"x": text}).variables["x"]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("{type: int}", "1.5"),
        ("{type: int}", ""),
        ("{type: int}", "1" * 5000),
        ("{type: bool}", "yes"),
        ("{type: bool}", "True"),
        ("{type: list}", "a,b"),
        ("{type: list}", "[a"),
        ("{type: list}", "{a: 1}"),
        ("{type: list}", "[]\nother: 1"),
        ("{type: map}", "{a: *x}"),
        ("{type: string}", "\udcff"),
    ],
)
def test_text_of_another_type_is_refused(codes: Callable[..., list[str]], declared: str, text: str) -> None:
    assert codes(f"variables: {{x: {declared}}}\n", variables={"x": text}) == ["K303"]


def test_a_null_default_means_not_written(loaded: Load) -> None:
    text = """
variables: {period: {type: string, default: null}}
instances: {core: {type: software}}
keys: {orders: {instance: core, rotation: "${var.period}"}}
"""
    assert loaded(text).desired["key.orders"].attributes["rotation"] is None  # type: ignore[index]
    given = loaded(text, variables={"period": "90d"})
    assert given.desired["key.orders"].attributes["rotation"] == 90 * 86_400  # type: ignore[index]


def test_null_in_a_variable_file_is_no_value(codes: Callable[..., list[str]], tmp_path: Path) -> None:
    file = tmp_path / "x.vars.yaml"
    file.write_text("env:\n")
    assert codes(ENV, variable_files=[file]) == ["K303"]


@pytest.mark.parametrize("content", ["env: *x\n", "env: [&a b]\n", "1: x\n", "env: a\nenv: b\n", "- env\n", "env: [\n"])
def test_a_variable_file_is_read_as_strictly_as_the_configuration(
    codes: Callable[..., list[str]], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "x.vars.yaml"
    file.write_text(content)
    found = codes(ENV, variable_files=[file])
    assert found
    assert all(code.startswith("K1") or (code, content) == ("K303", "env: [&a b]\n") for code in found)


def test_an_unreadable_variable_file_hides_what_it_may_set(codes: Callable[..., list[str]], tmp_path: Path) -> None:
    file = tmp_path / "x.vars.yaml"
    file.write_text("env: [\n")
    assert codes("variables: {env: {type: string}}\n", variable_files=[file]) == ["K106"]


@pytest.mark.parametrize(
    "declaration",
    ["{type: 5}", "{type: [a]}", "{allowed: dev}", "{allowed: []}", "{colour: x}", "[a]", "text", "{default: 1.5}"],
)
def test_a_malformed_declaration_is_told_once(codes: Callable[..., list[str]], declaration: str) -> None:
    text = f'variables: {{x: {declaration}}}\ninstances: {{core: {{type: software, tags: {{x: "${{var.x}}"}}}}}}\n'
    found = codes(text)
    assert len(found) <= 2
    assert set(found) <= {"K201", "K202", "K203", "K204", "K301", "K303"}


def test_variables_that_only_the_environment_sets_are_warned_of(loaded: Load) -> None:
    (warning,) = loaded(ENV, environ={"KMSPLAN_VAR_evn": "x", "PATH": "/"}).warnings
    assert (warning.code, warning.severity) == ("K309", "warning")
