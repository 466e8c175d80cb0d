"""What every Markdown report has: first lines, last ones, and the one line that is all where nothing is to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan import __version__
from kmsplan.report.markdown_text import code, marker
from kmsplan.resource.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.report.fitting import Medium
    from kmsplan.report.scene import Scene


def opening(subject: str, title: str, headline: str, environment: str, medium: Medium) -> str:
    """Return the hidden marker where it is wanted, and the title."""
    hidden = marker(environment, subject) if medium.marked else ""
    return f"{hidden}### {title}: {headline}\n\n"


def one_line(subject: str, title: str, headline: str, environment: str, medium: Medium) -> str:
    """Return a report that has nothing to say."""
    hidden = marker(environment, subject) if medium.marked else ""
    where = f" ({code(environment)})" if environment else ""
    return f"{hidden}**{title}**{where}: {headline}\n"


def closing(next_steps: Iterable[str], facts: Iterable[str]) -> str:
    """Return what to do next, a line each, and what the report is of."""
    steps = "".join(f"- {step}\n" for step in next_steps)
    told = " · ".join((*facts, f"kmsplan {__version__}"))
    return f"{f'**Next**{chr(10) * 2}{steps}{chr(10)}' if steps else ''}<sub>{told}</sub>\n"


def environment_fact(environment: str) -> tuple[str, ...]:
    """Return which KMS it is about."""
    return (code(environment),) if environment else ()


def declared_at(address: str, scene: Scene) -> str:
    """Return ` (file:line)` of a declaration, escaped; "" where there is none."""
    span = scene.places.get(Address(address))
    return f" ({code(f'{scene.path(span)}:{span.line}')})" if span is not None else ""
