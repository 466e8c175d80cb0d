"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


def variable_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --var and --var-file."""
    command = click.option(
        "--var-file",
        "files",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A YAML file of variable values; repeatable, the last one wins.",
    )(command)
    return click.option(
        "--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable's value; beats --var-file."
    )(command)
