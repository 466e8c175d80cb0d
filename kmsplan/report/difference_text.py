"""What differs between two serials, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from kmsplan.report.block_text import differing, head, whole
from kmsplan.report.escape import escape
from kmsplan.resource.address import kind_of
from kmsplan.state.difference import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kmsplan.report.style import Style
    from kmsplan.state.difference import Difference
    from kmsplan.state.record import Record

NO_DIFFERENCE: Final = "No difference."
_GLYPHS: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~", Kind.MOVED: "~"}
)


def difference_text(found: Sequence[Difference], style: Style) -> str:
    """Return each record that differs; the last line counts them."""
    if not found:
        return f"{style.bold(NO_DIFFERENCE)}\n"
    counted = Counter(one.kind for one in found)
    lines = [line for one in found for line in (*_block(one, style), "")]
    summary = ", ".join(f"{counted[kind]} {kind.value}" for kind in Kind if counted[kind])
    return "".join(f"{line}\n" for line in [*lines, style.bold(f"Records: {summary}.")])


def _block(one: Difference, style: Style) -> Iterator[str]:
    moved = f", which was {escape(one.before.address)}" if one.kind is Kind.MOVED and one.before else ""
    yield f"  # {style.bold(escape(one.address))}{moved}"
    glyph, kind = _GLYPHS[one.kind], kind_of(one.address)
    mark = {"+": style.green, "-": style.red, "~": style.yellow}[glyph](glyph)
    yield f"  {mark} {head(one.address)} {{"
    if one.before is None or one.after is None:
        record = one.after or one.before
        lines = whole(kind, _told(record) if record else {}, glyph, style)
    else:
        before, after = _told(one.before), _told(one.after)
        names = [*(name for name in ("identity", "status") if before[name] != after[name]), *one.names]
        lines = differing(kind, before, after, names, style, max(map(len, names), default=0))
    yield from (f"      {line}" for line in lines)
    yield "    }"


def _told(record: Record) -> dict[str, Any]:
    return {"identity": record.identity, "status": record.status.value, **record.attributes}
