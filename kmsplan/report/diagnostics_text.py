"""Problems in what users wrote, each with its place and a caret under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.config.diagnostic import Severity
from kmsplan.kms.wording import width
from kmsplan.report.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kmsplan.config.diagnostic import Diagnostic, Span
    from kmsplan.report.style import Style


def diagnostics_text(diagnostics: Iterable[Diagnostic], style: Style) -> str:
    """Return problems as text, one paragraph each, and how many there are."""
    diagnostics = tuple(diagnostics)
    paragraphs = ["".join(f"{line}\n" for line in _paragraph(one, style)) for one in diagnostics]
    return "\n".join([*paragraphs, *([f"{_count(diagnostics)}\n"] if len(diagnostics) > 1 else [])])


def diagnostic_line(one: Diagnostic, style: Style) -> str:
    """Return a problem as one line, which does not end: for a command that is about something else."""
    place = f" {escape(one.span.filename)}:{one.span.line}:{one.span.column}:" if one.span else ""
    return f"{_mark(one, style)}{place} {escape(one.detail)} ({one.code})"


def _mark(one: Diagnostic, style: Style) -> str:
    return style.error("Error:") if one.severity is Severity.ERROR else style.warning("Warning:")


def _paragraph(one: Diagnostic, style: Style) -> Iterator[str]:
    yield f"{_mark(one, style)} {style.bold(escape(one.summary))} ({one.code})"
    if one.span is not None:
        inside = f", in {escape(one.address)}" if one.address else ""
        yield f"  on {escape(one.span.filename)} line {one.span.line}, column {one.span.column}{inside}:"
        if one.excerpt is not None:
            yield from _excerpt(one.excerpt, one.span, style)
    elif one.address:
        yield f"  in {escape(one.address)}"
    for line in one.detail.split("\n"):
        yield f"  {escape(line)}"


def _excerpt(excerpt: str, span: Span, style: Style) -> Iterator[str]:
    """Escapes and wide characters take more columns than they are characters, so the caret is placed by columns."""
    start = min(span.column - 1, len(excerpt))
    end = span.end_column - 1 if span.end_line == span.line else len(excerpt)
    before, marked = escape(excerpt[:start]), escape(excerpt[start : max(start + 1, end)])
    margin = f"  {span.line}: "
    yield f"{margin}{before}{marked}{escape(excerpt[max(start + 1, end) :])}".rstrip()
    yield f"{' ' * (len(margin) + width(before))}{style.error('^' * max(1, width(marked)))}"


def _count(diagnostics: Iterable[Diagnostic]) -> str:
    diagnostics = tuple(diagnostics)
    errors = sum(one.severity is Severity.ERROR for one in diagnostics)
    warnings = len(diagnostics) - errors
    parts = [f"{errors} error{'' if errors == 1 else 's'}"] if errors else []
    parts += [f"{warnings} warning{'' if warnings == 1 else 's'}"] if warnings else []
    return f"{', '.join(parts)}."
