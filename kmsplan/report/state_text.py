"""The recorded state for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmsplan.report.block_text import head, whole
from kmsplan.report.escape import escape
from kmsplan.resource.address import kind_of
from kmsplan.resource.step import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kmsplan.report.style import Style
    from kmsplan.state.record import Pending, Record, Recorded


def state_text(recorded: Recorded, style: Style) -> str:
    """Return every record, sorted by address, and what an interrupted run left open."""
    if not recorded.exists:
        return "There is no state yet; the first kmsplan apply makes it.\n"
    lines = [f"# lineage {escape(recorded.lineage)}, serial {recorded.serial}, {escape(recorded.environment) or 'new'}"]
    for address in sorted(recorded.records):
        lines += ["", *_record(recorded.records[address], style)]
    lines += _pending(recorded.pending, style)
    return "".join(f"{line}\n" for line in lines)


def _record(record: Record, style: Style) -> Iterator[str]:
    note = "" if record.status is Status.READY else f" ({record.status.value.replace('_', ' ')})"
    yield f"# {style.bold(escape(record.address))}:{note}"
    yield f"{head(record.address)} {{"
    attributes = {"identity": record.identity, **record.attributes}
    yield from (f"  {line}" for line in whole(kind_of(record.address), attributes, " ", style))
    yield "}"


def _pending(pending: Iterable[Pending], style: Style) -> Iterator[str]:
    for operation in pending:
        yield ""
        yield style.yellow(
            f"# interrupted: {escape(operation.operation)} of {escape(operation.address)}; the next apply settles it"
        )
