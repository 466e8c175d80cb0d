"""Sections that take no references: whoever runs a command sets variables, and would set what the command must obey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kmsplan.kms.wording import shown

if TYPE_CHECKING:
    from kmsplan.config.problems import Problems
    from kmsplan.config.section import Node


def has_reference(node: Node, problems: Problems, why: str) -> bool:
    """Return whether anything in an entry is a reference, and tell of the first.

    Args:
        node: the entry as written.
        problems: where to tell.
        why: a sentence that says what variables must not decide.
    """
    path = _first(node.value, ())
    if path is None:
        return False
    value = node.value
    for step in path:
        value = value[step]
    problems.add("K306", f"{shown(value)} is a reference. {why}", node.locate(path))
    return True


def _first(value: Any, path: tuple[str | int, ...]) -> tuple[str | int, ...] | None:
    """Return where the first reference stands in a value, if anywhere."""
    if isinstance(value, str):
        return path if "${" in value else None
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in steps:
        found = path if "${" in str(step) else _first(part, (*path, step))
        if found is not None:
            return found
    return None
