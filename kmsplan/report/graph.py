"""Which object is in which, and what becomes of it: instance, key, alias.

An object is in at most one other, so that the graph is a forest, and a drawing of it has no edges that cross. It is
bounded: what somebody has to look at is a node, and so is what that is in; everything else is counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kmsplan.report.escape import escape
from kmsplan.resource.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kmsplan.report.html.page import Mark

MOST: Final = 200
"""How many marked objects are drawn unless somebody asks for more."""

_DEPTH: Final[Mapping[str, int]] = MappingProxyType(
    {"instance": 0, "default_key": 1, "service_key": 1, "key": 1, "alias": 2}
)
_PLURALS: Final[Mapping[str, str]] = MappingProxyType({"alias": "aliases", "default_key": "default keys"})


@dataclass(frozen=True, slots=True)
class Member:
    """One object that may be drawn."""

    address: str
    """Or its identity, where it is not managed."""
    parent: str | None
    """The address of what it is in."""
    mark: Mark | None = None
    """None where there is nothing to say of it."""
    was: str | None = None
    """The address of what it was in, where that is another."""


@dataclass(frozen=True, slots=True)
class More:
    """Objects that are counted and not drawn."""

    number: int
    kind: str
    mark: Mark | None

    def __str__(self) -> str:
        words = self.kind.replace("_", " ")
        words = words if self.number == 1 else _PLURALS.get(self.kind, f"{words}s")
        return (
            f"{self.number:,} {'more ' if self.mark else 'other '}{words}{f': {self.mark.word}' if self.mark else ''}"
        )


@dataclass(frozen=True, slots=True)
class Node:
    """One object that is drawn."""

    address: str
    """Safe for a terminal; every format escapes it once more in its own way."""
    mark: Mark | None
    was: str | None
    below: tuple[Node, ...]
    more: tuple[More, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """All that is drawn, and what is counted because it is in nothing that is drawn."""

    roots: tuple[Node, ...] = ()
    more: tuple[More, ...] = ()

    def walk(self) -> Iterator[tuple[Node | None, Node]]:
        """Yield every node behind the one that it is in."""
        waiting: list[tuple[Node | None, Node]] = [(None, root) for root in reversed(self.roots)]
        while waiting:
            parent, node = waiting.pop()
            yield parent, node
            waiting.extend((node, one) for one in reversed(node.below))


def graph_of(members: Iterable[Member], most: int = MOST) -> Graph:
    """Draw the first `most` marked members and what they are in; count the others where they belong.

    Args:
        members: the most important first; an address that comes twice counts as it came first.
        most: how many marked members are drawn.
    """
    known: dict[str, Member] = {}
    for member in members:
        known.setdefault(member.address, member)
    drawn: dict[str, None] = {}
    for number, member in enumerate(one for one in known.values() if one.mark is not None):
        if number == most:
            break
        drawn.update(dict.fromkeys((member.address, *_above(member, known))))
    below: dict[str | None, list[str]] = {}
    for address in sorted(drawn, key=_order):
        found = known.get(address)
        parent = _parent(found) if found is not None else None
        below.setdefault(parent, []).append(address)
    more = _counted(known, drawn)
    roots = tuple(_node(address, known, below, more) for address in below.get(None, ()))
    return Graph(roots, more.get(None, ()))


def _parent(member: Member) -> str | None:
    """Return what a member is in; a file of others may say nonsense, which must not become a circle."""
    if member.parent is None or _depth(member.parent) >= _depth(member.address):
        return None
    return member.parent


def _above(member: Member, known: Mapping[str, Member]) -> Iterator[str]:
    parent = _parent(member)
    while parent is not None:
        yield parent
        parent = _parent(known[parent]) if parent in known else None


def _node(
    address: str,
    known: Mapping[str, Member],
    below: Mapping[str | None, list[str]],
    more: Mapping[str | None, tuple[More, ...]],
) -> Node:
    member = known.get(address)
    return Node(
        address=escape(address),
        mark=member.mark if member else None,
        was=escape(member.was) if member and member.was else None,
        below=tuple(_node(one, known, below, more) for one in below.get(address, ())),
        more=more.get(address, ()),
    )


def _counted(known: Mapping[str, Member], drawn: Mapping[str, None]) -> dict[str | None, tuple[More, ...]]:
    """Count what is not drawn, by the nearest node that it is in."""
    found: dict[str | None, Counter[tuple[str, Mark | None]]] = {}
    for address, member in known.items():
        if address not in drawn:
            nearest = next((one for one in _above(member, known) if one in drawn), None)
            found.setdefault(nearest, Counter())[_kind(address), member.mark] += 1
    return {
        nearest: tuple(
            More(number, kind, mark)
            for (kind, mark), number in sorted(counter.items(), key=lambda one: (one[0][1] is None, str(one[0])))
        )
        for nearest, counter in found.items()
    }


def _kind(address: str) -> str:
    kind = address.partition(".")[0]
    return kind if kind in KINDS else "unmanaged key"


def _depth(address: str) -> int:
    return _DEPTH.get(address.partition(".")[0], -1 if address.startswith("kst-") else 1)


def _order(address: str) -> tuple[int, str]:
    return _depth(address), address
