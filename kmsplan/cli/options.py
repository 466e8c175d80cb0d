"""Options that several commands share, and what the planning ones amount to."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kmsplan.cli import suggest

if TYPE_CHECKING:
    from collections.abc import Callable

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """--var and --var-file."""

    assignments: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What to plan, and which brakes are released."""

    variables: Variables
    destroy: bool = False
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    refresh: bool = True
    allow_delete: int | None = None
    allow_mass: bool = False
    allow_in_use: tuple[str, ...] = ()
    allow_release: tuple[str, ...] = ()
    accept_old_state: bool = False


_VARIABLES = (
    click.option("--var", "assignments", multiple=True, metavar="NAME=VALUE", help="A variable's value."),
    click.option(
        "--var-file",
        "files",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A YAML file of variable values; repeatable, the last one wins, --var beats it.",
    ),
)
_PLANNING = (
    click.option(
        "--target",
        "targets",
        multiple=True,
        metavar="ADDRESS",
        shell_complete=suggest.addresses,
        help="Plan only this and what it needs; globs too.",
    ),
    click.option(
        "--exclude",
        "excludes",
        multiple=True,
        metavar="ADDRESS",
        shell_complete=suggest.addresses,
        help="Leave this and what needs it out.",
    ),
    click.option(
        "--no-refresh", "refresh", flag_value=False, default=True, help="Trust the state; do not read the KMS."
    ),
    click.option("--allow-delete", type=int, metavar="N", help="Let exactly N deletions pass."),
    click.option("--allow-mass", is_flag=True, help="Let a change of more than 30 % of ten or more keys pass."),
    click.option(
        "--allow-in-use",
        multiple=True,
        metavar="ADDRESS",
        shell_complete=suggest.recorded,
        help="Let this key be disabled, deleted or lose its material although in use.",
    ),
    click.option(
        "--allow-release",
        multiple=True,
        metavar="ADDRESS",
        shell_complete=suggest.recorded,
        help="Let this instance be released, at once and for ever.",
    ),
    click.option(
        "--accept-old-state", is_flag=True, help="Go on with this state although the KMS has seen a newer one."
    ),
)
destroy_option = click.option("--destroy", is_flag=True, help="Plan the end of everything that is recorded.")


def _apply(options: tuple[Callable[..., Any], ...], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def _taken(kwargs: dict[str, Any], shape: type, **extra: Any) -> Any:
    names = [name for name in shape.__dataclass_fields__ if name in kwargs]  # type: ignore[attr-defined]
    return shape(**{name: kwargs.pop(name) for name in names}, **extra)


def variable_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --var and --var-file; the command gets them as `variables`."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return command(*args, variables=_taken(kwargs, Variables), **kwargs)

    return _apply(_VARIABLES, wrapper)


def planning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add all that decides a plan but --destroy; the command gets it as `planning`."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        variables = _taken(kwargs, Variables)
        return command(*args, planning=_taken(kwargs, Planning, variables=variables), **kwargs)

    return _apply((*_VARIABLES, *_PLANNING), wrapper)
