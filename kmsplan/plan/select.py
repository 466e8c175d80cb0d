"""Targets and excludes: which part of a plan is meant."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

from kmsplan.plan import rules
from kmsplan.plan.graph import closure, dependents

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kmsplan.plan.plan import Change, PlanOptions, Violation
    from kmsplan.resource.address import Address


def unknown_patterns(options: PlanOptions, known: Collection[Address]) -> tuple[Violation, ...]:
    """Return a violation for every pattern that matches nothing: a typo must not plan the empty set."""
    return tuple(
        rules.unknown_pattern(flag, pattern, _near(pattern, known))
        for flag, patterns in (("--target", options.targets), ("--exclude", options.excludes))
        for pattern in patterns
        if not _matching(pattern, known)
    )


def selected(options: PlanOptions, changes: Mapping[Address, Change], known: Collection[Address]) -> set[Address]:
    """Return the targets with all they wait for, less the excludes with all that waits for them."""
    chosen = set(known)
    if options.targets:
        targets = {address for pattern in options.targets for address in _matching(pattern, known)}
        chosen = closure(targets, {address: change.depends_on for address, change in changes.items()})
    if options.excludes:
        excludes = {address for pattern in options.excludes for address in _matching(pattern, known)}
        chosen -= closure(excludes, dependents(changes.values()))
    return chosen


def _near(pattern: str, known: Collection[Address]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    return get_close_matches(pattern, known, n=2)


def _matching(pattern: str, known: Collection[Address]) -> list[Address]:
    """A name without wildcards is an exact address; `*`, `?` and `[...]` work as in file names, case and all."""
    match = re.compile(translate(pattern)).match
    return [address for address in known if address == pattern or match(address)]
