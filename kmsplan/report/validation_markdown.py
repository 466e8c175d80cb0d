"""A checked configuration as a comment or a job's summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.fitting import COMMENT, SUMMARY, some_of
from kmsplan.report.markdown_page import closing, one_line, opening
from kmsplan.report.markdown_text import code, head, prose, row
from kmsplan.report.remark import place_of
from kmsplan.report.validation_remarks import validation_remarks

if TYPE_CHECKING:
    from kmsplan.config.diagnostic import Validation
    from kmsplan.report.fitting import Medium
    from kmsplan.report.remark import Remark
    from kmsplan.report.scene import Scene


def validation_markdown(validation: Validation, scene: Scene) -> str:
    """Return a checked configuration as a comment of less than 60,000 characters."""
    return _page(validation, scene, COMMENT)


def validation_summary(validation: Validation, scene: Scene) -> str:
    """Return a checked configuration as a job's summary of less than 1 MiB."""
    return _page(validation, scene, SUMMARY)


def _page(validation: Validation, scene: Scene, medium: Medium) -> str:
    remarks = validation_remarks(validation, scene)
    if remarks.clean:
        return one_line("validation", remarks.title, remarks.headline, "", medium)
    rows = (_row(remark, scene) for remark in remarks.found)
    room = medium.limit * 4 // 5
    table = some_of(rows, len(remarks.found), room, lambda more: row(["", f"{more} more", ""]))
    columns = head(("level", "where", "what"))
    top = opening("validation", remarks.title, remarks.headline, "", medium)
    return f"{top}{columns}{table}\n{closing((), ())}"


def _row(remark: Remark, scene: Scene) -> str:
    place = place_of(remark, scene)
    where = f"{code(f'{place.path}:{place.line}:{place.column}')} {code(remark.subject)}".rstrip()
    return row((f"**{remark.level.value}**", where, f"**{prose(remark.rule.id)}** {prose(remark.message)}"))
