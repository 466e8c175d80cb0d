"""What is wrong with a configuration, at its line."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.config.diagnostic import Severity
from kmsplan.report.headline import validation_headline
from kmsplan.report.remark import Fingerprints, Level, Remark, Remarks, Rule, rules_of, worst_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kmsplan.config.diagnostic import Diagnostic, Validation
    from kmsplan.report.scene import Scene

LEVELS: Final[Mapping[Severity, Level]] = MappingProxyType(
    {Severity.ERROR: Level.ERROR, Severity.WARNING: Level.WARNING}
)


def validation_remarks(validation: Validation, _: Scene) -> Remarks:
    """Return every problem."""
    found = worst_first(_found(validation))
    return Remarks(
        title="kmsplan validate",
        headline=validation_headline(validation),
        clean=not found,
        rules=rules_of(found),
        found=found,
    )


def _found(validation: Validation) -> Iterator[Remark]:
    prints = Fingerprints()
    for one in validation.diagnostics:
        file = one.span.filename if one.span is not None else ""
        yield Remark(
            rule=_rule(one),
            level=LEVELS[one.severity],
            subject=one.address or "",
            message=f"{one.summary}: {one.detail}",
            span=one.span,
            fingerprint=prints.of(one.code, one.address or file, one.excerpt or ""),
        )


def _rule(one: Diagnostic) -> Rule:
    return Rule(
        id=one.code,
        title=one.summary,
        help=f"docs/errors.md explains {one.code}.",
        level=LEVELS[one.severity],
        tags=("configuration",),
    )
