"""`kmsplan graph`, and HTML reports from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from tests.project import Project


def test_the_graph_shows_what_a_plan_would_do(basic: Project) -> None:
    text = basic.run("graph").out
    assert text.startswith("flowchart LR\n")
    assert '["#43; key.orders: create"]:::good' in text


def test_a_saved_plan_is_drawn_without_its_configuration(basic: Project) -> None:
    basic.run("plan", "-o", "it.plan")
    fresh = basic.run("graph").out
    (basic.root / "kmsplan.yaml").unlink()
    assert basic.run("graph", "it.plan").out == fresh


def test_a_drawing_goes_to_a_file_and_is_one(applied: Project) -> None:
    applied.call("DisableKey", "KeyId=alias/orders")
    applied.run("graph", "--format", "svg", "--output", "it.svg")
    drawing = ET.fromstring((applied.root / "it.svg").read_text())  # noqa: S314 - our own
    assert "~ key.orders: update" in "\n".join(drawing.itertext())


def test_what_is_not_drawn_is_counted(basic: Project) -> None:
    assert '"#43; 1 more key: create"' in basic.run("graph", "--most", "1").out


def test_without_the_program_that_draws_it_says_what_to_install(basic: Project) -> None:
    basic.environ["PATH"] = ""
    answer = basic.run("graph", "--format", "svg", code=1)
    assert "the program `dot`" in answer.err
    assert "apt-get install graphviz" in answer.err
    assert basic.run("graph", "--format", "dot").out.startswith("digraph kmsplan {")


def test_where_the_program_that_draws_fails_it_says_how_to_see_why(basic: Project) -> None:
    (basic.root / "dot").write_text("#!/bin/sh\nexit 3\n")
    (basic.root / "dot").chmod(0o755)
    basic.environ["PATH"] = str(basic.root)
    assert "`dot` ended with exit code 3" in basic.run("graph", "--format", "svg", code=1).err


@pytest.mark.parametrize(
    ("module", "command"), [("jinja2", ("plan", "--format", "html")), ("graphviz", ("graph", "--format", "dot"))]
)
def test_without_its_package_it_says_which_extra_brings_it(
    basic: Project, module: str, command: tuple[str, ...]
) -> None:
    (basic.root / "blocked").mkdir()
    (basic.root / "blocked" / f"{module}.py").write_text(f"raise ModuleNotFoundError(name={module!r})\n")
    basic.environ["PYTHONPATH"] = str(basic.root / "blocked")
    extra = {"jinja2": "html", "graphviz": "graph"}[module]
    assert f"pip install 'kmsplan[{extra}]'" in basic.run(*command, code=1).err


def test_a_plan_and_drift_become_pages_with_dates_places_and_causes(applied: Project) -> None:
    applied.call("DisableKey", "KeyId=alias/orders")
    applied.run("plan", "--format", "html", "--output", "plan.html")
    applied.run("drift", "--report", "html=drift.html", code=2)
    planned, drifted = ((applied.root / name).read_text() for name in ("plan.html", "drift.html"))
    assert "0 to add, 1 to change, 0 to destroy" in planned
    assert "DisableKey by " in drifted
    for page in (planned, drifted):
        assert "is to rotate every 90d, and it does not rotate, its state is Disabled" in page
        assert "kmsplan.yaml:5" in page
        assert ">instance.core</span>" in page
