"""`kmsplan validate --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.diagnostic import Severity
from kmsplan.report.document import document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.config.diagnostic import Diagnostic, Span

FORMAT_VERSION: Final = "1.0"


def diagnostics_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return problems as one JSON document; without errors, `valid` is true."""
    diagnostics = tuple(diagnostics)
    errors = sum(one.severity is Severity.ERROR for one in diagnostics)
    return document(
        FORMAT_VERSION,
        {
            "valid": errors == 0,
            "error_count": errors,
            "warning_count": len(diagnostics) - errors,
            "diagnostics": [diagnostic_object(one) for one in diagnostics],
        },
    )


def diagnostic_object(one: Diagnostic) -> dict[str, Any]:
    """Return one problem in Terraform's form."""
    return {
        "severity": one.severity.value,
        "code": one.code,
        "summary": one.summary,
        "detail": one.detail,
        "address": one.address,
        "range": _range(one.span) if one.span else None,
        "snippet": {"code": one.excerpt} if one.excerpt is not None else None,
    }


def _range(span: Span) -> dict[str, Any]:
    return {
        "filename": span.filename,
        "start": {"line": span.line, "column": span.column},
        "end": {"line": span.end_line, "column": span.end_column},
    }
