"""Plans that were saved in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.cli.failure import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from kmsplan.plan.plan import Plan


def saved_plan(path: Path) -> Plan:
    """Read a plan from a file.

    Raises:
        PlanFileError: it is no plan, or was edited.
        UserError: it cannot be read.
    """
    from kmsplan.plan.planfile import load  # noqa: PLC0415 - most commands read no plan

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"there is no saved plan {path}", f"Name the file of one, or save it first: kmsplan plan -o {path}"
        ) from None
    except OSError as error:
        raise UserError(
            f"the saved plan {path} cannot be read: {(error.strerror or type(error).__name__).lower()}",
            "Name a file that kmsplan plan -o has written, and that you can read.",
        ) from error
    return load(content)
