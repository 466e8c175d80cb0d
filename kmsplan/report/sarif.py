"""Remarks as SARIF 2.1.0 (OASIS), as code scanning takes it: located at the YAML line, with rules and fingerprints.

GitHub takes 25,000 results of a run, and shows 5,000. The worst come first; where some are left out, a notification in
the run says how many. What a waiver accepts is left out as well, because GitHub shows suppressed results as open ones.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson

from kmsplan import __version__
from kmsplan.report.escape import escape
from kmsplan.report.remark import Level, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kmsplan.report.remark import Remark, Remarks, Rule
    from kmsplan.report.scene import Scene

MOST_RESULTS: Final = 25_000
MOST_TAGS: Final = 20
_ANY: Final = "surrogatepass"
"""File names are whatever bytes somebody made them of."""
SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
SECURITY_SEVERITIES: Final[Mapping[Level, str]] = MappingProxyType(
    {Level.ERROR: "8.0", Level.WARNING: "5.0", Level.NOTE: "2.0"}
)
"""GitHub's high, medium and low, from 0.1 to 10.0."""


def sarif(remarks: Remarks, scene: Scene) -> str:
    """Return one run with a result for each remark that says that something is wrong."""
    defects = remarks.defects
    shown = defects[:MOST_RESULTS]
    numbers = {rule.id: number for number, rule in enumerate(remarks.rules)}
    run = {
        "tool": {
            "driver": {
                "name": "kmsplan",
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in remarks.rules],
            }
        },
        "automationDetails": {"id": f"{remarks.title.replace(' ', '/')}/{quote(scene.environment, errors=_ANY)}/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The folder that the command ran in."}}},
        "invocations": [_invocation(remarks, defects)],
        "results": [_result(remark, numbers, scene) for remark in shown],
        "properties": {"waived": remarks.accepted, "headline": remarks.headline},
    }
    return orjson.dumps(
        {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2
    ).decode()


def _rule(rule: Rule) -> dict[str, Any]:
    title, advice = escape(rule.title), escape(rule.help)
    return {
        "id": escape(rule.id),
        "name": escape(rule.id),
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {"text": advice},
        "defaultConfiguration": {"level": rule.level.value},
        "properties": {
            "tags": ["security", *(escape(tag) for tag in rule.tags)][:MOST_TAGS],
            "security-severity": SECURITY_SEVERITIES[rule.level],
        },
    }


def _invocation(remarks: Remarks, defects: Sequence[Remark]) -> dict[str, Any]:
    left = len(defects) - MOST_RESULTS
    if left <= 0:
        return {"executionSuccessful": True}
    words = f"{left} more results are left out: code scanning takes {MOST_RESULTS}. {remarks.headline}"
    return {
        "executionSuccessful": True,
        "toolExecutionNotifications": [{"level": "warning", "message": {"text": words}}],
    }


def _result(remark: Remark, numbers: Mapping[str, int], scene: Scene) -> dict[str, Any]:
    place = place_of(remark, scene)
    located: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(place.path, errors=_ANY), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": place.line, "startColumn": place.column},
        }
    }
    if remark.subject:
        located["logicalLocations"] = [{"fullyQualifiedName": escape(remark.subject), "kind": "resource"}]
    return {
        "ruleId": escape(remark.rule.id),
        "ruleIndex": numbers[remark.rule.id],
        "level": remark.level.value,
        "message": {"text": _message(remark.message)},
        "locations": [located],
        "partialFingerprints": {
            "kmsplan/v1": remark.fingerprint,
            "primaryLocationLineHash": f"{remark.fingerprint}:1",
        },
    }


def _message(text: str) -> str:
    """Return text in which nothing is an embedded link (SARIF 2.1.0, 3.11.6)."""
    return escape(text).replace("](", "] (")
