"""Which broken rules somebody answers for."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import translate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kmsplan.config.configuration import Waiver
    from kmsplan.policy.report import Finding

_GLOB: Final = re.compile(r"[*?\[]")


class Waivers:
    """The waivers of rules, and which of them were of use."""

    def __init__(self, waivers: Iterable[Waiver]) -> None:
        self._all = [waiver for waiver in waivers if waiver.rule is not None]
        self._used: set[int] = set()
        self._exact: dict[tuple[str, str], list[Waiver]] = {}
        self._globs: dict[str, list[tuple[re.Pattern[str], Waiver]]] = {}
        for waiver in self._all:
            rule = str(waiver.rule)
            if _GLOB.search(waiver.address):
                self._globs.setdefault(rule, []).append((re.compile(translate(waiver.address)), waiver))
            else:
                self._exact.setdefault((rule, waiver.address), []).append(waiver)

    def applied(self, finding: Finding) -> Finding:
        """Return the finding with the waiver that counts longest; one that has ended is named, too."""
        rule, names = finding.rule.id, (finding.address, finding.identity)
        matching = [
            *(waiver for name in names for waiver in self._exact.get((rule, name), ())),
            *(waiver for pattern, waiver in self._globs.get(rule, ()) if any(map(pattern.match, names))),
        ]
        self._used.update(map(id, matching))
        return replace(finding, waiver=max(matching, key=lambda one: one.expires)) if matching else finding

    def unused(self) -> tuple[Waiver, ...]:
        """Return those that no finding matched, in the order in which they are written."""
        return tuple(waiver for waiver in self._all if id(waiver) not in self._used)
