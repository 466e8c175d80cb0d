"""The graph of a plan: what is drawn, what is counted, and its text forms."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmsplan.report.escape import escape
from kmsplan.report.graph import Graph, Member, graph_of
from kmsplan.report.graph_dot import graph_dot, graph_svg
from kmsplan.report.graph_mermaid import FILLS, graph_mermaid
from kmsplan.report.html.page import Mark, Tone
from kmsplan.report.plan_mark import members
from tests.browser.specimen import EVIL, many, plan

if TYPE_CHECKING:
    from kmsplan.report.graph import Node

NEW, OFF = Mark("+", "create", Tone.GOOD), Mark("~", "disable", Tone.BAD)
NAMES = st.text(max_size=12)


def addresses(nodes: tuple[Node, ...]) -> list[str]:
    return [node.address for node in nodes]


def counted(node: Node | Graph) -> list[str]:
    return [str(more) for more in node.more]


def test_what_changes_is_drawn_in_what_it_is_in_and_the_rest_is_counted() -> None:
    found = graph_of(members(plan()))
    assert addresses(found.roots) == ["instance.core", "instance.other"]
    core, other = found.roots
    assert core.mark is None
    assert addresses(core.below) == ["key.blocked", "key.gone", "key.off", "key.tagged"]
    assert counted(core) == ["12 other keys"]
    assert [addresses(key.below) for key in other.below] == [["alias.moved"]]
    assert other.below[0].below[0].was == "key.gone"


def test_a_drawing_is_bounded_and_the_riskiest_are_in_it() -> None:
    found = graph_of(members(many(1000)), most=50)
    (core,) = found.roots
    assert len(core.below) == 50
    assert {node.mark.word for node in core.below if node.mark} == {"disable"}
    assert sorted(counted(core)) == ["50 more keys: disable", "900 more keys: create"]


def test_nothing_is_drawn_where_nothing_is_to_be_looked_at() -> None:
    assert graph_of([Member("key.a", "instance.i"), Member("instance.i", None)]).roots == ()


def test_what_is_in_nothing_that_is_drawn_is_counted_apart() -> None:
    found = graph_of([Member("key.a", None, NEW), Member("key.b", "instance.i"), Member("alias.b", "key.b")])
    assert (addresses(found.roots), counted(found)) == (["key.a"], ["1 other alias", "1 other key"])


def test_unmanaged_keys_are_called_so() -> None:
    found = graph_of([Member("key.a", None, NEW), Member("key-1", None), Member("key-2", None)])
    assert counted(found) == ["2 other unmanaged keys"]


def test_a_file_that_makes_a_circle_of_them_makes_none_of_the_drawing() -> None:
    found = graph_of(
        [Member("alias.a", "alias.b", NEW), Member("alias.b", "alias.a", NEW), Member("key.k", "key.k", OFF)]
    )
    assert sorted(addresses(found.roots)) == ["alias.a", "alias.b", "key.k"]


@given(
    st.lists(
        st.builds(
            Member,
            st.sampled_from([f"{kind}.{name}" for kind in ("instance", "key", "alias") for name in "abc"]),
            st.none() | st.sampled_from([f"{kind}.{name}" for kind in ("instance", "key", "alias") for name in "abc"]),
            st.none() | st.just(NEW),
        )
    ),
    st.integers(0, 5),
)
def test_every_member_is_drawn_once_or_counted_once(given_members: list[Member], most: int) -> None:
    found = graph_of(given_members, most)
    nodes = [node for _, node in found.walk()]
    known = {member.address for member in given_members}
    drawn = Counter(node.address for node in nodes)
    assert set(drawn.values()) <= {1}
    number = sum(more.number for node in nodes for more in node.more) + sum(more.number for more in found.more)
    assert number == len(known - drawn.keys())
    assert sum(node.mark is not None for node in nodes) <= most * 3


def test_mermaid_has_a_box_for_each_and_a_dotted_line_from_where_an_alias_was() -> None:
    lines = graph_mermaid(graph_of(members(plan()))).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  n2["#45; key.gone: schedule deletion"]:::bad' in lines
    assert '  n0m0["12 other keys"]:::quiet' in lines
    assert "  n0 --> n2" in lines
    assert "  n2 -. was .-> n7" in lines


def test_what_is_counted_apart_has_a_box_of_its_own_in_every_form() -> None:
    found = graph_of([Member("key.a", None, NEW), Member("key.b", None, OFF), Member("key.c", None)], most=1)
    assert '  m0["#126; 1 more key: disable"]:::bad' in graph_mermaid(found).splitlines()
    assert 'm1 [label="1 other key"' in graph_dot(found)


@given(NAMES)
def test_no_text_gets_out_of_its_box_in_mermaid(name: str) -> None:
    text = graph_mermaid(graph_of([Member(f"key.{name}", None, NEW)]))
    (box,) = [line for line in text.split("\n") if "[" in line]
    found = re.fullmatch(r'  n0\["([A-Za-z0-9 .:_,/#;-]*)"\]:::good', box)
    assert found is not None
    assert re.sub(r"#(\d+);", lambda code: chr(int(code[1])), found[1]) == f"+ key.{escape(name)}: create"


def test_the_drawing_says_what_the_boxes_say_whatever_people_write() -> None:
    drawing = ET.fromstring(graph_svg(graph_of(members(plan(EVIL)))))  # noqa: S314 - our own
    texts = ["".join(one.itertext()) for one in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert f"- key.gone{escape(EVIL)}: schedule deletion" in texts
    assert "12 other keys" in texts
    assert {one.tag.rpartition("}")[2] for one in drawing.iter()} <= {"svg", "g", "title", "polygon", "path", "text"}


@settings(max_examples=25)
@given(NAMES)
def test_dot_reads_its_own_quoting(name: str) -> None:
    text = graph_dot(graph_of([Member(f"key.{name}", None, NEW)]))
    done = subprocess.run(["dot", "-Tplain"], input=text.encode(), capture_output=True, check=False)
    assert done.stderr == b""
    assert done.stdout.decode().count("\nnode ") == 1


@pytest.mark.parametrize("tone", list(Tone))
def test_text_stands_out_from_the_colour_behind_it(tone: Tone) -> None:
    def light(colour: str) -> float:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    fill, ink = FILLS[tone]
    assert (light(fill) + 0.05) / (light(ink) + 0.05) >= 4.5
