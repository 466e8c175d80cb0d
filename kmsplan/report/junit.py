"""JUnit XML as Jenkins, GitLab and Azure Pipelines read it; the schema is that of Jenkins' xUnit plugin.

All text is escaped before it comes into the document: XML has no way to write most control characters, and refuses a
file that holds one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from kmsplan.report.escape import escape
from kmsplan.report.remark import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kmsplan.report.remark import Remark

_NOT_XML: Final = dict.fromkeys((0xFFFE, 0xFFFF), "?")
"""What `escape` leaves and XML 1.0 has no place for (its production 2); all else that it refuses is escaped."""


class Verdict(StrEnum):
    """How a case came out; the words are the elements' names."""

    PASSED = "passed"
    FAILED = "failure"
    ERRED = "error"
    """Nobody knows how it would have come out."""
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case."""

    classname: str
    name: str
    verdict: Verdict = Verdict.PASSED
    type: str = ""
    """A rule's id or an error's code."""
    message: str = ""
    seconds: float = 0.0


def junit(suite: str, cases: Iterable[Case], properties: Mapping[str, str]) -> str:
    """Return a document with one suite. Consumers refuse a suite without cases, so that there must be one."""
    cases = tuple(cases)
    found = Counter(case.verdict for case in cases)
    counted = {
        "tests": str(len(cases)),
        "failures": str(found[Verdict.FAILED]),
        "errors": str(found[Verdict.ERRED]),
    }
    seconds = _seconds(sum(case.seconds for case in cases))
    root = ET.Element("testsuites", {"name": "kmsplan", "time": seconds, **counted})
    node = ET.SubElement(
        root, "testsuite", {"name": suite, "time": seconds, **counted, "skipped": str(found[Verdict.SKIPPED])}
    )
    said = ET.SubElement(node, "properties")
    for name, value in properties.items():
        ET.SubElement(said, "property", {"name": name, "value": _safe(value)})
    for case in cases:
        _add(node, case)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def remark_case(remark: Remark, name: str = "") -> Case:
    """Return the case of a remark: a note passes no judgement, so that it is skipped."""
    verdict = Verdict.SKIPPED if remark.level is Level.NOTE else Verdict.FAILED
    return Case(
        classname=remark.rule.id,
        name=name or f"{remark.subject}: {remark.rule.title}".removeprefix(": "),
        verdict=verdict,
        type=remark.rule.id,
        message=remark.message,
    )


def _add(suite: ET.Element, case: Case) -> None:
    node = ET.SubElement(
        suite,
        "testcase",
        {"classname": _safe(case.classname), "name": _safe(case.name), "time": _seconds(case.seconds)},
    )
    if case.verdict is Verdict.PASSED:
        return
    told = ET.SubElement(node, case.verdict.value, {"type": _safe(case.type), "message": _safe(case.message)})
    if case.verdict is not Verdict.SKIPPED:
        told.text = _safe(case.message)


def _safe(text: str) -> str:
    return escape(text).translate(_NOT_XML)


def _seconds(value: float) -> str:
    return f"{value:.3f}"
