"""Remarks as a code quality report of GitLab: a JSON array, shown in merge requests at the lines.

The form is docs.gitlab.com, "Code Quality report format". A fingerprint stands for a rule and an object, so that it
stays when lines move, and GitLab tells new from old.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson

from kmsplan.report.escape import escape
from kmsplan.report.remark import Level, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmsplan.report.remark import Remark, Remarks
    from kmsplan.report.scene import Scene

SEVERITIES: Final[Mapping[Level, str]] = MappingProxyType(
    {Level.ERROR: "critical", Level.WARNING: "major", Level.NOTE: "info"}
)


def gitlab_codequality(remarks: Remarks, scene: Scene) -> str:
    """Return one entry for each remark that says that something is wrong."""
    entries = [_entry(remark, scene) for remark in remarks.defects]
    return orjson.dumps(entries, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2).decode()


def _entry(remark: Remark, scene: Scene) -> dict[str, Any]:
    place = place_of(remark, scene)
    return {
        "description": escape(remark.message),
        "check_name": escape(remark.rule.id),
        "fingerprint": remark.fingerprint,
        "severity": SEVERITIES[remark.level],
        "location": {"path": escape(place.path), "lines": {"begin": place.line}},
    }
