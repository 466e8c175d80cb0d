"""Blocks about addresses rather than objects: moved, removed, import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kmsplan.config.configuration import Import
from kmsplan.config.problems import Gap
from kmsplan.kms.naming import parse_duration
from kmsplan.resource.address import Address, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kmsplan.config.expand import Entry, Expanded
    from kmsplan.config.objects import Objects
    from kmsplan.config.problems import Problems


_STAGED_KINDS: Final = ("key", "default_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """What the blocks say, by address."""

    moved: Mapping[Address, Address]
    removed: frozenset[Address]
    staged: Mapping[Address, int | None]
    imports: tuple[Import, ...]


def read_blocks(expanded: Expanded, objects: Objects, problems: Problems) -> Blocks:
    """Return the blocks; those that contradict what is declared, or each other, are problems."""
    moved = _pairs(expanded.lists["moved"], ("from", "to"), "K504", problems)
    imported = _pairs(expanded.lists["import"], ("address", "identity"), "K506", problems)
    removed = _removed(expanded.lists["removed"], problems)
    for source, (target, entry) in moved.items():
        _move(source, target, entry, objects, problems)
    for address, entry in removed.items():
        _removal(address, entry, moved, objects, problems)
        _manner(address, entry, problems)
    for address, (_, entry) in imported.items():
        _declared(address, entry, "address", "K506", objects, problems)
    return Blocks(
        moved={Address(source): Address(target) for source, (target, _) in sorted(moved.items())},
        removed=frozenset(Address(address) for address, entry in removed.items() if "forget" in entry.written),
        staged={
            Address(address): _unused_for(entry)
            for address, entry in sorted(removed.items())
            if "destroy" in entry.written
        },
        imports=tuple(
            Import(address=Address(address), identity=name, owner=entry.written.get("owner"))
            for address, (name, entry) in sorted(imported.items())
        ),
    )


def _pairs(
    entries: Sequence[Entry], names: tuple[str, str], code: str, problems: Problems
) -> dict[str, tuple[str, Entry]]:
    """Return first -> second of each block; neither side may stand in two blocks."""
    pairs: dict[str, tuple[str, Entry]] = {}
    seconds: dict[str, Entry] = {}
    for entry in entries:
        first, second = entry.written[names[0]], entry.written[names[1]]
        known = pairs.get(first)
        if known:
            _twice(first, entry, known[1], names[0], code, problems)
            continue
        if second in seconds:
            _twice(second, entry, seconds[second], names[1], code, problems)
        pairs[first] = (second, entry)
        seconds.setdefault(second, entry)
    return pairs


def _removed(entries: Sequence[Entry], problems: Problems) -> dict[str, Entry]:
    """Return the entries by address; none may stand twice."""
    found: dict[str, Entry] = {}
    for entry in entries:
        first = found.setdefault(entry.written["address"], entry)
        if first is not entry:
            _twice(entry.written["address"], entry, first, "address", "K505", problems)
    return found


def _twice(what: str, entry: Entry, first: Entry, name: str, code: str, problems: Problems) -> None:
    place = first.node.locate((name,))
    problems.add(code, f"{what} stands at {place}, too. Keep one of the two.", entry.node.locate((name,)))


def _move(source: str, target: str, entry: Entry, objects: Objects, problems: Problems) -> None:
    if kind_of(Address(source)) != kind_of(Address(target)):
        detail = f"{source} and {target} are of different kinds; an object keeps its kind."
        problems.add("K504", detail, entry.node.locate(("to",)))
    if source in objects:
        detail = f"{source} is still declared. A moved object has one address: remove {source}, or the move."
        problems.add("K504", detail, entry.node.locate(("from",)))
    _declared(target, entry, "to", "K504", objects, problems)


def _removal(address: str, entry: Entry, moved: Mapping[str, Any], objects: Objects, problems: Problems) -> None:
    if address in objects:
        detail = f"{address} is still declared. Remove its declaration to forget it, or remove this block to keep it."
        problems.add("K505", detail, entry.node.locate(("address",)))
    elif address in moved:
        detail = f"{address} is moved at {moved[address][1].node.locate(('from',))}, too. Do one of the two."
        problems.add("K505", detail, entry.node.locate(("address",)))


def _manner(address: str, entry: Entry, problems: Problems) -> None:
    """Want one way in which a removed object goes; only keys go in stages."""
    written, problem = entry.written, None
    if ("forget" in written) == ("destroy" in written):
        problem = "Say one of forget: true (the object stays, unmanaged) and destroy: staged (a key goes step by step)"
    elif "destroy" in written and kind_of(Address(address)) not in _STAGED_KINDS:
        problem = f"{address} is no key. What is not declared any more is deleted without this block"
    elif "unused_for" in written and "destroy" not in written:
        problem = "`unused_for` goes with destroy: staged. Remove it"
    if problem is not None:
        problems.add("K505", f"{problem}.", entry.node.locate(("address",)))


def _unused_for(entry: Entry) -> int | None:
    said = entry.written.get("unused_for")
    return None if said is None else parse_duration(said)


def _declared(address: str, entry: Entry, name: str, code: str, objects: Objects, problems: Problems) -> None:
    if address not in objects:
        hint = objects.hint(address, whole=True)
        detail = f"{address} is not declared.{hint} Declare it, so that it is known what it should be."
        problems.add(code, detail, entry.node.locate((name,)), until=Gap.NAMES)
