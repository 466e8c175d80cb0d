"""A checked configuration for people, as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.diagnostics_text import diagnostics_text
from kmsplan.report.headline import validation_headline

if TYPE_CHECKING:
    from kmsplan.config.diagnostic import Validation
    from kmsplan.report.scene import Scene


def validation_text(validation: Validation, scene: Scene) -> str:
    """Return every problem, and how it came out."""
    told = diagnostics_text(validation.diagnostics, scene.style)
    return f"{told}{validation_headline(validation)}\n" if validation.valid else told
