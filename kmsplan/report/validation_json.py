"""A checked configuration for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.diagnostics_json import diagnostics_json

if TYPE_CHECKING:
    from kmsplan.config.diagnostic import Validation
    from kmsplan.report.scene import Scene


def validation_json(validation: Validation, _: Scene) -> str:
    """Return every problem as one JSON document; file names are relative to the configuration folder."""
    return diagnostics_json(validation.diagnostics)
