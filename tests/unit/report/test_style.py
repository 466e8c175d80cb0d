from __future__ import annotations

from kmsplan.report.style import Style


def test_without_colour_text_stays_as_it_is() -> None:
    style = Style()
    marks = (style.bold, style.dim, style.red, style.green, style.yellow, style.cyan, style.error, style.warning)
    assert {mark("x") for mark in marks} == {"x"}


def test_with_colour_every_mark_is_undone() -> None:
    style = Style(color=True)
    marks = (style.bold, style.dim, style.red, style.green, style.yellow, style.cyan, style.error, style.warning)
    marked = {mark("x") for mark in marks}
    assert len(marked) == len(marks)
    assert all(text.startswith("\x1b[") and text.endswith("x\x1b[0m") for text in marked)
