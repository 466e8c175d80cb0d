"""A checked configuration as JUnit: one failed case for each problem, or one that passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.junit import Case, junit, remark_case
from kmsplan.report.remark import place_of
from kmsplan.report.validation_remarks import validation_remarks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmsplan.config.diagnostic import Validation
    from kmsplan.report.remark import Remarks
    from kmsplan.report.scene import Scene


def validation_junit(validation: Validation, scene: Scene) -> str:
    """Return the cases, named by their place."""
    remarks = validation_remarks(validation, scene)
    return junit("kmsplan validate", _cases(remarks, scene), {"headline": remarks.headline})


def _cases(remarks: Remarks, scene: Scene) -> Iterator[Case]:
    for remark in remarks.found:
        place = place_of(remark, scene)
        yield remark_case(remark, f"{place.path}:{place.line}:{place.column}: {remark.rule.title}")
    if remarks.clean:
        yield Case(classname="validate", name=remarks.headline)
