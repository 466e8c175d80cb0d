"""Waivers of drift: somebody answers for a difference until a day; after that day it counts again."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from fnmatch import translate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from kmsplan.config.configuration import Waiver
    from kmsplan.plan.plan import Drift

_GLOB: Final = re.compile(r"[*?\[]")


class Judged(NamedTuple):
    """A drift, or a part of it, and the waiver that speaks of it."""

    drift: Drift
    waiver: Waiver | None
    """Of what counts: one that has expired."""
    waived: bool


@dataclass(slots=True)
class Waivers:
    """The waivers of drift, ready to be asked.

    Args:
        waivers: as configured; those of rules are none of drift.
        day: on which they are judged; the day on which one expires is the last on which it counts.
    """

    waivers: Iterable[Waiver]
    day: date
    _plain: dict[str, list[Waiver]] = field(default_factory=lambda: defaultdict(list))
    _globs: list[tuple[Callable[[str], object], Waiver]] = field(default_factory=list)
    _used: set[Waiver] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Sort the waivers: the one that counts longest is asked first."""
        self.waivers = tuple(waiver for waiver in self.waivers if waiver.rule is None)
        for waiver in sorted(self.waivers, key=lambda one: one.expires, reverse=True):
            if _GLOB.search(waiver.address):
                self._globs.append((re.compile(translate(waiver.address)).match, waiver))
            else:
                self._plain[waiver.address].append(waiver)

    @property
    def unused(self) -> tuple[Waiver, ...]:
        """Those that nothing has matched so far, in the order of the configuration."""
        return tuple(waiver for waiver in self.waivers if waiver not in self._used)

    def judge(self, drift: Drift) -> Iterator[Judged]:
        """Yield a drift, in parts where waivers accept some of its attributes only."""
        found = self._matching(drift.address or drift.identity)
        if drift.kind != "changed" or not found:
            # What is gone, or about to go, is not accepted by accepting an attribute of it.
            yield self._judged(drift, [waiver for waiver in found if waiver.attribute is None])
            return
        parts = [
            self._judged(
                replace(drift, attributes=(one,)), [waiver for waiver in found if waiver.attribute in (None, one.name)]
            )
            for one in drift.attributes
        ]
        counting = [part for part in parts if not part.waived]
        if counting:
            expired = next((part.waiver for part in counting if part.waiver), None)
            yield Judged(_joined(counting), expired, waived=False)
        accepted: dict[Waiver | None, list[Judged]] = {}
        for part in parts:
            if part.waived:
                accepted.setdefault(part.waiver, []).append(part)
        for waiver, same in accepted.items():
            yield Judged(_joined(same), waiver, waived=True)

    def _judged(self, drift: Drift, waivers: list[Waiver]) -> Judged:
        """Return what the waiver that counts longest says."""
        self._used.update(waivers)
        waiver = waivers[0] if waivers else None
        return Judged(drift, waiver, waived=waiver is not None and waiver.expires >= self.day)

    def _matching(self, name: str) -> list[Waiver]:
        found = [*self._plain.get(name, ()), *(waiver for match, waiver in self._globs if match(name))]
        return sorted(found, key=lambda one: one.expires, reverse=True) if len(found) > 1 else found


def _joined(parts: list[Judged]) -> Drift:
    """Return parts of one drift as one."""
    return replace(parts[0].drift, attributes=tuple(one for part in parts for one in part.drift.attributes))
