from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kmsplan.config.place import EXCERPT_LENGTH, SECRET_NAMES, Place, Source, printable
from kmsplan.resource.kinds import KINDS
from kmsplan.resource.schema import SECRET_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping


def excerpt(line: str) -> str | None:
    source = Source("a.yaml", line)
    return source.excerpt(source.span(0, 1))


@pytest.mark.parametrize(
    "line",
    [
        'pin: "hunter2"',
        "pin: 'hunter2'",
        "pin: hunter2",
        'pin: "hunter2',
        "  hsm: {module: /m.so, pin: hunter2, token: t}",
        'hsm: {"pin": "hunter2, \\"hunter2", token: t}',
        "pin: {value: hunter2}",
        "pin: {env: hunter2!}",
        "pin: !!str hunter2",
        "passphrase: hunter2 # hunter2",
        "access_key: hunter2",
        "access_key_secret: hunter2",
        "PASSWORD: hunter2",
        "material: hunter2==",
        "pin:hunter2",
    ],
)
def test_an_excerpt_never_shows_a_literal_secret(line: str) -> None:
    shown = excerpt(line)
    assert shown is not None
    assert "hunter2" not in shown
    assert "(not shown)" in shown


@pytest.mark.parametrize(
    "line", ["pin: {env: HSM_PIN}", "pin: {file: ./pin.txt}", "pin:", "material: {file: a.bin, x: 1}"]
)
def test_an_excerpt_shows_a_reference(line: str) -> None:
    assert excerpt(line) == line


def test_the_names_of_secrets_are_known_to_excerpts() -> None:
    def secrets(schema: Mapping[str, Any]) -> set[str]:
        properties = schema.get("properties", {})
        named = {name for name, inner in properties.items() if inner == SECRET_SCHEMA}
        return named.union(*(secrets(inner) for inner in properties.values()))

    found = {name for kind in KINDS.values() for item in kind.attributes for name in secrets(item.schema)}
    assert found == {"pin", "secret"}
    assert found | {"access_key"} < set(SECRET_NAMES)


def test_an_excerpt_steers_no_terminal() -> None:
    assert excerpt("a: \x1b[31m\tred") == "a: \ufffd[31m red"


def test_an_excerpt_is_cut_and_left_out_where_its_place_is_too_far_right() -> None:
    source = Source("a.yaml", "x" * 1000)
    assert source.excerpt(source.span(5, 6)) == "x" * EXCERPT_LENGTH
    assert source.excerpt(source.span(500, 501)) is None


def test_places_are_told_as_file_line_and_column() -> None:
    source = Source("a.yaml", "one\ntwo\n")
    assert str(Place(source, 5, 7)) == "a.yaml:2:2"
    assert Place(source, 2, 6).span == source.span(2, 6)
    assert (source.span(2, 6).end_line, source.span(2, 6).end_column) == (2, 3)
    assert source.span(8, 9).line == 3


def test_printable_text_stays_and_the_rest_is_escaped() -> None:
    assert printable("Zürich") == "Zürich"
    assert printable("a\x1b[0m\u202e") == r"a\x1b[0m\u202e"
